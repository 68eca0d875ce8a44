package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

var nodeClauses = []Clause{
	{"Nodes", "what one node commits another sees at once", testNodes},
	{"Nodes", "racing acts of several nodes lose nothing", testRacingNodes},
}

// nodes opens a store on two nodes.
func nodes(t *testing.T, h Harness) (a, b subject) {
	t.Helper()
	if h.Another == nil {
		t.Skip("the engine is not shared")
	}
	a = open(t, h)
	return a, closing(t, h.Another(t, a.Store))
}

func testNodes(t *testing.T, h Harness) {
	a, b := nodes(t, h)
	for round := range 20 {
		session := newSession("u", sessionID(round), t0.Add(time.Duration(round)*time.Second))
		left := a.commit(stamped(session, newEvent("u", 4*round)))
		a.same("the standing", left, b.standing("u"))
		got, st, err := b.Session(background, rollcall.At{ID: session.ID, UserID: "u", CreatedAt: session.CreatedAt})
		a.fails("Session", err, nil)
		a.same("the session", a.session(session.ID), got)
		a.same("its standing", left, st)

		left = b.commit(nextGeneration(st.User, newEvent("u", 4*round+1)))
		a.same("the standing after an ending of all", left, a.standing("u"))
		b.touch("u", session.ID, interaction(time.Hour, "192.0.2.7"))
		a.same("a use", interaction(time.Hour, "192.0.2.7"), a.session(session.ID).Last)
		a.commit(ending(left.User, unread(a.session(session.ID), newEnding(t0)), newEvent("u", 4*round+2)))
		b.same("an end", t0, b.session(session.ID).EndedAt)
		b.same("the list", 0, len(b.list("u")))

		row := b.everybody()
		left = b.commit(rollcall.Change{
			Everybody: &rollcall.PutEverybody{Everybody: rollcall.Everybody{Generation: row.Generation + 1}, Replaces: row.Version},
			Documents: []rollcall.PutDocument{{Name: "d", Replaces: uint64(round)}}, Events: []rollcall.Event{newEvent("", 4*round+3)},
		})
		a.same("everybody's row", left.Everybody, a.everybody())
		a.same("the document", uint64(round+1), a.document("d").Version)
		a.conflicts("at a version of before", rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d", Replaces: uint64(round)}}})
	}
	all := a.log(80)
	a.same("the log", all, b.log(80))
	a.same("read on elsewhere", all[40:], b.events(all[39].Position))
	b.removeEvents()
	a.same("what was missed", true, a.page(rollcall.EventsAfter{After: all[3].Position, Limit: 1}).Missed)
	b.sweepAll(forever)
	a.same("the user's row", rollcall.User{ID: "u"}, a.user("u"))
}

func testRacingNodes(t *testing.T, h Harness) {
	a, b := nodes(t, h)
	const acts = 40
	a.row("u")
	done := make(chan struct{})
	var all, following sync.WaitGroup
	following.Go(func() {
		seen := uint64(0)
		a.follow(done, func(e rollcall.StoredEvent) {
			if seen++; e.Number != seen {
				t.Errorf("event %d follows event %d", e.Number, seen-1)
				seen = e.Number
			}
		})
		a.same("the last event that was seen", uint64(2*acts), seen)
	})
	for w, s := range []subject{a, b} {
		all.Go(func() {
			for i := range acts {
				s.retried(func() error {
					st, _, err := s.Sessions(background, rollcall.SessionsOf{UserID: "u"})
					if err != nil {
						return err
					}
					st.User.TokenGeneration++ // what is put depends on what was read
					return s.tries(creation(st.User, newSession("u", sessionID(1000*w+i), t0), newEvent("u", i)))
				})
			}
		})
	}
	all.Wait()
	close(done)
	following.Wait()
	row := b.user("u")
	a.same("the version", uint64(firstVersion+2*acts), row.Version)
	a.same("what depends on what was read", row.Version, row.TokenGeneration)
	a.same("the sessions", 2*acts, len(b.list("u")))
}
