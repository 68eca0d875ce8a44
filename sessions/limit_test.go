package sessions_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
)

func TestLimitOfSessionsIsExactUnderRaces(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		for _, at := range []rollcall.AtLimit{rollcall.Deny, rollcall.EndOldest} {
			a := newNodeOn(t, e.open(t), newClock(), limited(5, at))
			b := newNodeOn(t, e.another(t, a.store), a.clock, limited(5, at)) // the queue alone does not help
			var made atomic.Int64
			var wg sync.WaitGroup
			for i := range 32 {
				wg.Go(func() {
					n := []node{a, b}[i%2]
					for { // another node was quicker too often: repeating is safe
						_, _, err := n.Create(context.Background(), shop, signIn(aUser))
						if rollcall.ErrorCode(err) == rollcall.CodeUnavailable {
							continue
						}
						if err == nil {
							made.Add(1)
						} else if at != rollcall.Deny || rollcall.ErrorCode(err) != rollcall.CodeLimit {
							t.Errorf("%s: Create: %v", at, err)
						}
						return
					}
				})
			}
			wg.Wait()
			want := map[rollcall.AtLimit]int64{rollcall.Deny: 5, rollcall.EndOldest: 32}[at]
			if got := len(a.list(aUser)); got != 5 || made.Load() != want {
				t.Errorf("%s: %d sessions live of %d made, want 5 of %d", at, got, made.Load(), want)
			}
			refused := 0
			for _, e := range a.events() {
				if e == "session.refused limit" || e == "session.ended limit" {
					refused++
				}
			}
			if refused != 27 {
				t.Errorf("%s: %d events of the limit, want 27", at, refused)
			}
		}
	})
}

func TestOldestSessionsEndAtTheLimit(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size), func(o *sessions.Options) {
			o.Policy = rollcall.DefaultPolicy()
			o.Policy.MaxSessionsPerUser = 2
		})
		var ids []string
		for range 4 {
			s, _ := n.create(signIn(aUser))
			ids = append(ids, s.ID)
			newest := slices.Clone(ids[max(0, len(ids)-2):])
			slices.Reverse(newest)
			if diff := cmp.Diff(newest, n.list(aUser)); diff != "" {
				t.Errorf("after %d sign-ins: %s", len(ids), diff)
			}
			n.clock.Advance(time.Second)
		}
	})
}
