package sessions_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
)

func TestLimitOfSessionsIsExactUnderRaces(t *testing.T) {
	for _, at := range []rollcall.AtLimit{rollcall.Deny, rollcall.EndOldest} {
		t.Run(string(at), func(t *testing.T) {
			limited := func(o *sessions.Options) {
				o.Policy = rollcall.DefaultPolicy()
				o.Policy.MaxSessionsPerUser, o.Policy.AtLimit = 5, at
				o.Memory = 0 // two nodes write the store
			}
			a := newNode(t, limited)
			b := newNodeOn(t, a.store, a.clock, limited) // the queue alone does not help
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
							t.Errorf("Create: %v", err)
						}
						return
					}
				})
			}
			wg.Wait()
			want := map[rollcall.AtLimit]int64{rollcall.Deny: 5, rollcall.EndOldest: 32}[at]
			if got := len(a.list(aUser)); got != 5 || made.Load() != want {
				t.Errorf("%d sessions live of %d made, want 5 of %d", got, made.Load(), want)
			}
			refused := 0
			for _, e := range a.events() {
				if e == "session.refused limit" || e == "session.ended limit" {
					refused++
				}
			}
			if refused != 27 {
				t.Errorf("%d events of the limit, want 27", refused)
			}
		})
	}
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
			n.clock.Advance(time.Second)
		}
		if diff := cmp.Diff([]string{ids[3], ids[2]}, n.list(aUser)); diff != "" {
			t.Error(diff)
		}
	})
}
