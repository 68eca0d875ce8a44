package sessions_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

func TestWhatWasEndedWhileTheClockWasAheadStaysEndedWhenItIsSetBack(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		endings := map[string]func(node, rollcall.Session, rollcall.Token) error{
			"one": func(n node, s rollcall.Session, _ rollcall.Token) error {
				return n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted)
			},
			"by token": func(n node, _ rollcall.Session, token rollcall.Token) error {
				_, err := n.EndByToken(context.Background(), shop, token.Reveal())
				return err
			},
			"all": func(n node, _ rollcall.Session, _ rollcall.Token) error {
				return n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted)
			},
			"everybody": func(n node, _ rollcall.Session, _ rollcall.Token) error {
				return n.EndEverybody(context.Background(), shop)
			},
		}
		for name, end := range endings {
			t.Run(name, func(t *testing.T) {
				n := newNode(t, withMemory(size))
				s, token := n.create(signIn(aUser))
				n.clock.Advance(time.Hour)
				if !n.accepts(token) {
					t.Fatal("refused an hour later")
				}
				n.must(end(n, s, token))
				n.clock.Advance(-time.Hour)
				if n.accepts(token) || len(n.list(aUser)) != 0 {
					t.Error("the session is back")
				}
				_, err := n.Session(context.Background(), s.ID)
				wantCode(t, err, rollcall.CodeNotFound)
				wantCode(t, n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted), rollcall.CodeNotFound)
			})
		}
	})
}

func TestAClockThatJumpsAnHourEndsNoSessionWhoseLimitsAreLonger(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		for _, jump := range []time.Duration{time.Hour, -time.Hour} {
			n := newNode(t, withMemory(size))
			in := signIn(aUser)
			in.Asked.Idle = 2 * time.Hour
			_, token := n.create(in)
			n.clock.Advance(jump)
			if !n.accepts(token) {
				t.Errorf("refused after a jump of %v", jump)
			}
			n.clock.Advance(-jump)
			if !n.accepts(token) {
				t.Errorf("refused after a jump of %v and back", jump)
			}
		}
	})
}

// TestASessionThatRanOutWhileTheClockWasAheadIsBackWithTheTime says that whether a
// session is over is judged by the clock as it is: nobody has ended it.
func TestASessionThatRanOutWhileTheClockWasAheadIsBackWithTheTime(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		in := signIn(aUser)
		in.Asked.Idle = 30 * time.Minute
		s, token := n.create(in)
		n.clock.Advance(time.Hour)
		if n.accepts(token) || len(n.list(aUser)) != 0 {
			t.Error("accepted past its idle limit")
		}
		n.clock.Advance(-time.Hour)
		if !n.accepts(token) || !slices.Equal(n.list(aUser), []string{s.ID}) {
			t.Error("a session that nobody has ended is gone")
		}
	})
}

func TestAUseWhileTheClockWasAheadCountsUntilTheTimeHasCaughtUpAndNoLonger(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		in := signIn(aUser)
		in.Asked.Idle = 30 * time.Minute
		s, token := n.create(in)
		last := func() time.Time {
			t.Helper()
			n.must(n.Flush(context.Background()))
			s, err := n.Session(context.Background(), s.ID)
			n.must(err)
			return s.Last.At
		}
		n.clock.Advance(20 * time.Minute) // as if set ahead
		if !n.accepts(token) {
			t.Fatal("refused")
		}
		n.clock.Advance(-20 * time.Minute)
		n.clock.Advance(5 * time.Minute)
		if !n.accepts(token) {
			t.Error("refused before the last use that is known")
		}
		if got, want := last(), t0.Add(20*time.Minute); !got.Equal(want) {
			t.Errorf("last used at %v, want %v", got, want)
		}
		n.clock.Advance(16 * time.Minute)
		if !n.accepts(token) {
			t.Error("refused when the time has caught up")
		}
		if got, want := last(), t0.Add(21*time.Minute); !got.Equal(want) {
			t.Errorf("uses do not move on: last used at %v, want %v", got, want)
		}
		n.clock.Advance(30 * time.Minute)
		if n.accepts(token) {
			t.Error("accepted past its idle limit")
		}
	})
}

// TestAPageIsNotRememberedOverAJumpOfTheClock reads a page again and again, so that it
// is remembered, and moves the clock past a session's limit and back.
func TestAPageIsNotRememberedOverAJumpOfTheClock(t *testing.T) {
	n := newNode(t, func(o *sessions.Options) { o.Memory = 4 << 20 })
	in := signIn(aUser)
	n.create(in)
	in.Asked.Idle = 30 * time.Minute
	n.create(in)
	shown := func() int {
		t.Helper()
		return len(n.listed(rollcall.ListQuery{UserID: aUser, Take: 50}).Sessions)
	}
	for _, step := range []struct {
		by   time.Duration
		want int
	}{{0, 2}, {time.Hour, 1}, {-time.Hour, 2}, {time.Hour, 1}} {
		n.clock.Advance(step.by)
		for range 4 {
			if got := shown(); got != step.want {
				t.Fatalf("after a jump of %v %d sessions are shown, want %d", step.by, got, step.want)
			}
		}
	}
}

func TestACreationIsRepeatableAlsoWhenTheClockWasSetBackBetween(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		n.clock.Advance(12*time.Hour + 30*time.Minute) // past the end of a key's window, t0 is noon
		in := signIn(aUser)
		in.IdempotencyKey = "again"
		first, token := n.create(in)
		n.clock.Advance(-time.Hour)
		second, repeated := n.create(in)
		if first.ID != second.ID || token.Reveal() != repeated.Reveal() {
			t.Error("the repetition made another session")
		}
	})
}

func TestAJumpOfTheClockRemovesNothing(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		for _, jump := range []time.Duration{time.Hour, -time.Hour, 10 * 365 * 24 * time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				var ahead atomic.Int64
				store := memory.New()
				m, err := sessions.New(store, sessions.Options{
					Memory: size, Retention: sessions.MinRetention, TouchInterval: time.Hour, SweepInterval: 10 * time.Minute,
					Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
				})
				if err != nil {
					t.Fatal(err)
				}
				n := node{Manager: m, t: t, store: store}
				s, _ := n.create(signIn(aUser))
				n.must(n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted))
				n.create(signIn(aUser))
				ctx, cancel := context.WithCancel(context.Background())
				done := make(chan error)
				go func() { done <- m.Run(ctx) }()
				time.Sleep(15 * time.Minute) // past the first sweep
				ahead.Store(int64(jump))
				time.Sleep(23 * time.Hour)
				if _, _, err := store.Session(context.Background(), rollcall.At{ID: s.ID}); err != nil {
					t.Errorf("jump of %v: the session's row: %v", jump, err)
				}
				if got := len(n.events()); got != 3 {
					t.Errorf("jump of %v: %d events are left of 3", jump, got)
				}
				time.Sleep(6 * time.Hour)
				if _, _, err := store.Session(context.Background(), rollcall.At{ID: s.ID}); !errors.Is(err, rollcall.ErrNoSession) {
					t.Errorf("jump of %v: a day later nothing is swept", jump)
				}
				cancel()
				n.must(<-done)
			})
		}
	})
}
