package storetest

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollcall-id/rollcall"
)

var callClauses = []Clause{
	{"Calls", "a done context does nothing", testCancelled},
	{"Calls", "traits do not change, and a store that has a clock tells the time", testTraits},
	{"Calls", "a commit that has begun is finished", testBegun},
	{"Calls", "what was given and what is returned is not shared", testOwnership},
	{"Calls", "closing ends what was started", testClose},
}

func testCancelled(t *testing.T, h Harness) {
	s := open(t, h)
	s.create(newSession("u", sessionID(1), t0))
	cancelled, cancel := context.WithCancel(background)
	cancel()
	late, cancel := context.WithDeadline(background, time.Unix(1, 0))
	defer cancel()
	never := func(rollcall.Walked) bool {
		t.Error("a walk begins")
		return true
	}
	for _, ctx := range []context.Context{cancelled, late} {
		_, _, err := s.Session(ctx, rollcall.At{ID: sessionID(1)})
		s.fails("Session", err, ctx.Err())
		_, _, err = s.Sessions(ctx, rollcall.SessionsOf{UserID: "u", Limit: 1})
		s.fails("Sessions", err, ctx.Err())
		_, err = s.Walk(ctx, "", never)
		s.fails("Walk", err, ctx.Err())
		_, err = s.Document(ctx, "d")
		s.fails("Document", err, ctx.Err())
		_, err = s.Events(ctx, rollcall.EventsAfter{Limit: 1})
		s.fails("Events", err, ctx.Err())
		_, err = s.Commit(ctx, creation(s.user("u"), newSession("u", sessionID(2), t0), newEvent("u", 1)))
		s.fails("Commit", err, ctx.Err())
		_, err = s.Commit(ctx, rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d"}}})
		s.fails("Commit of a document", err, ctx.Err())
		err = s.Touch(ctx, []rollcall.Touch{{UserID: "u", SessionID: sessionID(1), Interaction: interaction(time.Hour, "")}})
		s.fails("Touch", err, ctx.Err())
		_, err = s.Sweep(ctx, rollcall.Sweep{SessionsBefore: forever, Limit: 10, Decide: remove})
		s.fails("Sweep", err, ctx.Err())
		_, err = s.Ready(ctx)
		s.fails("Ready", err, ctx.Err())
	}
	_, err := s.Ready(background)
	s.fails("Ready otherwise", err, nil)
	s.same("the list", []string{sessionID(1)}, s.list("u"))
	s.same("the user's version", uint64(firstVersion), s.user("u").Version)
	s.same("the events", 0, len(s.events("")))
	s.same("the interaction", newSession("u", sessionID(1), t0).Last, s.session(sessionID(1)).Last)
	s.same("the document", rollcall.Document{Name: "d"}, s.document("d"))
}

func testTraits(t *testing.T, h Harness) {
	s := open(t, h)
	want := s.Traits()
	before, err := s.Ready(background)
	s.fails("Ready", err, nil)
	s.create(newSession("u", sessionID(1), t0))
	s.same("traits", want, s.Traits())
	after, err := s.Ready(background)
	s.fails("Ready again", err, nil)
	if before.IsZero() != after.IsZero() || after.Before(before) || !after.IsZero() && after.Year() < 2026 {
		t.Errorf("the store's clock shows %v, and then %v", before, after)
	}
}

// testBegun cancels a commit that is held in its middle.
func testBegun(t *testing.T, h Harness) {
	if h.Serial {
		t.Skip("the engine's commits are serial: none can be held in its middle")
	}
	entered, release := make(chan struct{}), make(chan struct{})
	s := closing(t, h.OpenHeld(t, func(c rollcall.Change) {
		if c.UserID == "slow" {
			close(entered)
			<-release
		}
	}))
	ctx, cancel := context.WithCancel(background)
	done := make(chan error, 1)
	go func() {
		_, err := s.Commit(ctx, creation(rollcall.User{ID: "slow"}, newSession("slow", sessionID(1), t0), newEvent("slow", 1)))
		done <- err
	}()
	<-entered
	cancel()
	close(release)
	s.fails("a commit that is cancelled in its middle", <-done, nil)
	s.same("the list", []string{sessionID(1)}, s.list("slow"))
	s.same("the events", []string{"evt-1"}, s.eventIDs())
}

// testOwnership changes everything that it gave and everything that it got, and looks
// whether the store has changed.
func testOwnership(t *testing.T, h Harness) {
	s := open(t, h)
	s.create(newSession("u", sessionID(2), t0))
	known := s.session(sessionID(2))
	change := rollcall.Change{
		UserID: "u", User: &rollcall.PutUser{User: newUser("u"), Replaces: firstVersion},
		Sessions: []rollcall.PutSession{{Session: newSession("u", sessionID(1), t0)}},
		Ends:     []rollcall.End{unread(known, newEnding(t0))}, Events: []rollcall.Event{newEvent("u", 1)},
	}
	facts := rollcall.Change{
		Everybody: &rollcall.PutEverybody{Everybody: newEverybody()}, Documents: []rollcall.PutDocument{{Name: "d", Body: []byte("body")}},
	}
	touches := []rollcall.Touch{{UserID: "u", SessionID: sessionID(1), Interaction: interaction(time.Hour, "192.0.2.7")}}
	left := s.commit(change)
	s.commit(facts)
	s.fails("Touch", s.Touch(background, touches), nil)
	spoil(&change)
	spoil(&facts)
	spoil(&touches)
	spoil(&left)

	standing := rollcall.Standing{User: newUser("u"), Everybody: newEverybody()}
	standing.User.Version, standing.User.Events, standing.Everybody.Version = firstVersion+1, 1, 1
	want := newSession("u", sessionID(1), t0)
	want.Version, want.Last = 1, interaction(time.Hour, "192.0.2.7")
	known = known.Ended(newEnding(t0))
	known.Version = 2
	for _, what := range []string{"after what was given changed", "after what was returned changed", "after what was decided on changed"} {
		session, st, err := s.Session(background, rollcall.At{ID: sessionID(1)})
		s.fails("Session", err, nil)
		s.same("the session "+what, want, session)
		s.same("the standing "+what, standing, st)
		again, list, err := s.Sessions(background, rollcall.SessionsOf{UserID: "u", Ended: true, Limit: 9})
		s.fails("Sessions", err, nil)
		s.same("the list "+what, []rollcall.Session{want, known}, list)
		s.same("the list's standing "+what, standing, again)
		d := s.document("d")
		s.same("the document "+what, rollcall.Document{Name: "d", Version: 1, Body: []byte("body")}, d)
		events := s.log(1)
		s.same("the events "+what, newEvent("u", 1), events[0].Event)
		for _, p := range []any{&session, &st, &again, &list, &d, &events} {
			spoil(p)
		}
		if what == "after what was returned changed" {
			s.sweep(rollcall.Sweep{SessionsBefore: forever, Limit: 9, Decide: func(w rollcall.Walked) rollcall.Verdict {
				spoil(&w)
				return rollcall.Verdict{FileAt: forever}
			}})
		}
	}
	verdict := newEvent("u", 2)
	ending := newEnding(t0.Add(time.Hour))
	s.sweep(rollcall.Sweep{UserID: "u", Limit: 1, Decide: func(rollcall.Walked) rollcall.Verdict {
		return rollcall.Verdict{FileAt: forever, Ending: &ending, Event: &verdict}
	}})
	spoil(&verdict)
	spoil(&ending)
	s.same("the event of a verdict", newEvent("u", 2), s.log(2)[1].Event)
	s.same("the ending of a verdict", t0.Add(time.Hour), s.session(sessionID(1)).EndedAt)
}

func testClose(t *testing.T, h Harness) {
	running := goleak.IgnoreCurrent()
	s := subject{h.Open(t), t}
	s.create(newSession("u", sessionID(1), t0))
	s.fails("Close", s.Close(), nil)
	goleak.VerifyNone(t, running)
}
