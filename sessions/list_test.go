package sessions_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
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

// rowsRead counts the sessions that reads of a user's sessions return.
type rowsRead struct {
	rollcall.Store
	rows int
}

// Sessions implements rollcall.Store.
func (r *rowsRead) Sessions(ctx context.Context, q rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error) {
	st, all, err := r.Store.Sessions(ctx, q)
	r.rows += len(all)
	return st, all, err
}

func TestATotalThatIsBoundedCostsNoMoreThanItsBound(t *testing.T) {
	const all, bound = 3_000, 100
	store := &rowsRead{Store: memory.New()}
	newest := putSessions(t, store, all)
	for _, size := range []int64{0, 4 << 20} {
		n := newNodeOn(t, store, newClock(), withMemory(size))
		n.clock.setAt(newest)
		q := rollcall.ListQuery{UserID: aUser, Take: 50, Total: true, TotalUpTo: bound}
		for number := range 4 {
			if number > 0 { // the first page may look whether memory can hold the user
				store.rows = 0
			}
			page, err := n.List(context.Background(), q)
			n.must(err)
			if page.Total != -1 || len(page.Sessions) != 50 || page.Next == "" {
				t.Errorf("page %d: %d sessions, total %d", number, len(page.Sessions), page.Total)
			}
			// The page and one session more, and for the total the same again from the beginning.
			if most := 2 * (bound + 1); number > 0 && store.rows > most {
				t.Errorf("memory of %d bytes, page %d: %d of %d rows were read, want at most %d", size, number, store.rows, all, most)
			}
			if q.From = page.Next; number == 1 {
				q.From = ""
			}
		}
	}
}

func TestATotalIsExactUpToItsBound(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		for sessions, want := range map[int]int{3: 3, 100: 100, 101: -1} {
			n := newNode(t, withMemory(size))
			for range sessions {
				n.create(signIn(aUser))
			}
			q := rollcall.ListQuery{UserID: aUser, Take: 2, Total: true, TotalUpTo: 100}
			for range 2 {
				page, err := n.List(context.Background(), q)
				n.must(err)
				if page.Total != want {
					t.Errorf("%d sessions: total %d, want %d", sessions, page.Total, want)
				}
				q.From = page.Next
			}
		}
	})
}

// putSessions puts so many sessions of a user, and returns when the newest was created.
func putSessions(t *testing.T, store rollcall.Store, n int) (newest time.Time) {
	t.Helper()
	policy := rollcall.DefaultPolicy()
	for put := 0; put < n; {
		newest = t0.Add(time.Duration(put) * time.Millisecond)
		user := rollcall.PutUser{User: rollcall.User{ID: aUser, Version: 1}, Replaces: rollcall.AnyVersion}
		change := rollcall.Change{UserID: aUser, User: &user}
		for ; len(change.Sessions) < rollcall.MaxChange && put < n; put++ {
			token := rollcall.Token{ID: fmt.Sprintf("session-%024d", put), Secret: rollcall.NewSecret()}
			s := signIn(aUser).Build(&policy, newest, rollcall.Generation{}, token, rollcall.RequestDigest{}, func(string) string { return "" })
			change.Sessions = append(change.Sessions, rollcall.PutSession{Session: s, Stamped: true})
		}
		if _, err := store.Commit(context.Background(), change); err != nil {
			t.Fatal(err)
		}
	}
	return newest
}
