package sessions_test

import (
	"context"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

func TestPagesAreExactWhileSessionsComeAndGo(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		var want []string
		for i := range 25 {
			s, _ := n.create(signIn(aUser))
			want = append(want, s.ID)
			if i%3 == 0 {
				n.clock.Advance(time.Millisecond)
			}
		}
		q := rollcall.ListQuery{UserID: aUser, Take: 7, Total: true}
		seen := map[string]int{}
		for pages := 0; ; pages++ {
			page, err := n.List(context.Background(), q)
			n.must(err)
			for _, s := range page.Sessions {
				seen[s.ID]++
			}
			if want := 25 + pages; page.Total != want {
				t.Errorf("page %d: total %d, want %d", pages, page.Total, want)
			}
			if q.From = page.Next; q.From == "" {
				break
			}
			n.clock.Advance(time.Second)
			n.create(signIn(aUser)) // never shifts a page already begun
		}
		for _, id := range want {
			if seen[id] != 1 {
				t.Errorf("%s seen %d times", id, seen[id])
			}
		}
		if len(seen) != len(want) {
			t.Errorf("%d sessions seen, want %d", len(seen), len(want))
		}
	})
}

func TestNextIsThereExactlyWhenAnotherLiveSessionFollows(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		for range 3 {
			in := signIn(aUser)
			in.Asked.Absolute = time.Hour
			n.create(in)
			n.clock.Advance(time.Second)
		}
		for range 4 {
			n.create(signIn(aUser))
			n.clock.Advance(time.Second)
		}
		next := func(take int) string {
			page, err := n.List(context.Background(), rollcall.ListQuery{UserID: aUser, Take: take})
			n.must(err)
			return page.Next
		}
		if next(4) == "" || next(7) != "" {
			t.Error("wrong before the older sessions are over")
		}
		n.clock.Advance(time.Hour)
		if next(3) == "" || next(4) != "" {
			t.Error("next leads to sessions that are over")
		}
	})
}
