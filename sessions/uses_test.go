package sessions_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/storetest"
)

// lastUses are the latest uses of sessions as checks have shown them.
type lastUses struct {
	tokens []rollcall.Token
	at     []atomic.Int64
}

func signedIn(n node, users int) *lastUses {
	u := &lastUses{at: make([]atomic.Int64, users)}
	for i := range users {
		_, token := n.create(signIn(fmt.Sprintf("user-%d", i)))
		u.tokens = append(u.tokens, token)
	}
	return u
}

func (u *lastUses) check(t *testing.T, n node, i int, use rollcall.Use) {
	s, err := n.Check(context.Background(), u.tokens[i].Reveal(), use)
	if err != nil {
		t.Error(err)
		return
	}
	for at := s.Last.At.UnixMilli(); ; {
		known := u.at[i].Load()
		if at <= known || u.at[i].CompareAndSwap(known, at) {
			return
		}
	}
}

// hold holds what read shows against the latest uses.
func (u *lastUses) hold(t *testing.T, what string, read func(id string) (rollcall.Session, error)) {
	t.Helper()
	wrong := 0
	for i := range u.tokens {
		s, err := read(u.tokens[i].ID)
		if err != nil {
			t.Fatal(err)
		}
		if s.Last.At.UnixMilli() != u.at[i].Load() {
			wrong++
		}
	}
	if wrong > 0 {
		t.Errorf("%s: %d of %d sessions do not show their last use", what, wrong, len(u.tokens))
	}
}

func stored(store rollcall.Store) func(string) (rollcall.Session, error) {
	return func(id string) (rollcall.Session, error) {
		s, _, err := store.Session(context.Background(), rollcall.At{ID: id})
		return s, err
	}
}

func TestUsesOutliveTheirPlaceInMemory(t *testing.T) {
	c := newClock()
	store := memory.New()
	n := newNodeOn(t, store, c, withMemory(128<<10)) // room for some twelve hundred users
	u := signedIn(n, 3000)
	for round := range 2 {
		for i := range u.tokens {
			for range 2 { // the first reads it, the second finds it in memory
				c.Advance(time.Millisecond)
				u.check(t, n, i, rollcall.Use{IP: "192.0.2.9"})
			}
		}
		u.hold(t, "before they are written", func(id string) (rollcall.Session, error) { return n.Session(context.Background(), id) })
		if got := n.PendingTouches(); got < len(u.tokens) {
			t.Errorf("%d uses wait to be written", got)
		}
		if round == 0 {
			continue // seen once more, in what has been read back
		}
		if err := n.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	u.hold(t, "in the store", stored(store))
	if got := n.PendingTouches(); got != 0 {
		t.Errorf("%d uses are left", got)
	}
}

func TestUsesOutliveACacheThatBeginsAnew(t *testing.T) {
	c := newClock()
	store := memory.New()
	n := newNodeOn(t, store, c, cached)
	u := signedIn(n, 300)
	for i := range 70_000 {
		c.Advance(time.Millisecond)
		session := i % len(u.tokens)
		if i > 1000 { // the others' uses stay where they are
			session %= 100
		}
		u.check(t, n, session, rollcall.Use{UserAgent: fmt.Sprintf("agent %d", i)})
	}
	u.hold(t, "before they are written", func(id string) (rollcall.Session, error) { return n.Session(context.Background(), id) })
	if err := n.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	u.hold(t, "in the store", stored(store))
}

// failingTouch is a store whose Touch fails while it is told to.
type failingTouch struct {
	rollcall.Store
	fails atomic.Bool
}

func (f *failingTouch) Touch(ctx context.Context, touches []rollcall.Touch) error {
	if f.fails.Load() {
		return errors.New("no room")
	}
	return f.Store.Touch(ctx, touches)
}

func TestUsesThatCouldNotBeWrittenAreWrittenLater(t *testing.T) {
	c := newClock()
	store := &failingTouch{Store: memory.New()}
	n := newNodeOn(t, store, c, cached)
	u := signedIn(n, 10)
	for range 3 {
		store.fails.Store(true)
		for i := range u.tokens {
			c.Advance(time.Millisecond)
			u.check(t, n, i, rollcall.Use{})
			if err := n.Flush(context.Background()); err == nil {
				t.Fatal("the store has not failed")
			}
		}
		u.hold(t, "before they are written", func(id string) (rollcall.Session, error) { return n.Session(context.Background(), id) })
		store.fails.Store(false)
		if err := n.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		u.hold(t, "in the store", stored(store))
	}
}

func TestNoUseIsLostAmongActsWritesAndWhatIsForgotten(t *testing.T) {
	c := newClock()
	store := memory.New()
	n := newNodeOn(t, store, c, smallCache)
	u := signedIn(n, 8000)
	var checks, others sync.WaitGroup
	ended := make(chan struct{})
	others.Go(func() {
		for {
			select {
			case <-ended:
				return
			default:
			}
			if err := n.Flush(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	others.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-ended:
				return
			default:
			}
			id := u.tokens[rand.IntN(len(u.tokens))].ID
			if _, err := n.UpdateMetadata(context.Background(), rollcall.Caller{}, id, []rollcall.MetadataEntry{{Key: "n", Value: fmt.Sprint(i)}}); err != nil {
				t.Error(err)
			}
		}
	})
	for worker := range 4 {
		checks.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(worker)))
			for range 15_000 {
				c.Advance(time.Millisecond)
				i := r.IntN(len(u.tokens))
				if r.IntN(2) == 0 {
					i %= 50 // again and again
				}
				u.check(t, n, i, rollcall.Use{IP: []string{"", "192.0.2.1", "2001:db8::1"}[r.IntN(3)]})
			}
		})
	}
	checks.Wait()
	close(ended)
	others.Wait()
	if err := n.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i := range u.tokens { // those that were never used were created
		if u.at[i].Load() == 0 {
			s, err := n.Session(context.Background(), u.tokens[i].ID)
			if err != nil {
				t.Fatal(err)
			}
			u.at[i].Store(s.CreatedAt.UnixMilli())
		}
	}
	u.hold(t, "in the store", stored(store))
}

func TestInteractionsThatCouldNotBeWrittenAreKeptAndWrittenLater(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n, store, s, token := faulty(t, size)
		n.clock.Advance(time.Minute)
		if !n.accepts(token) {
			t.Fatal("refused")
		}
		store.FailTouches(storetest.Before)
		wantCode(t, n.Flush(context.Background()), rollcall.CodeUnavailable)
		n.clock.Advance(time.Minute)
		shown, err := n.Session(context.Background(), s.ID)
		if err != nil || !shown.Last.At.Equal(t0.Add(time.Minute)) {
			t.Errorf("shown %v, %v", shown.Last.At, err)
		}
		n.must(n.Flush(context.Background()))
		stored, _, err := store.Session(context.Background(), rollcall.At{ID: s.ID})
		if err != nil || !stored.Last.At.Equal(t0.Add(time.Minute)) {
			t.Errorf("stored %v, %v", stored.Last.At, err)
		}
	})
}
