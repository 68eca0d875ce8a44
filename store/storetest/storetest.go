// Package storetest is one suite for every engine: a group for each clause of
// [rollcall.Store], and a random-operation test that holds an engine against the
// one in memory.
//
// An engine's own test is a call of Run with a Harness. What an engine cannot do
// it has to say in the Harness: nothing is left out silently.
package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-id/rollcall"
)

// A Harness opens the engine under test.
type Harness struct {
	// Open returns a fresh, empty store. The suite closes it.
	Open func(t *testing.T) rollcall.Store

	// Reopen closes a store that Open or Reopen returned and opens it again with
	// the same data. An engine that keeps nothing sets Volatile instead.
	Reopen   func(t *testing.T, s rollcall.Store) rollcall.Store
	Volatile bool

	// OpenHeld returns a store that calls hold in each Commit, after the
	// change's events have taken their positions and before anybody can see
	// them. An engine whose commits never overlap sets Serial instead.
	OpenHeld func(t *testing.T, hold func(rollcall.Change)) rollcall.Store
	Serial   bool
}

// A Clause is one group of the suite.
type Clause struct {
	Name string
	Test func(t *testing.T, h Harness)
}

// Clauses lists the groups, in the order of the contract.
func Clauses() []Clause {
	return []Clause{
		{"session and user are of one moment", testSnapshot},
		{"a done context does nothing", testCancelled},
		{"a commit that has begun is finished", testBegun},
		{"everything comes back as it was put", testRoundTrip},
		{"instants come back in UTC", testInstants},
		{"texts come back byte for byte", testTexts},
		{"puts carry the version they replace", testVersions},
		{"a change is made whole or not at all", testAtomic},
		{"a change belongs to one user or to none", testMixed},
		{"an id stays claimed until it is swept", testClaims},
		{"a put keeps the later interaction", testPutKeepsInteraction},
		{"sessions are listed newest first and then by id", testOrder},
		{"a page holds when its row is gone and others come", testPages},
		{"ended sessions are found but not listed", testEnded},
		{"an ending that was not read says when and why, and nothing else", testUnreadEnding},
		{"users whose ids begin alike are apart", testUserIDs},
		{"touches are monotonic and idempotent", testTouch},
		{"touches never bring a session back", testTouchGone},
		{"documents have versions", testDocuments},
		{"events are read in order from a position", testEvents},
		{"events come back as they were put", testBareEvent},
		{"a user's events are in the order of its commits", testEventOrder},
		{"an event is never seen before its act", testEventAfterAct},
		{"no event is passed over that becomes visible late", testLateEvents},
		{"a sweep removes what its verdicts say, in bites", testSweep},
		{"a sweep's filing is a lower bound", testRefile},
		{"nothing comes between a verdict and what is done about it", testVerdict},
		{"a user's row goes with the last session", testSweepUser},
		{"events are swept by age, and positions go on", testSweepEvents},
		{"what was given and what is returned is not shared", testOwnership},
		{"racing acts lose nothing", testContention},
		{"racing puts and touches lose nothing", testRacingWrites},
		{"one of racing claims wins", testRacingClaims},
		{"everything is there after reopening", testReopen},
		{"claims, versions and filings are there after reopening", testReopenUpkeep},
		{"closing ends what was started", testClose},
		{"any sequence of operations gives what memory gives", testModel},
	}
}

// Run holds an engine to every clause.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if (h.Reopen == nil) != h.Volatile {
		t.Fatal("an engine either reopens or says that it is volatile")
	}
	if (h.OpenHeld == nil) != h.Serial {
		t.Fatal("an engine either can be held in a commit or says that its commits are serial")
	}
	for _, c := range Clauses() {
		t.Run(c.Name, func(t *testing.T) { c.Test(t, h) })
	}
}

var (
	background = context.Background()
	t0         = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	equal      = cmpopts.EquateEmpty()
)

// A subject is a store under test, with what tests say over and over.
type subject struct {
	rollcall.Store
	t *testing.T
}

func open(t *testing.T, h Harness) subject {
	t.Helper()
	return closing(t, h.Open(t))
}

// closing wraps a store and closes it with the test.
func closing(t *testing.T, s rollcall.Store) subject {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return subject{s, t}
}

// newSession is a session with something in every field.
func newSession(userID, id string, at time.Time) rollcall.Session {
	origin := rollcall.Origin{IP: "192.0.2.1", UserAgent: "Mozilla/5.0 (Ünïcode)", ASN: "64496"}
	return rollcall.Session{
		ID: id, UserID: userID, Generation: rollcall.Generation{User: 3, Everybody: 4},
		SecretHash: rollcall.SecretHash{1, 2, 255}, RequestDigest: [32]byte{9, 31: 8},
		CreatedAt: at, UpdatedAt: at.Add(1 * time.Millisecond), AuthenticatedAt: at.Add(2 * time.Millisecond),
		ExpiresAt: at.Add(168 * time.Hour), RenewedAt: at.Add(3 * time.Millisecond),
		Lifetimes:  rollcall.Lifetimes{Absolute: 168 * time.Hour, Idle: 72*time.Hour + time.Nanosecond},
		CookieMode: rollcall.NonPersistent,
		Methods:    []rollcall.Method{{Name: "pwd", At: at}, {Name: "mfa", Type: "otp", At: at.Add(time.Second)}},
		Clients:    []string{"web", "app"},
		Metadata:   []rollcall.MetadataEntry{{Key: "b", Value: "2"}, {Key: "a", Value: ""}},
		UsedKeys:   []rollcall.KeyMark{{1, 15: 2}},
		Initial:    origin,
		Last:       rollcall.Interaction{At: at.Add(4 * time.Millisecond), IdleExpiresAt: at.Add(72 * time.Hour), Origin: origin},
	}
}

func sessionID(i int) string { return fmt.Sprintf("session-%016d", i) }

func newEvent(userID string, i int) rollcall.Event {
	return rollcall.Event{
		ID: fmt.Sprintf("evt-%d", i), Type: rollcall.SessionCreated, At: t0.Add(time.Duration(i) * time.Second), UserID: userID,
		SessionID: sessionID(i), ClientID: "web", Reason: rollcall.ReasonLogout, Count: -1, Actor: "backend",
		IP: "2001:db8::1", UserAgent: "curl/8", CorrelationID: "c-1",
	}
}

// creation is the change that creates a session for a user whose row is u.
func creation(u rollcall.User, s rollcall.Session, events ...rollcall.Event) rollcall.Change {
	return rollcall.Change{
		UserID: u.ID, User: &rollcall.PutUser{User: u, Replaces: u.Version},
		Sessions: []rollcall.PutSession{{Session: s}}, Events: events,
	}
}

func (s subject) commit(c rollcall.Change) {
	s.t.Helper()
	if err := s.Commit(background, c); err != nil {
		s.t.Fatalf("Commit: %v", err)
	}
}

// create puts sessions of a user, one commit each.
func (s subject) create(sessions ...rollcall.Session) {
	s.t.Helper()
	for _, session := range sessions {
		s.commit(creation(s.user(session.UserID), session))
	}
}

func (s subject) user(id string) rollcall.User {
	s.t.Helper()
	u, _, err := s.Sessions(background, id, rollcall.Position{}, 0)
	if err != nil {
		s.t.Fatalf("Sessions: %v", err)
	}
	return u
}

func (s subject) session(id string) rollcall.Session {
	s.t.Helper()
	session, _, err := s.Session(background, id)
	if err != nil {
		s.t.Fatalf("Session(%s): %v", id, err)
	}
	return session
}

func (s subject) list(userID string) (ids []string) {
	s.t.Helper()
	_, sessions, err := s.Sessions(background, userID, rollcall.Position{}, 1_000_000)
	if err != nil {
		s.t.Fatalf("Sessions: %v", err)
	}
	for _, session := range sessions {
		ids = append(ids, session.ID)
	}
	return ids
}

func (s subject) events(after string) []rollcall.StoredEvent {
	s.t.Helper()
	events, err := s.Events(background, after, 1_000_000)
	if err != nil {
		s.t.Fatalf("Events: %v", err)
	}
	return events
}

func (s subject) eventIDs() (ids []string) {
	s.t.Helper()
	for _, e := range s.events("") {
		ids = append(ids, e.Event.ID)
	}
	return ids
}

func (s subject) same(what string, want, got any) {
	s.t.Helper()
	if diff := cmp.Diff(want, got, equal); diff != "" {
		s.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func (s subject) fails(what string, err, want error) {
	s.t.Helper()
	if diff := cmp.Diff(want, err, cmpopts.EquateErrors()); diff != "" {
		s.t.Errorf("%s: %s", what, diff)
	}
}
