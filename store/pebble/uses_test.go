package pebble

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
)

func createSessions(t *testing.T, s *Store, userID string, ids ...string) {
	t.Helper()
	for few := range slices.Chunk(ids, rollcall.MaxChange) {
		var sessions []rollcall.Session
		for _, id := range few {
			sessions = append(sessions, typical(userID, id, t0))
		}
		if err := commit(s, silent(userID, sessions...)); err != nil {
			t.Fatal(err)
		}
	}
}

func useAt(userID, id string, at time.Time) rollcall.Touch {
	return rollcall.Touch{UserID: userID, SessionID: id, Interaction: rollcall.Interaction{
		At: at, IdleExpiresAt: at.Add(time.Hour), Origin: rollcall.Origin{IP: "192.0.2.1", UserAgent: "agent of " + id, ASN: "64496"},
	}}
}

func touchAll(t *testing.T, s *Store, touches ...rollcall.Touch) {
	t.Helper()
	if err := s.Touch(background, touches); err != nil {
		t.Fatalf("Touch: %v", err)
	}
}

// lastUse fails unless a session's interaction is the touch's.
func lastUse(t *testing.T, s *Store, want rollcall.Touch) {
	t.Helper()
	got, _, err := s.Session(background, rollcall.At{ID: want.SessionID})
	if err != nil || got.Last != want.Interaction {
		t.Errorf("%s: %+v, want %+v, %v", want.SessionID, got.Last, want.Interaction, err)
	}
}

// drain retires until the log is empty.
func (s *Store) drain(t *testing.T) {
	t.Helper()
	sessions, size := s.uses.MaxSessions, s.uses.MaxBytes
	s.uses.MaxSessions, s.uses.MaxBytes = -1, -1
	for s.uses.Bytes() > 0 {
		if err := s.uses.Retire(1000); err != nil {
			t.Fatal(err)
		}
	}
	s.uses.MaxSessions, s.uses.MaxBytes = sessions, size
	if n := s.uses.Len(); n != 0 {
		t.Errorf("the log is empty, and %d sessions have uses in memory", n)
	}
}

// TestWhatIsKnownOfUsesIsBounded touches many sessions, whose agents are all
// different, with room for few.
func TestWhatIsKnownOfUsesIsBounded(t *testing.T) {
	const sessions, room, size = 3000, 200, 64 << 10
	fs := vfs.NewMem()
	o := Options{FS: fs, useSessions: room, useBytes: size}
	s := openInMemory(t, o)
	var ids []string
	for i := range sessions {
		ids = append(ids, fmt.Sprintf("session-%d", i))
	}
	createSessions(t, s, "u", ids...)
	latest := map[string]rollcall.Touch{}
	for round := range 3 {
		for from := 0; from < sessions; from += 50 {
			var touches []rollcall.Touch
			for _, id := range ids[from : from+50] {
				touch := useAt("u", id, t0.Add(time.Duration(round+1)*time.Minute))
				touch.Interaction.Origin.UserAgent += strings.Repeat("x", 300)
				latest[id], touches = touch, append(touches, touch)
			}
			touchAll(t, s, touches...)
			if n, b := s.uses.Len(), s.uses.TextBytes(); n > room+50 || b > (room+50)*88 {
				t.Fatalf("%d sessions and %d bytes of texts are in memory", n, b)
			}
			if n := s.uses.Bytes(); n > size+40_000 {
				t.Fatalf("the log has %d bytes", n)
			}
		}
	}
	for range 2 {
		for _, touch := range latest {
			lastUse(t, s, touch)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openInMemory(t, o)
	}
	defer closeQuietly(s)
	s.drain(t)
	for _, touch := range latest {
		lastUse(t, s, touch)
	}
	if n := s.uses.TextBytes(); n != 0 {
		t.Errorf("nobody has the texts of %d bytes that are kept", n)
	}
}

func TestASessionInUseIsWrittenAnewAndNotToItsRow(t *testing.T) {
	s := openInMemory(t, Options{useBytes: 2000})
	defer closeQuietly(s)
	createSessions(t, s, "u", "busy", "once")
	once := useAt("u", "once", t0.Add(time.Second))
	touchAll(t, s, once)
	stored := func(id string) time.Time {
		t.Helper()
		v, err := s.view()
		if err != nil {
			t.Fatal(err)
		}
		defer v.close()
		r, _, err := rowIn(v, id)
		if err != nil {
			t.Fatal(err)
		}
		return r.session.Last.At
	}
	for i := range 500 {
		busy := useAt("u", "busy", t0.Add(time.Duration(i+2)*time.Second))
		touchAll(t, s, busy)
		lastUse(t, s, busy)
		lastUse(t, s, once)
	}
	if got := stored("busy"); !got.Equal(t0) {
		t.Errorf("a session that is used all the time was rewritten: %v", got)
	}
	if got := stored("once"); !got.Equal(once.Interaction.At) {
		t.Errorf("a session that is not used any more keeps its use in the log: %v", got)
	}
	if n := s.uses.Len(); n != 1 {
		t.Errorf("%d sessions are in memory", n)
	}
}

// TestAUseOfAnEndedSessionHasNoEffectWhereverItGoes ends sessions that have been
// used, uses them again, and lets all of it go to the rows, before and after
// reopening.
func TestAUseOfAnEndedSessionHasNoEffectWhereverItGoes(t *testing.T) {
	for variant := range 4 {
		reopened, drained := variant%2 == 1, variant/2 == 1
		fs := vfs.NewMem()
		s := openInMemory(t, Options{FS: fs})
		createSessions(t, s, "u", "one")
		used := useAt("u", "one", t0.Add(time.Minute))
		touchAll(t, s, used)
		session, _, err := s.Session(background, rollcall.At{ID: "one"})
		if err != nil {
			t.Fatal(err)
		}
		stale := session
		stale.Last.At = t0 // whoever ends it has read it before the use
		put := func(next rollcall.Session) {
			t.Helper()
			if err := commit(s, rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: next, Replaces: next.Version}}}); err != nil {
				t.Fatal(err)
			}
		}
		put(stale.Ended(rollcall.Ending{EndedAt: t0.Add(2 * time.Minute), EndReason: rollcall.ReasonLogout}))
		touchAll(t, s, useAt("u", "one", t0.Add(3*time.Minute)), useAt("v", "one", t0.Add(4*time.Minute)), useAt("u", "two", t0.Add(time.Minute)))
		if reopened {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openInMemory(t, Options{FS: fs})
		}
		lastUse(t, s, used)
		if drained {
			s.drain(t)
			lastUse(t, s, used)
		}
		ended, _, err := s.Session(background, rollcall.At{ID: "one"})
		if err != nil || ended.EndedAt.IsZero() || ended.Version != 2 {
			t.Errorf("brought back: %+v, %v", ended, err)
		}
		if u, live, err := s.Sessions(background, rollcall.SessionsOf{UserID: "u", Limit: 9}); err != nil || len(live) != 0 || u.User.Version != 1 {
			t.Errorf("%d sessions are listed, %v", len(live), err)
		}
		ended.EndedAt, ended.EndReason = time.Time{}, ""
		put(ended) // an act may put it as living again: uses from then on count
		createSessions(t, s, "u", "two")
		lastUse(t, s, used)
		lastUse(t, s, rollcall.Touch{SessionID: "two", Interaction: typical("u", "two", t0).Last})
		next := useAt("u", "one", t0.Add(150*time.Second)) // later than what counts, earlier than what did not
		touchAll(t, s, next)
		lastUse(t, s, next)
		closeQuietly(s)
		s = openInMemory(t, Options{FS: fs})
		lastUse(t, s, next)
		s.drain(t)
		lastUse(t, s, next)
		closeQuietly(s)
		s = openInMemory(t, Options{FS: fs}) // with an empty log, whose numbers go on
		next = useAt("u", "one", t0.Add(time.Hour))
		touchAll(t, s, next)
		lastUse(t, s, next)
		closeQuietly(s)
	}
}

func TestAUseWaitsForASweepThatDecidesOnItsSession(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	createSessions(t, s, "u", "decided on", "other")
	used := make(chan error, 1)
	swept, err := s.Sweep(background, rollcall.Sweep{SessionsBefore: t0.AddDate(1, 0, 0), Limit: 1, Decide: func(rollcall.Walked) rollcall.Verdict {
		go func() { used <- s.Touch(background, []rollcall.Touch{useAt("u", "decided on", t0.Add(time.Hour))}) }()
		select {
		case err := <-used:
			t.Errorf("it did not wait: %v", err)
			used <- err
		case <-time.After(50 * time.Millisecond):
		}
		return rollcall.Verdict{FileAt: t0.AddDate(1, 0, 0)}
	}})
	if err != nil || swept.Looked != 1 || swept.Removed != 0 {
		t.Errorf("%+v, %v", swept, err)
	}
	if err := <-used; err != nil {
		t.Error(err)
	}
	lastUse(t, s, useAt("u", "decided on", t0.Add(time.Hour)))
}

// TestAReadIsOfOneMoment writes between a read's look at the rows and its look at
// the uses.
func TestAReadIsOfOneMoment(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	createSessions(t, s, "u", "one", "other")
	first := useAt("u", "one", t0.Add(time.Minute))
	touchAll(t, s, first)
	second := useAt("u", "one", t0.Add(2*time.Minute))
	for _, c := range []struct {
		what  string
		write func()
		reads int
		want  rollcall.Touch
	}{
		{"a use of another session", func() { touchAll(t, s, useAt("u", "other", t0.Add(time.Hour))) }, 1, first},
		{"its use going to its row", func() { s.drain(t) }, 2, first},
		{"a use of it", func() { touchAll(t, s, second) }, 2, second},
	} {
		reads := 0
		sessions, err := s.read(func(v view, f *found) error {
			r, _, err := rowIn(v, "one")
			f.add(&r)
			if reads++; reads == 1 {
				c.write()
			}
			return err
		})
		if err != nil || reads != c.reads || sessions[0].Last != c.want.Interaction {
			t.Errorf("%s meanwhile: %d reads, %+v, %v", c.what, reads, sessions[0].Last, err)
		}
	}
}

// TestUsesAndActsAreSeenInTheirOrder touches one session and puts another, in
// turn, while everything retires: whoever reads both sees no gap.
func TestUsesAndActsAreSeenInTheirOrder(t *testing.T) {
	s := openInMemory(t, Options{useBytes: 500, useSessions: 2, noSync: true})
	defer closeQuietly(s)
	createSessions(t, s, "u", "touched", "put", "touched after")
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for !done.Load() {
				_, list, err := s.Sessions(background, rollcall.SessionsOf{UserID: "u", Limit: 3})
				if err != nil || len(list) != 3 {
					t.Errorf("%d sessions, %v", len(list), err)
					return
				}
				put, touched, after := list[0].UpdatedAt.Sub(t0), list[1].Last.At.Sub(t0), list[2].Last.At.Sub(t0)
				if put > touched || after > put || touched > after+time.Minute {
					t.Errorf("not of one moment: touched %v, then put %v, then touched %v", touched, put, after)
					return
				}
			}
		})
	}
	for i := range 1500 {
		at := t0.Add(time.Duration(i+1) * time.Minute)
		touchAll(t, s, useAt("u", "touched", at))
		session := typical("u", "put", t0)
		session.UpdatedAt = at
		if err := commit(s, rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: session, Replaces: uint64(i + 1)}}}); err != nil {
			t.Fatal(err)
		}
		touchAll(t, s, useAt("u", "touched after", at))
	}
	done.Store(true)
	readers.Wait()
}

// TestRacingUsesLoseNothing lets acts, endings, sweeps and uses of the same
// sessions race while all of it retires.
func TestRacingUsesLoseNothing(t *testing.T) {
	fs := vfs.NewMem()
	o := Options{FS: fs, useBytes: 3000, useSessions: 4}
	s := openInMemory(t, o)
	const users, uses = 6, 120
	var all sync.WaitGroup
	for u := range users {
		userID := fmt.Sprintf("user-%d", u)
		ids := []string{userID + "-used", userID + "-put", userID + "-ended", userID + "-over"}
		createSessions(t, s, userID, ids...)
		all.Go(func() {
			for i := range uses {
				at := t0.Add(time.Duration(i+1) * time.Second)
				if err := s.Touch(background, []rollcall.Touch{useAt(userID, ids[0], at), useAt(userID, ids[1], at), useAt(userID, ids[2], at), useAt(userID, ids[3], at)}); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range uses / 4 {
				session, _, err := s.Session(background, rollcall.At{ID: ids[1]})
				if err == nil {
					err = commit(s, rollcall.Change{UserID: userID, Sessions: []rollcall.PutSession{{Session: session, Replaces: session.Version}}})
				}
				if err != nil {
					t.Error(err)
				}
			}
			if err := commit(s, rollcall.Change{UserID: userID, Sessions: []rollcall.PutSession{{Session: typical(userID, ids[2], t0).Ended(rollcall.Ending{EndedAt: t0, EndReason: rollcall.ReasonLogout}), Replaces: 1}}}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Go(func() {
		for range users {
			_, err := s.Sweep(background, rollcall.Sweep{SessionsBefore: t0.AddDate(1, 0, 0), Limit: 9, Decide: func(w rollcall.Walked) rollcall.Verdict {
				if strings.HasSuffix(w.Session.ID, "-over") {
					return rollcall.Verdict{}
				}
				return rollcall.Verdict{FileAt: t0.AddDate(1, 0, 0)}
			}})
			if err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	look := func() {
		t.Helper()
		for u := range users {
			userID := fmt.Sprintf("user-%d", u)
			last := t0.Add(uses * time.Second)
			lastUse(t, s, useAt(userID, userID+"-used", last))
			lastUse(t, s, useAt(userID, userID+"-put", last))
			ended, _, err := s.Session(background, rollcall.At{ID: userID + "-ended"})
			if err != nil || ended.EndedAt.IsZero() || ended.Version != 2 {
				t.Errorf("the ended one: %+v, %v", ended, err)
			}
			if _, _, err := s.Session(background, rollcall.At{ID: userID + "-over"}); !errors.Is(err, rollcall.ErrNoSession) {
				t.Errorf("the swept one: %v", err)
			}
		}
	}
	look()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openInMemory(t, o)
	defer closeQuietly(s)
	look()
	s.drain(t)
	look()
}

func TestAFullDiskKeepsTheLogFromRetiringAndLosesNothing(t *testing.T) {
	var free atomic.Uint64
	free.Store(DefaultMinFree)
	s := openInMemory(t, Options{FS: fullDisk{vfs.NewMem(), &free}, MinFree: DefaultMinFree, useBytes: 1000, useSessions: 2})
	defer closeQuietly(s)
	createSessions(t, s, "u", "a", "b", "c", "d")
	for i := range 200 {
		if i%20 == 10 {
			free.Store(0)
			s.looked.Store(0) // as if a second had gone by
		}
		used := useAt("u", string(rune('a'+i%4)), t0.Add(time.Duration(i+1)*time.Second))
		err := s.Touch(background, []rollcall.Touch{used})
		if !errors.Is(err, rollcall.ErrFull) && err != nil || (err != nil) != (free.Load() == 0) {
			t.Fatalf("with %d bytes free: %v", free.Load(), err)
		}
		if err != nil {
			if got, _, err := s.Session(background, rollcall.At{ID: used.SessionID}); err != nil || !got.Last.At.Before(used.Interaction.At) {
				t.Errorf("a use that was refused is there: %v", err)
			}
			free.Store(DefaultMinFree)
			s.looked.Store(0)
			touchAll(t, s, used)
		}
		lastUse(t, s, used)
	}
}

// TestADamagedRowStopsNobodyElsesUses damages a row whose use is in the log.
func TestADamagedRowStopsNobodyElsesUses(t *testing.T) {
	s := openInMemory(t, Options{useBytes: 500, useSessions: 2})
	defer closeQuietly(s)
	createSessions(t, s, "u", "damaged", "a", "b", "c")
	touchAll(t, s, useAt("u", "damaged", t0.Add(time.Hour)))
	damaged := typical("u", "damaged", t0)
	if err := s.db.Set(sessionKey(kindLive, "u", damaged.Position()), []byte{codec.Format, 9}, s.sync); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		used := useAt("u", string(rune('a'+i%3)), t0.Add(time.Duration(i+1)*time.Second))
		touchAll(t, s, used, useAt("u", "damaged", t0.Add(time.Duration(i)*time.Second)))
		lastUse(t, s, used)
	}
	if _, _, err := s.Session(background, rollcall.At{ID: "damaged"}); err == nil || errors.Is(err, rollcall.ErrNoSession) {
		t.Errorf("the damaged one: %v", err)
	}
}
