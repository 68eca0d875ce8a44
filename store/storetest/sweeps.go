package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

var sweepClauses = []Clause{
	{"Sweep", "a sweep removes what its verdicts say, in bites", testSweep},
	{"Sweep", "a row is filed under what its latest put says, and when to look is a lower bound", testFiling},
	{"Sweep", "a verdict that ends ends the row first", testVerdictEnds},
	{"Sweep", "nothing comes between a verdict and what is done about it", testVerdict},
}

// remove is the verdict that everything goes, without an event.
func remove(rollcall.Walked) rollcall.Verdict { return rollcall.Verdict{} }

// sweep makes one bite.
func (s subject) sweep(bite rollcall.Sweep) rollcall.Swept {
	s.t.Helper()
	swept, err := s.Sweep(background, bite)
	if err != nil {
		s.t.Fatalf("Sweep: %v", err)
	}
	return swept
}

// sweepAll removes everything that is filed before an instant.
func (s subject) sweepAll(before time.Time) {
	s.t.Helper()
	for range 1000 {
		if !s.sweep(rollcall.Sweep{SessionsBefore: before, Limit: 100, Decide: remove}).More {
			return
		}
	}
	s.t.Fatal("a sweep finds more for ever")
}

// removeEvents removes all events that can be read.
func (s subject) removeEvents() {
	s.t.Helper()
	upTo := ""
	for _, e := range s.events("") {
		upTo = e.Position
	}
	for range 1000 {
		if !s.sweep(rollcall.Sweep{EventsUpTo: upTo, Limit: 100, Decide: remove}).More {
			return
		}
	}
	s.t.Fatal("a sweep finds more events for ever")
}

// bites sweeps until there is no more, and returns what each bite did, without More and
// Next. It wants all but the last to say that there may be more.
func (s subject) bites(bite rollcall.Sweep) (all []rollcall.Swept) {
	s.t.Helper()
	for range 100 {
		swept := s.sweep(bite)
		more := swept.More
		bite.After, swept.More, swept.Next = swept.Next, false, rollcall.Position{}
		if swept != (rollcall.Swept{}) {
			all = append(all, swept)
		}
		if !more {
			return all
		}
	}
	s.t.Fatal("a sweep finds more for ever")
	return nil
}

func testSweep(t *testing.T, h Harness) {
	s := open(t, h)
	for i := range 10 {
		session := newSession("u", sessionID(i), t0)
		session.ExpiresAt = t0.Add(time.Duration(i) * time.Hour) // filed hour by hour
		s.create(session)
	}
	s.commit(rollcall.Change{Everybody: &rollcall.PutEverybody{Everybody: newEverybody()}})
	var asked []string
	st := s.standing("u")
	bite := rollcall.Sweep{SessionsBefore: t0.Add(7 * time.Hour), Limit: 3, Decide: func(w rollcall.Walked) rollcall.Verdict {
		w.Standing.User.Events = 0 // those of this very bite may be counted, or not yet
		s.same("the standing that is decided on", st, w.Standing)
		want := newSession("u", w.Session.ID, t0)
		want.ExpiresAt, want.Version = t0.Add(time.Duration(len(asked))*time.Hour), 1
		s.same("what is decided on", want, *w.Session)
		asked = append(asked, w.Session.ID)
		e := newEvent("u", len(asked))
		e.SessionID = w.Session.ID
		return rollcall.Verdict{Event: &e}
	}}
	s.same("the bites", []rollcall.Swept{{Looked: 3, Removed: 3}, {Looked: 3, Removed: 3}, {Looked: 1, Removed: 1}}, s.bites(bite))
	want := []string{sessionID(0), sessionID(1), sessionID(2), sessionID(3), sessionID(4), sessionID(5), sessionID(6)}
	s.same("oldest first, and only those before the bound", want, asked)
	var about []string
	for i, e := range s.events("") {
		about = append(about, e.Event.SessionID)
		s.same("the number of a verdict's event", uint64(i+1), e.Number)
	}
	s.same("the events", want, about)
	s.same("what is left", []string{sessionID(7), sessionID(8), sessionID(9)}, s.list("u"))
	for _, id := range want {
		s.fails("a swept session", s.finds(id), rollcall.ErrNoSession)
	}
	st.User.Events = 7
	s.same("the user's row", st, s.standing("u"))

	s.commit(replacement(s.session(sessionID(7)).Ended(newEnding(t0.Add(-time.Hour)))))
	swept := s.sweep(rollcall.Sweep{SessionsBefore: t0, Limit: 10, Decide: remove})
	s.same("an ended session is filed under its ending", 1, swept.Removed)
	s.same("silently", 7, len(s.events("")))
}

func testFiling(t *testing.T, h Harness) {
	s := open(t, h)
	session := newSession("u", sessionID(1), t0) // filed under its idle limit, 72 h
	s.create(session)
	s.touch("u", session.ID, interaction(50*time.Hour, "192.0.2.7"))
	asked := 0
	sweep := func(before time.Duration, v rollcall.Verdict) rollcall.Swept {
		t.Helper()
		swept := s.sweep(rollcall.Sweep{SessionsBefore: t0.Add(before), Limit: 10, Decide: func(w rollcall.Walked) rollcall.Verdict {
			asked++
			if !w.Session.Last.IdleExpiresAt.Equal(t0.Add(122 * time.Hour)) {
				t.Errorf("asked about a session without its touch: %v", w.Session.Last)
			}
			return v
		}})
		swept.More = false
		return swept
	}
	looked, removed := rollcall.Swept{Looked: 1}, rollcall.Swept{Looked: 1, Removed: 1}
	keep := rollcall.Verdict{FileAt: t0.Add(122 * time.Hour)}
	s.same("at its limit it is not looked at", rollcall.Swept{}, sweep(72*time.Hour, keep))
	s.same("a touch files nothing anew", looked, sweep(73*time.Hour, keep))
	s.same("what was filed again is left alone", rollcall.Swept{}, sweep(122*time.Hour, keep))
	want := session
	want.Version, want.Last = 1, interaction(50*time.Hour, "192.0.2.7")
	s.same("filing changes nothing else", want, s.session(session.ID))
	s.same("until its time", removed, sweep(123*time.Hour, rollcall.Verdict{}))
	s.same("asked", 2, asked)

	again := newSession("u", sessionID(2), t0)
	again.Last.IdleExpiresAt = t0.Add(122 * time.Hour)
	put := func(i int, fileAt time.Duration) {
		t.Helper()
		again.ID = sessionID(i)
		c := creation(s.user("u"), again)
		c.Sessions[0].FileAt = t0.Add(fileAt)
		s.commit(c)
	}
	refile := func(i int, fileAt time.Time) {
		t.Helper()
		c := replacement(s.session(sessionID(i)))
		c.Sessions[0].FileAt = fileAt
		s.commit(c)
	}
	put(2, 10*time.Hour)
	s.same("before the instant that its put says", rollcall.Swept{}, sweep(10*time.Hour, keep))
	s.same("after it", removed, sweep(11*time.Hour, rollcall.Verdict{}))

	put(3, 10*time.Hour)
	refile(3, t0.Add(20*time.Hour))
	s.same("a put takes the old filing away", rollcall.Swept{}, sweep(20*time.Hour, keep))
	s.same("and files anew", removed, sweep(21*time.Hour, rollcall.Verdict{}))

	put(4, 20*time.Hour)
	refile(4, t0.Add(10*time.Hour))
	s.same("under an earlier instant, too", removed, sweep(11*time.Hour, rollcall.Verdict{}))
	s.same("and no more under the later", rollcall.Swept{}, sweep(9000*time.Hour, keep))

	put(5, 10*time.Hour)
	refile(5, time.Time{})
	s.same("zero is the instant at which it is over", rollcall.Swept{}, sweep(122*time.Hour, keep))
	s.same("and not later", removed, sweep(122*time.Hour+time.Millisecond, rollcall.Verdict{}))
}

func testVerdictEnds(t *testing.T, h Harness) {
	s := open(t, h)
	for i := range 3 {
		s.create(newSession("u", sessionID(i), t0.Add(time.Duration(i)*time.Second)))
	}
	s.commit(replacement(s.session(sessionID(2)).Ended(newEnding(t0.Add(time.Minute)))))
	used := interaction(time.Hour, "192.0.2.7")
	s.touch("u", sessionID(1), used)
	want := s.sessions("u", true)
	known := s.user("u")
	when := rollcall.Ending{EndedAt: t0.Add(72 * time.Hour), EndReason: rollcall.ReasonIdle, EndedBy: "nobody"}
	swept := s.sweep(rollcall.Sweep{SessionsBefore: t0.Add(200 * time.Hour), Limit: 10, Decide: func(w rollcall.Walked) rollcall.Verdict {
		e := newEvent("u", 1)
		v := rollcall.Verdict{FileAt: t0.Add(300 * time.Hour), Ending: &when, Event: &e}
		if w.Session.ID == sessionID(0) {
			v.Ending, v.Event = nil, nil
		}
		return v
	}})
	swept.More = false
	s.same("the bite", rollcall.Swept{Looked: 3, Ended: 1}, swept)
	want[1] = want[1].Ended(when) // sessionID(1), between the one ended before and the one filed again
	want[1].Version++
	s.same("the sessions", want, s.sessions("u", true))
	s.same("the list", []string{sessionID(0)}, s.list("u"))
	s.same("the events", 2, len(s.events("")))
	s.same("the user's version", known.Version+1, s.user("u").Version)
	s.conflicts("an act that was decided before", ending(known, unread(want[2], when)))
	stale := want[1]
	stale.Version--
	s.conflicts("a put that was decided before", replacement(stale))
	s.touch("u", sessionID(1), interaction(90*time.Hour, ""))
	s.same("a use that comes late", want[1], s.session(sessionID(1)))

	s.same("filed under the verdict's instant", rollcall.Swept{}, bare(s.sweep(rollcall.Sweep{SessionsBefore: t0.Add(300 * time.Hour), Limit: 10, Decide: remove})))
	swept = s.sweep(rollcall.Sweep{SessionsBefore: t0.Add(301 * time.Hour), Limit: 10, Decide: func(w rollcall.Walked) rollcall.Verdict {
		return rollcall.Verdict{FileAt: forever}
	}})
	s.same("and looked at after it", rollcall.Swept{Looked: 3}, bare(swept))
}

// bare is what a bite did, without what it says of the next.
func bare(s rollcall.Swept) rollcall.Swept {
	s.More, s.Next = false, rollcall.Position{}
	return s
}

// testVerdict writes to a session while a sweep decides on it. Either the write came
// first, and the sweep decided on what it wrote, or it came too late.
func testVerdict(t *testing.T, h Harness) {
	s := open(t, h)
	for round := range 6 {
		userID, id := fmt.Sprintf("user-%d", round), sessionID(round)
		s.create(newSession(userID, id, t0))
		session := s.session(id)
		session.Clients = []string{"written meanwhile"}
		var writes sync.WaitGroup
		var err error
		begin := sync.OnceFunc(func() {
			writes.Go(func() { err = s.tries(replacement(session)) })
			writes.Go(func() {
				touch := rollcall.Touch{UserID: userID, SessionID: id, Interaction: interaction(time.Hour, "")}
				if err := s.Touch(background, []rollcall.Touch{touch}); err != nil {
					t.Errorf("Touch: %v", err)
				}
			})
			time.Sleep(10 * time.Millisecond) // long enough for a write that nothing keeps out
		})
		bite := rollcall.Sweep{SessionsBefore: forever, Limit: 1, Decide: func(w rollcall.Walked) rollcall.Verdict {
			begin()
			if w.Session.Version > 1 || w.Session.Last.At.Equal(t0.Add(time.Hour)) {
				return rollcall.Verdict{FileAt: forever}
			}
			return rollcall.Verdict{}
		}}
		if round%2 == 1 {
			bite.UserID = userID
		}
		swept := s.sweep(bite)
		writes.Wait()
		if swept.Removed == 1 {
			s.fails("a put that came after the verdict", err, rollcall.ErrConflict)
			s.fails("a session that was removed", s.finds(id), rollcall.ErrNoSession)
			s.same("its user", rollcall.User{ID: userID}, s.user(userID))
		} else {
			s.same("a verdict on what was written", rollcall.Swept{Looked: 1}, bare(swept))
			s.fails("a session that was filed again", s.finds(id), nil)
			s.fails("a put that came before the verdict", err, nil)
		}
	}
}
