package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

var eventClauses = []Clause{
	{"Events", "events are read in order from a position", testEvents},
	{"Events", "events come back as they were put", testBareEvent},
	{"Events", "a user's events are numbered without a gap", testNumbers},
	{"Events", "a page leaves out other users and types, and goes on behind what was looked at", testEventFilters},
	{"Events", "every commit that has returned lies at or before the head", testHead},
	{"Events", "a user's events are in the order of its commits", testEventOrder},
	{"Events", "an event is never seen before its act", testEventAfterAct},
	{"Events", "no event is passed over that becomes visible late", testLateEvents},
	{"Events", "events are removed up to a position, whatever their instants", testRemoveEvents},
	{"Events", "who reads on is told what is no longer kept", testMissed},
	{"Events", "a position of another incarnation misses and removes nothing unseen", testIncarnation},
}

func testEvents(t *testing.T, h Harness) {
	s := open(t, h)
	empty := s.page(rollcall.EventsAfter{Limit: 10})
	if len(empty.Events) > 0 || empty.Missed {
		t.Errorf("before the first: %+v", empty)
	}
	s.row("u")
	for i := range 10 {
		s.commit(told("u", newEvent("u", 2*i), newEvent("u", 2*i+1)))
	}
	all := s.log(20)
	s.same("read on from before the first", all, s.events(empty.Next))
	for i, e := range all {
		s.same("the event", newEvent("u", i), e.Event)
		s.same("what follows it", all[i+1:], s.events(e.Position))
		if e.Position == e.Event.ID || e.Position == "" {
			t.Error("a position is the event's id, or nothing")
		}
		if i > 0 && e.Position <= all[i-1].Position {
			t.Errorf("position %q follows %q, and is not the greater text", e.Position, all[i-1].Position)
		}
	}
	few := s.page(rollcall.EventsAfter{After: all[3].Position, Limit: 2})
	s.same("two after the fourth", all[4:6], few.Events)
	s.same("read on after them", all[6:], s.events(few.Next))
	none := s.page(rollcall.EventsAfter{After: all[3].Position})
	s.same("limit 0", 0, len(none.Events))
	s.same("read on after none", all[4:], s.events(none.Next))
	for _, bad := range []string{"no position", " ", all[0].Position + "0", strings.Repeat("z", len(all[0].Position)), all[0].Position[1:]} {
		_, err := s.Events(background, rollcall.EventsAfter{After: bad, Limit: 1})
		s.fails("what is no position", err, rollcall.ErrBadPosition)
	}
	s.commit(rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d"}}, Events: []rollcall.Event{newEvent("", 20)}})
	last := s.many(1, s.events(all[19].Position))[0]
	s.same("the event of a document", rollcall.StoredEvent{Position: last.Position, Event: newEvent("", 20)}, last)
}

// testBareEvent puts events that say next to nothing.
func testBareEvent(t *testing.T, h Harness) {
	s := open(t, h)
	s.row("u")
	bare := rollcall.Event{ID: "evt-bare", At: time.UnixMilli(0).UTC(), UserID: "u"}
	late := rollcall.Event{ID: "evt-late", At: time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC), UserID: "u", Count: 1 << 30}
	full := newEvent("u", 1)
	s.commit(told("u", bare, late, full))
	var got []rollcall.Event
	for _, e := range s.events("") {
		got = append(got, e.Event)
	}
	s.same("the events of one change, in their order", []rollcall.Event{bare, late, full}, got)
	s.commit(told("", rollcall.Event{At: time.UnixMilli(0).UTC()}))
	s.same("an event of nobody", rollcall.Event{At: time.UnixMilli(0).UTC()}, s.log(4)[3].Event)
}

func testNumbers(t *testing.T, h Harness) {
	s := open(t, h)
	tell := func(c rollcall.Change, n int) {
		t.Helper()
		before := s.user(c.UserID).Events
		for i := range n {
			c.Events = append(c.Events, newEvent(c.UserID, int(before)+i+1))
		}
		left := s.commit(c)
		s.same("the number so far", before+uint64(n), left.User.Events)
		s.same("as it is read", before+uint64(n), s.user(c.UserID).Events)
	}
	for _, u := range []string{"u", "uu"} {
		tell(creation(rollcall.User{ID: u, Events: 77}, newSession(u, "session-of-"+u+"-0000", t0)), 1)
		tell(told(u), 2)
		tell(told(u), 0)
		tell(replacement(s.session("session-of-"+u+"-0000")), 1)
		tell(stamped(newSession(u, "another-of-"+u+"-0000", t0)), 1)
		row := s.user(u)
		row.Events = 3 // ignored
		tell(rollcall.Change{UserID: u, User: moved(row)}, 1)
		tell(nextGeneration(s.user(u)), 2)
		tell(ending(s.user(u), unread(s.session("another-of-"+u+"-0000"), newEnding(t0))), 1)
		s.conflicts("an event of what conflicts", creation(row, newSession(u, sessionID(9), t0), newEvent(u, 99)))
	}
	s.commit(told("", newEvent("", 1)))
	e := newEvent("u", 10)
	s.sweep(rollcall.Sweep{UserID: "u", Limit: 1, Decide: func(rollcall.Walked) rollcall.Verdict {
		return rollcall.Verdict{FileAt: forever, Event: &e}
	}})
	tell(told("u"), 1)
	numbers := map[string]uint64{}
	for _, stored := range s.events("") {
		u := stored.Event.UserID
		if u == "" {
			s.same("the number of an event of nobody", uint64(0), stored.Number)
			continue
		}
		numbers[u]++
		s.same("the number", numbers[u], stored.Number)
		s.same("the event of that number", fmt.Sprintf("evt-%d", stored.Number), stored.Event.ID)
	}
	s.same("how many", map[string]uint64{"u": 11, "uu": 9}, numbers)
}

func testEventFilters(t *testing.T, h Harness) {
	s := open(t, h)
	types := []rollcall.EventType{rollcall.SessionCreated, rollcall.SessionEnded, rollcall.SessionExpired}
	users := []string{"u", "uu", "v", ""}
	for _, u := range users[:3] {
		s.row(u)
	}
	for i := range 60 {
		e := newEvent(users[i%4], i)
		e.Type = types[i/4%3]
		s.commit(told(e.UserID, e))
	}
	all := s.log(60)
	for _, q := range []rollcall.EventsAfter{
		{UserID: "u"},
		{UserID: "nobody"},
		{Types: types[:1]},
		{Types: types[1:]},
		{Types: []rollcall.EventType{"unknown"}},
		{UserID: "uu", Types: types[:2]},
		{UserID: "u", Types: []rollcall.EventType{"unknown"}},
	} {
		var want []rollcall.StoredEvent
		for _, e := range all {
			if (q.UserID == "" || e.Event.UserID == q.UserID) && (q.Types == nil || slices.Contains(q.Types, e.Event.Type)) {
				want = append(want, e)
			}
		}
		for _, limit := range []int{1, 2, 50, 1000} {
			q.Limit = limit
			s.same(fmt.Sprintf("pages of %+v", q), want, s.read(q))
		}
		q.After = all[30].Position
		s.same(fmt.Sprintf("pages of %+v", q), slices.DeleteFunc(want, func(e rollcall.StoredEvent) bool { return e.Position <= q.After }), s.read(q))
	}
}

func testHead(t *testing.T, h Harness) {
	s := open(t, h)
	s.row("u")
	for i := range 20 {
		before := s.head()
		s.commit(told("u", newEvent("u", i)))
		head := s.head()
		if head <= before {
			t.Errorf("a commit that left an event moves the head from %q to %q", before, head)
		}
		s.same("who has read on to the head", i+1, len(s.events("")))
		last := s.events(before)
		if len(last) != 1 || last[0].Position > head {
			t.Errorf("event %d lies behind head %q, or not behind the one before: %v", i, head, last)
		}
		s.same("read on from the head", 0, len(s.events(head)))
	}
}

// testRemoveEvents removes by position. One event of the future does not keep all others,
// which a bound by instants would.
func testRemoveEvents(t *testing.T, h Harness) {
	s := subject{h.Open(t), t}
	s.row("u")
	for i := range 10 {
		e := newEvent("u", i)
		if i == 1 {
			e.At = forever
		}
		s.commit(told("u", e))
	}
	all := s.log(10)
	bite := func(upTo string, limit int) rollcall.Swept {
		t.Helper()
		return s.sweep(rollcall.Sweep{EventsUpTo: upTo, Limit: limit, Decide: remove})
	}
	s.same("no position", rollcall.Swept{}, bite("", 10))
	s.same("the first bite", rollcall.Swept{Events: 3, More: true}, bite(all[4].Position, 3))
	s.same("what is left", all[3:], s.events(""))
	s.same("the second bite", 2, bite(all[4].Position, 3).Events)
	s.same("another", 0, bite(all[4].Position, 3).Events)
	s.same("a position that has been removed", 0, bite(all[2].Position, 3).Events)
	s.same("what is left", all[5:], s.events(""))
	for _, e := range all[4:] {
		s.same("positions stay good", all[max(5, slices.Index(all, e)+1):], s.events(e.Position))
	}
	_, err := s.Sweep(background, rollcall.Sweep{EventsUpTo: "no position", Limit: 1, Decide: remove})
	if err == nil {
		t.Error("what is no position removes events")
	}
	bite(s.head(), 100)
	s.same("when all are gone", 0, len(s.events("")))
	if !h.Volatile {
		s = subject{h.Reopen(t, s.Store), t}
	}
	s.commit(told("u", newEvent("u", 10)))
	rest := s.many(1, s.events(all[9].Position))
	s.same("read on after all are gone", []string{"evt-10"}, eventIDs(rest))
	s.same("the number goes on", uint64(11), rest[0].Number)
	s.fails("Close", s.Close(), nil)
}

func testMissed(t *testing.T, h Harness) {
	s := open(t, h)
	s.row("u")
	s.row("v")
	for i := range 10 {
		s.commit(told([]string{"u", "v"}[i%2], newEvent([]string{"u", "v"}[i%2], i)))
	}
	all := s.log(10)
	missed := func(q rollcall.EventsAfter) rollcall.EventPage {
		t.Helper()
		q.Limit = 100
		page := s.page(q)
		s.same("what follows", eventIDs(all[5:]), eventIDs(page.Events))
		return page
	}
	for _, e := range append([]rollcall.StoredEvent{{}}, all...) {
		s.same("missed before anything is removed", false, s.page(rollcall.EventsAfter{After: e.Position, Limit: 1}).Missed)
	}
	s.sweep(rollcall.Sweep{EventsUpTo: all[4].Position, Limit: 100, Decide: remove})
	s.same("missed from before the first", true, missed(rollcall.EventsAfter{}).Missed)
	for i, e := range all[:4] {
		s.same(fmt.Sprintf("missed from event %d", i), true, missed(rollcall.EventsAfter{After: e.Position}).Missed)
	}
	s.same("missed from the last that was removed", false, missed(rollcall.EventsAfter{After: all[4].Position}).Missed)
	for _, e := range all[5:] {
		s.same("missed from one that is kept", false, s.page(rollcall.EventsAfter{After: e.Position, Limit: 1}).Missed)
	}
	page := s.page(rollcall.EventsAfter{After: all[0].Position, Limit: 1})
	s.same("the page then begins with the oldest kept", all[5:6], page.Events)
	s.same("and who reads on misses no more", false, s.page(rollcall.EventsAfter{After: page.Next, Limit: 1}).Missed)
	s.same("whatever is asked for", true, s.page(rollcall.EventsAfter{After: all[0].Position, Limit: 1, UserID: "nobody"}).Missed)
	none := s.page(rollcall.EventsAfter{After: all[0].Position})
	s.same("of none", true, none.Missed)
	s.same("read on after none", all[5:], s.events(none.Next))
	s.removeEvents()
	s.same("when none is kept", true, s.page(rollcall.EventsAfter{After: all[8].Position, Limit: 1}).Missed)
	s.same("from the very last", false, s.page(rollcall.EventsAfter{After: all[9].Position, Limit: 1}).Missed)
}

func testIncarnation(t *testing.T, h Harness) {
	s, other := open(t, h), open(t, h)
	for _, store := range []subject{s, other} {
		store.row("u")
		for i := range 5 {
			store.commit(told("u", newEvent("u", i)))
		}
	}
	all := s.log(5)
	for _, foreign := range other.log(5) {
		page := s.page(rollcall.EventsAfter{After: foreign.Position, Limit: 100})
		s.same("missed", true, page.Missed)
		s.same("from the oldest kept", all, page.Events)
		s.same("removed", rollcall.Swept{}, bare(s.sweep(rollcall.Sweep{EventsUpTo: foreign.Position, Limit: 100, Decide: remove})))
	}
	s.same("what is left", all, s.events(""))
}
