package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

func newFaulty(t *testing.T) (*Faulty, subject) {
	t.Helper()
	f := &Faulty{Store: memory.New()}
	return f, subject{f, t}
}

// addEvent commits one event, which is all that tells whether a commit happened.
func addEvent(f *Faulty, i int) error {
	_, err := f.Commit(background, told("", newEvent("", i)))
	return err
}

func TestFaultyWithoutOrdersKeepsTheContract(t *testing.T) {
	Run(t, Harness{
		Open:     func(*testing.T) rollcall.Store { return &Faulty{Store: memory.New()} },
		Volatile: true,
		Serial:   true,
	})
}

func TestFaultyCommitsFailInTheOrderTheyWereTold(t *testing.T) {
	f, s := newFaulty(t)
	f.FailCommits(Before, After, Conflict, Conflict, Full)
	for i, want := range []error{ErrInjected, ErrInjected, rollcall.ErrConflict, rollcall.ErrConflict, rollcall.ErrFull, nil, nil} {
		s.fails("commit", addEvent(f, i), want)
	}
	s.same("what happened", []string{"evt-1", "evt-5", "evt-6"}, s.eventIDs())
	f.FailCommits(Full)
	f.FailCommits()
	s.fails("a commit whose fault was taken back", addEvent(f, 7), nil)
}

func TestFaultyCommitThatFailsAfterwardsSaysWhatTheEngineSaidToo(t *testing.T) {
	f, s := newFaulty(t)
	f.FailCommits(After)
	left, err := f.Commit(background, rollcall.Change{UserID: "u", User: &rollcall.PutUser{User: newUser("u"), Replaces: 4}})
	s.fails("the engine's error", err, rollcall.ErrConflict)
	s.fails("the injected one", err, ErrInjected)
	s.same("what is left", rollcall.Standing{}, left)
}

func TestFaultyTouchesFailAsToldAndLeaveCommitsAlone(t *testing.T) {
	f, s := newFaulty(t)
	s.create(newSession("u", sessionID(1), t0))
	f.FailTouches(Before, After)
	at := s.session(sessionID(1)).Last.At
	for i, step := range []struct {
		err     error
		happens bool
	}{{ErrInjected, false}, {ErrInjected, true}, {nil, true}} {
		touch := rollcall.Interaction{At: t0.Add(time.Duration(i+1) * time.Hour)}
		err := f.Touch(background, []rollcall.Touch{{UserID: "u", SessionID: sessionID(1), Interaction: touch}})
		s.fails("Touch", err, step.err)
		if step.happens {
			at = touch.At
		}
		s.same("the interaction", at, s.session(sessionID(1)).Last.At)
	}
	s.fails("a commit", addEvent(f, 1), nil)
}

func TestFaultyReadsFailUntilTheyAreTold(t *testing.T) {
	f, s := newFaulty(t)
	s.create(newSession("u", sessionID(1), t0))
	disk := errors.New("disk")
	for _, want := range []error{disk, nil} {
		f.FailReads(want)
		_, _, err := f.Session(background, rollcall.At{ID: sessionID(1)})
		s.fails("Session", err, want)
		_, _, err = f.Sessions(background, rollcall.SessionsOf{UserID: "u", Limit: 1})
		s.fails("Sessions", err, want)
		_, err = f.Walk(background, "", func(rollcall.Walked) bool { return true })
		s.fails("Walk", err, want)
		_, err = f.Document(background, "d")
		s.fails("Document", err, want)
		_, err = f.Events(background, rollcall.EventsAfter{Limit: 1})
		s.fails("Events", err, want)
	}
}

func TestFaultyHoldsOneCommitBeforeOrAfterIt(t *testing.T) {
	for at, want := range map[Fault][]string{Before: {"evt-2", "evt-1"}, After: {"evt-1", "evt-2"}} {
		f, s := newFaulty(t)
		entered, release := f.HoldCommit(at)
		defer release()
		done := make(chan error, 1)
		go func() { done <- addEvent(f, 1) }()
		<-entered
		s.fails("a commit that passes meanwhile", addEvent(f, 2), nil)
		select {
		case err := <-done:
			t.Errorf("the held commit returned: %v", err)
		default:
		}
		release()
		release()
		s.fails("the held commit", <-done, nil)
		s.same("in this order", want, s.eventIDs())
	}
}

func TestFaultyHeldCommitFailsAsTold(t *testing.T) {
	f, s := newFaulty(t)
	f.FailCommits(Conflict)
	entered, release := f.HoldCommit(Before)
	release() // nobody waits for it yet
	s.fails("the commit", addEvent(f, 1), rollcall.ErrConflict)
	<-entered
	s.same("what happened", 0, len(s.eventIDs()))
}

func TestFaultyCountsCallsThatFailToo(t *testing.T) {
	f, s := newFaulty(t)
	f.FailCommits(Before)
	f.FailTouches(Full)
	s.fails("Commit", addEvent(f, 1), ErrInjected)
	s.fails("Commit", addEvent(f, 2), nil)
	s.fails("Touch", f.Touch(background, nil), rollcall.ErrFull)
	s.user("u")
	s.events("")
	_, err := f.Sweep(background, rollcall.Sweep{Limit: 1, Decide: remove})
	s.fails("Sweep", err, nil)
	s.same("the calls", Calls{Reads: 2, Commits: 2, Touches: 1, Sweeps: 1}, f.Calls())
}

func TestFaultyShowsWhoeverActsBetweenAReadAndItsAnswer(t *testing.T) {
	f, s := newFaulty(t)
	s.create(newSession("u", sessionID(1), t0))
	loaded := 0
	f.Loaded = func() { loaded++ }
	s.session(sessionID(1))
	s.list("u")
	s.events("")
	s.same("calls of Loaded", 2, loaded)
}
