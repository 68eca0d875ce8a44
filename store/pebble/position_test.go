package pebble

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
)

// page is a page of the log of events.
func page(t *testing.T, s *Store, after string) rollcall.EventPage {
	t.Helper()
	p, err := s.Events(background, rollcall.EventsAfter{After: after, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAReaderOfACopyIsToldOnceThatEventsMayBeMissed(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(filepath.Join(dir, "store"), Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(s)
	leave := func(s *Store, id string) {
		t.Helper()
		if err := commit(s, rollcall.Change{UserID: "u", User: userAt("u", rollcall.AnyVersion), Events: []rollcall.Event{{ID: id, UserID: "u", At: t0}}}); err != nil {
			t.Fatal(err)
		}
	}
	leave(s, "one")
	copied := filepath.Join(dir, "copy")
	if err := s.Backup(background, copied); err != nil {
		t.Fatal(err)
	}
	leave(s, "two")
	read := page(t, s, "")
	if read.Missed || len(read.Events) != 2 || read.Next != read.Head || read.Events[1].Position != read.Next {
		t.Fatalf("%+v", read)
	}
	for opening := range 2 {
		c, err := Open(copied, Options{MinFree: -1})
		if err != nil {
			t.Fatal(err)
		}
		leave(c, fmt.Sprint("other ", opening))
		p := page(t, c, read.Next)
		if !p.Missed || len(p.Events) != 2+opening || p.Events[0].Event.ID != "one" {
			t.Errorf("opening %d: %+v", opening, p)
		}
		if again := page(t, c, p.Events[0].Position); again.Missed || len(again.Events) != 1+opening {
			t.Errorf("opening %d, read on: %+v", opening, again)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if opening == 0 {
			read.Next = p.Head // of the copy: good for the second opening
			c, err := Open(copied, Options{MinFree: -1})
			if err != nil {
				t.Fatal(err)
			}
			if p := page(t, c, read.Next); p.Missed || len(p.Events) != 0 {
				t.Errorf("the copy has another incarnation with each opening: %+v", p)
			}
			if err := c.Renew(background); err != nil {
				t.Error(err)
			}
			if p := page(t, c, read.Next); !p.Missed || len(p.Events) != 2 {
				t.Errorf("renewed: %+v", p)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if p := page(t, s, page(t, s, "").Head); p.Missed || len(p.Events) != 0 {
		t.Errorf("the store that was copied: %+v", p)
	}
}

func TestAPositionBehindAllEventsIsOneOfAStoreThatWasSetBack(t *testing.T) {
	s := withEvents(t, vfs.NewMem(), 3)
	defer closeQuietly(s)
	ahead := writePosition(s.log.incarnation.Load(), 4)
	if p := page(t, s, ahead); !p.Missed || len(p.Events) != 3 {
		t.Errorf("%+v", p)
	}
}

func TestWhatIsNoPositionIsRefused(t *testing.T) {
	s := withEvents(t, vfs.NewMem(), 1)
	defer closeQuietly(s)
	good := head(t, s)
	for _, bad := range []string{"x", "1", good + "0", good[1:], strings.ToUpper(good[:16]) + "-00000000000000zz", strings.Replace(good, "-", "", 1), "+" + good[1:]} {
		if _, err := s.Events(background, rollcall.EventsAfter{After: bad, Limit: 1}); !errors.Is(err, rollcall.ErrBadPosition) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAReaderIsToldOfEventsThatWereRemovedAndOfNoOthers(t *testing.T) {
	s := withEvents(t, vfs.NewMem(), 5)
	defer closeQuietly(s)
	all := page(t, s, "").Events
	for i, n := range []int{2, 1} { // the first bite is of two events at most
		swept, err := s.Sweep(background, rollcall.Sweep{EventsUpTo: all[2].Position, Limit: 2})
		if err != nil || swept.Events != n || swept.More != (n == 2) {
			t.Errorf("bite %d: %+v, %v", i, swept, err)
		}
	}
	for i, e := range all {
		p := page(t, s, e.Position)
		if missed := i < 2; p.Missed != missed || len(p.Events) != min(2, 4-i) {
			t.Errorf("after event %d: missed %v, %d events", i, p.Missed, len(p.Events))
		}
	}
	if p := page(t, s, ""); !p.Missed || len(p.Events) != 2 {
		t.Errorf("from the beginning: %+v", p)
	}
	other := writePosition(s.log.incarnation.Load()+2, 5)
	if swept, err := s.Sweep(background, rollcall.Sweep{EventsUpTo: other, Limit: 9}); err != nil || swept.Events != 0 {
		t.Errorf("up to a position of another incarnation: %+v, %v", swept, err)
	}
	if _, err := s.Sweep(background, rollcall.Sweep{EventsUpTo: "x", Limit: 9}); !errors.Is(err, rollcall.ErrBadPosition) {
		t.Errorf("up to what is no position: %v", err)
	}
}

func TestAFilteredPageLooksAtABoundedPartAndSaysWhereToReadOn(t *testing.T) {
	s := openInMemory(t, Options{noSync: true})
	defer closeQuietly(s)
	const others = eventLooks + 10
	c := rollcall.Change{UserID: "many", User: userAt("many", rollcall.AnyVersion)}
	for range others {
		c.Events = append(c.Events, rollcall.Event{ID: "e", Type: rollcall.SessionCreated, UserID: "many", At: t0})
	}
	if err := commit(s, c); err != nil {
		t.Fatal(err)
	}
	if err := commit(s, creation("u", 0, typical("u", "one", t0))); err != nil {
		t.Fatal(err)
	}
	q := rollcall.EventsAfter{UserID: "u", Limit: 10}
	first, err := s.Events(background, q)
	if err != nil || len(first.Events) != 0 || first.Next == first.Head {
		t.Fatalf("%+v, %v", first, err)
	}
	q.After = first.Next
	second, err := s.Events(background, q)
	if err != nil || len(second.Events) != 1 || second.Next != second.Head || second.Events[0].Number != 1 {
		t.Errorf("%+v, %v", second, err)
	}
	q = rollcall.EventsAfter{After: first.Next, Types: []rollcall.EventType{rollcall.SessionEnded}, Limit: 10}
	if none, err := s.Events(background, q); err != nil || len(none.Events) != 0 || none.Next != none.Head {
		t.Errorf("%+v, %v", none, err)
	}
}

// TestAnEventThatWaitsForAnOlderCommitLiesBeforeHead: who reads on to Head misses nothing.
func TestAnEventThatWaitsForAnOlderCommitLiesBeforeHead(t *testing.T) {
	h := openHeld(t, "slow")
	before := head(t, h.Store)
	first := h.commit(creation("slow", 0, typical("slow", "one", t0)))
	<-h.entered
	if err := commit(h.Store, creation("quick", 0, typical("quick", "two", t0))); err != nil {
		t.Fatal(err)
	}
	p := page(t, h.Store, before)
	if len(p.Events) != 0 || p.Next != before || p.Head <= p.Next {
		t.Errorf("while the older one is under way: %+v", p)
	}
	close(h.release)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if p := page(t, h.Store, before); len(p.Events) != 2 || p.Next != p.Head || p.Events[0].Event.UserID != "slow" {
		t.Errorf("%+v", p)
	}
}

// TestAPositionThatNobodyMadeDurableIsNotGivenAway: a commit that fails leaves a gap, and
// the numbers of the gap may be handed out again.
func TestAPositionThatNobodyMadeDurableIsNotGivenAway(t *testing.T) {
	s := withEvents(t, vfs.NewMem(), 1)
	defer closeQuietly(s)
	was := head(t, s)
	r := s.log.reserve(3)
	s.log.finish(false, r)
	p := page(t, s, "")
	if p.Head != was || p.Next != was {
		t.Errorf("%+v", p)
	}
	if err := commit(s, creation("v", 0, typical("v", "one", t0.Add(time.Hour)))); err != nil {
		t.Fatal(err)
	}
	if p := page(t, s, was); len(p.Events) != 1 || p.Head <= was || p.Next != p.Head {
		t.Errorf("%+v", p)
	}
}
