package storetest

import (
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// event returns the i-th event that follows a position.
func (s subject) event(after string, i int) rollcall.Event {
	s.t.Helper()
	events := s.events(after)
	if i >= len(events) {
		s.t.Fatalf("%d events after position %q, want at least %d", len(events), after, i+1)
	}
	return events[i].Event
}

func testEvents(t *testing.T, h Harness) {
	s := open(t, h)
	s.same("before the first", 0, len(s.events("")))
	for i := range 10 {
		s.commit(rollcall.Change{UserID: "u", Events: []rollcall.Event{newEvent("u", 2*i), newEvent("u", 2*i+1)}})
	}
	all := s.events("")
	if len(all) != 20 {
		t.Fatalf("%d events, want 20", len(all))
	}
	for i, e := range all {
		s.same("the event", newEvent("u", i), e.Event)
		s.same("what follows it", all[i+1:], s.events(e.Position))
		if e.Position == e.Event.ID || e.Position == "" {
			t.Error("a position is the event's id, or nothing")
		}
	}
	few, err := s.Events(background, all[3].Position, 2)
	s.fails("Events", err, nil)
	s.same("two after the fourth", all[4:6], few)
	if _, err := s.Events(background, "no position", 1); err == nil {
		t.Error("what is no position is accepted")
	}
	s.commit(rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d"}}, Events: []rollcall.Event{newEvent("", 20)}})
	s.same("the event of a document", newEvent("", 20), s.event(all[19].Position, 0))
}

func testLateEvents(t *testing.T, h Harness) {
	if h.Serial {
		t.Skip("the engine's commits are serial: none becomes visible late")
	}
	entered, release := make(chan struct{}), make(chan struct{})
	s := closing(t, h.OpenHeld(t, func(c rollcall.Change) {
		if c.UserID == "slow" {
			close(entered)
			<-release
		}
	}))
	s.commit(rollcall.Change{UserID: "quick", Events: []rollcall.Event{newEvent("quick", 1)}})
	done := make(chan error)
	go func() {
		done <- s.Commit(background, rollcall.Change{UserID: "slow", Events: []rollcall.Event{newEvent("slow", 2)}})
	}()
	<-entered
	s.commit(rollcall.Change{UserID: "quick", Events: []rollcall.Event{newEvent("quick", 3)}})
	position := ""
	for _, e := range s.events("") {
		position = e.Position
	}
	s.same("while a commit is under way", []string{"evt-1"}, s.eventIDs())
	close(release)
	s.fails("the slow commit", <-done, nil)
	var rest []string
	for _, e := range s.events(position) {
		rest = append(rest, e.Event.ID)
	}
	s.same("read on when it has ended", []string{"evt-2", "evt-3"}, rest)
}

func testSweepEvents(t *testing.T, h Harness) {
	s := subject{h.Open(t), t}
	for i := range 10 {
		s.commit(rollcall.Change{UserID: "u", Events: []rollcall.Event{newEvent("u", i)}})
	}
	positions := s.events("")
	if len(positions) != 10 {
		t.Fatalf("%d events, want 10", len(positions))
	}
	bite := func(before time.Time, limit int) rollcall.Swept {
		swept, err := s.Sweep(background, rollcall.Sweep{EventsBefore: before, Limit: limit, Decide: remove})
		s.fails("Sweep", err, nil)
		return swept
	}
	swept := bite(t0.Add(5*time.Second), 3)
	s.same("the first bite", rollcall.Swept{Events: 3, More: true}, swept)
	swept = bite(t0.Add(5*time.Second), 3)
	s.same("the second bite", rollcall.Swept{Events: 2}, swept)
	s.same("what is left", positions[5:], s.events(""))
	s.same("a position that was swept stays good", positions[5:], s.events(positions[2].Position))
	bite(t0.Add(time.Hour), 100)
	s.same("when all are old", 0, len(s.events("")))
	if !h.Volatile {
		s = subject{h.Reopen(t, s.Store), t}
	}
	s.commit(rollcall.Change{UserID: "u", Events: []rollcall.Event{newEvent("u", 10)}})
	s.same("read on after all were swept", newEvent("u", 10), s.event(positions[9].Position, 0))
	s.same("and nothing else", 1, len(s.events(positions[9].Position)))
	s.fails("Close", s.Close(), nil)
}
