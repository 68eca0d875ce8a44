package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/postgres"
	"github.com/rollcall-id/rollcall/store/postgres/postgrestest"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dsn string) *postgres.Store {
	t.Helper()
	s := opened(t, dsn)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func sessionID(i int) string { return fmt.Sprintf("session-%016d", i) }

// newSession is a session with something in every field that a live one has.
func newSession(userID string, i int) rollcall.Session {
	origin := rollcall.Origin{IP: "2001:db8::1", UserAgent: `Mozilla "5.0" {Ünïcode}, \`, ASN: "064496"}
	at := t0.Add(time.Duration(i) * time.Second)
	return rollcall.Session{
		ID: sessionID(i), UserID: userID, Generation: rollcall.Generation{User: 3, Everybody: 4},
		SecretHash: rollcall.SecretHash{1, 2, 255}, RequestDigest: [32]byte{9, 31: 8},
		CreatedAt: at, UpdatedAt: at.Add(1 * time.Millisecond), AuthenticatedAt: at.Add(2 * time.Millisecond),
		ExpiresAt: at.Add(168 * time.Hour), RenewedAt: at.Add(3 * time.Millisecond),
		Lifetimes:  rollcall.Lifetimes{Absolute: 168 * time.Hour, Idle: 72*time.Hour + time.Nanosecond},
		CookieMode: rollcall.NonPersistent,
		Methods:    []rollcall.Method{{Name: "pwd", At: at}, {Name: "mfa", Type: "otp", At: at.Add(time.Second)}},
		Clients:    []string{"web", "", `"a,\`, "NULL"},
		Metadata:   []rollcall.MetadataEntry{{Key: "b", Value: "2"}, {Key: "a", Value: "<\"\u2028>"}, {Key: "", Value: ""}},
		UsedKeys:   []rollcall.KeyMark{{1, 15: 2}, {3}},
		Initial:    rollcall.Origin{IP: "192.0.2.1", UserAgent: "curl", ASN: "7"},
		Last:       rollcall.Interaction{At: at.Add(4 * time.Millisecond), IdleExpiresAt: at.Add(72 * time.Hour), Origin: origin},
	}
}

// creation is the change that creates a session of a user without a read.
func creation(s rollcall.Session) rollcall.Change {
	return rollcall.Change{
		UserID: s.UserID, User: &rollcall.PutUser{User: rollcall.User{ID: s.UserID, Version: 1000}, Replaces: rollcall.AnyVersion},
		Sessions: []rollcall.PutSession{{Session: s, Stamped: true, Fresh: true}},
		Events:   []rollcall.Event{{ID: "evt_" + s.ID, Type: rollcall.SessionCreated, At: s.CreatedAt, UserID: s.UserID, SessionID: s.ID}},
	}
}

func commit(t *testing.T, s *postgres.Store, c rollcall.Change) rollcall.Standing {
	t.Helper()
	st, err := s.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func session(t *testing.T, s *postgres.Store, id string) (rollcall.Session, rollcall.Standing) {
	t.Helper()
	found, st, err := s.Session(t.Context(), rollcall.At{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return found, st
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestACreationWithoutAReadTakesTheGenerationsAsTheyAre(t *testing.T) {
	s := open(t, postgrestest.DSN(t))
	st := commit(t, s, creation(newSession("u", 1)))
	same(t, "the standing of a new user", rollcall.Standing{User: rollcall.User{ID: "u", Version: 1000, Generation: 1000, TokenGeneration: 1000, Events: 1}}, st)
	commit(t, s, rollcall.Change{Everybody: &rollcall.PutEverybody{Everybody: rollcall.Everybody{
		Generation: 7, GenerationAt: t0, GenerationBy: "op", Settings: 2, Clients: map[string]uint64{"web": 1<<64 - 1},
	}}})
	moved := rollcall.User{ID: "u", Generation: 1001, GenerationAt: t0, GenerationReason: rollcall.ReasonSelf, GenerationBy: "u"}
	commit(t, s, rollcall.Change{UserID: "u", User: &rollcall.PutUser{User: moved, Replaces: rollcall.AnyVersion, NextGeneration: true}})
	st = commit(t, s, creation(newSession("u", 2)))
	want := newSession("u", 2)
	want.Version, want.Generation = 1, rollcall.Generation{User: 1001, Everybody: 7}
	got, read := session(t, s, want.ID)
	same(t, "the session", want, got)
	same(t, "the standing that was read", st, read)
	same(t, "the standing", rollcall.Standing{
		User: rollcall.User{
			ID: "u", Version: 1002, Generation: 1001, GenerationAt: t0, GenerationReason: rollcall.ReasonSelf, GenerationBy: "u",
			TokenGeneration: 1000, Events: 2,
		},
		Everybody: rollcall.Everybody{Version: 1, Generation: 7, GenerationAt: t0, GenerationBy: "op", Settings: 2, Clients: map[string]uint64{"web": 1<<64 - 1}},
	}, st)
}

func TestAServerThatAnswersBeforeACommitIsDurableIsRefused(t *testing.T) {
	_, err := postgres.Open(t.Context(), postgrestest.DSN(t)+" synchronous_commit=off", postgres.Options{})
	if err == nil || !strings.Contains(err.Error(), "synchronous_commit is off") {
		t.Errorf("Open: %v", err)
	}
}

func TestTheClockIsTheDatabases(t *testing.T) {
	s := open(t, postgrestest.DSN(t))
	now, err := s.Ready(t.Context())
	if err != nil || time.Since(now).Abs() > time.Minute || now.Location() != time.UTC {
		t.Errorf("Ready: %v, %v", now, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Ready(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Ready of a done context: %v", err)
	}
	if !s.Traits().Shared {
		t.Error("the engine says that nobody else writes")
	}
}
