package sessions_test

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/pebble"
	"github.com/rollcall-id/rollcall/store/storetest"
)

// A marking store tells of a verdict that ends a session.
type marking struct {
	rollcall.Store
	marked chan struct{}
}

func (m *marking) Sweep(ctx context.Context, b rollcall.Sweep) (rollcall.Swept, error) {
	decide := b.Decide
	b.Decide = func(w rollcall.Walked) rollcall.Verdict {
		v := decide(w)
		if v.Ending != nil {
			m.marked <- struct{}{}
		}
		return v
	}
	return m.Store.Sweep(ctx, b)
}

// TestNoAnswerRestsOnAMarkThatIsNotDurable stalls the disk under a use that is written first.
// A sweep marks the session, which is visible before it is durable; then comes an ending. The
// use becomes durable, the mark does not, and the power fails.
func TestNoAnswerRestsOnAMarkThatIsNotDurable(t *testing.T) {
	for _, how := range []string{"end", "end all", "log out"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := vfs.NewCrashableMem()
				var syncs atomic.Pointer[chan chan struct{}]
				fs := errorfs.Wrap(disk, errorfs.InjectorFunc(func(o errorfs.Op) error {
					isSync := o.Kind == errorfs.OpFileSync || o.Kind == errorfs.OpFileSyncData || o.Kind == errorfs.OpFileSyncTo
					if c := syncs.Load(); c != nil && isSync && strings.HasSuffix(o.Path, ".log") {
						goOn := make(chan struct{})
						*c <- goOn
						<-goOn
					}
					return nil
				}))
				store, err := pebble.Open("store", pebble.Options{FS: fs, MinFree: -1})
				if err != nil {
					t.Fatal(err)
				}
				sweeping := make(chan struct{}, 1)
				n, stop := running(t, &marking{store, sweeping}, 0, cached)
				in := signIn(aUser)
				in.Asked.Idle = 25 * time.Minute
				s, token := n.create(in)
				time.Sleep(25*time.Minute - time.Millisecond)
				held := make(chan chan struct{}, 100)
				syncs.Store(&held) // the disk stalls
				if _, err = n.Check(t.Context(), token.Reveal(), rollcall.Use{}); err == nil {
					t.Error("the use is acknowledged")
				}
				ofTouch := <-held
				<-sweeping // a sweep marks the session, and waits for the disk
				for row := (rollcall.Session{}); row.EndedAt.IsZero(); runtime.Gosched() {
					row, _, _ = store.Session(t.Context(), rollcall.At{ID: s.ID})
				}
				answered := make(chan bool, 1)
				go func() { answered <- rollcall.ErrorCode(acts[how](n, s, token)) != rollcall.CodeUnavailable }()
				for i := 0; i < 200_000 && len(answered) == 0; i++ { // an ending that waits for the disk has no other sign
					runtime.Gosched()
				}
				acknowledged := len(answered) == 1 && <-answered
				close(ofTouch)
				ofSweep := <-held // the use is durable, the mark is not
				after := disk.CrashClone(vfs.CrashCloneCfg{})
				syncs.Store(nil)
				close(ofSweep)
				go func() { // whatever else has begun to sync
					for goOn := range held {
						close(goOn)
					}
				}()
				stop()
				n.must(store.Close())
				close(held)

				store, err = pebble.Open("store", pebble.Options{FS: after, MinFree: -1})
				if err != nil {
					t.Fatal(err)
				}
				defer store.Close()
				m, err := sessions.New(store, sessions.Options{})
				n.must(err)
				if _, err = m.Check(t.Context(), token.Reveal(), rollcall.Use{}); acknowledged && err == nil {
					t.Error("the ending was acknowledged, and the session is accepted")
				}
			})
		})
	}
}

// TestAServerThatNeverRunsForADayAtATimeSweepsNevertheless lets a server run by day, and rest
// for longer once.
func TestAServerThatNeverRunsForADayAtATimeSweepsNevertheless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		for day := range 12 {
			n, stop := running(t, store, 0, func(o *sessions.Options) {
				o.Retention, o.TouchInterval, o.SweepInterval = sessions.MinRetention, time.Hour, 4*time.Minute
			})
			if day == 0 {
				s, _ := n.create(signIn(aUser))
				n.must(n.End(t.Context(), shop, s.ID, rollcall.ReasonDeleted))
			}
			time.Sleep(8 * time.Hour)
			stop()
			time.Sleep(16 * time.Hour)
			if day == 0 {
				time.Sleep(24 * time.Hour) // a free day
			}
			if rows := rowsOf(t, store); day == 2 && len(rows) != 1 {
				t.Error("removed before the clock was trusted again")
			}
		}
		if rows := rowsOf(t, store); len(rows) != 0 {
			t.Errorf("%d rows outlive their retention by days", len(rows))
		}
	})
}

// TestALimitThatAStricterPolicySetIsWrittenDownAndTold has a session in use when the policy
// becomes stricter, and then no use.
func TestALimitThatAStricterPolicySetIsWrittenDownAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		idle := func(d time.Duration) func(*sessions.Options) {
			return func(o *sessions.Options) {
				o.Policy.Persistent = rollcall.Lifetimes{Absolute: rollcall.MaxLifetime, Idle: d}
				o.Policy.NonPersistent = o.Policy.Persistent
			}
		}
		n, stop := running(t, store, 0, cached, idle(rollcall.MaxLifetime))
		_, token := n.create(signIn(aUser))
		time.Sleep(time.Hour)
		stop()
		n, stop = running(t, store, 0, cached, idle(time.Hour))
		if !n.accepts(token) {
			t.Fatal("refused")
		}
		time.Sleep(4 * time.Hour)
		if row := rowsOf(t, store)[0]; row.EndedAt.IsZero() || row.EndReason != rollcall.ReasonIdle {
			t.Errorf("three hours after its end the row is ended at %v, %q", row.EndedAt, row.EndReason)
		}
		if events := n.events(); events[len(events)-1] != "session.expired idle" {
			t.Errorf("events %v", events)
		}
		stop()
	})
}

// TestALiveSessionIsNotTakenForIdleWhileOthersUsesAreWritten writes uses of others during each
// read of a sign-in under a limit, and then the use that keeps the session alive.
func TestALiveSessionIsNotTakenForIdleWhileOthersUsesAreWritten(t *testing.T) {
	store := &storetest.Faulty{Store: memory.New()}
	n := newNodeOn(t, store, newClock(), cached, limited(5, rollcall.EndOldest))
	in := signIn(aUser)
	in.Asked.Idle = time.Minute
	s, token := n.create(in)
	short := signIn("auth0|another")
	short.Asked.Idle = 2 * time.Second // each check of it writes first
	if !n.accepts(token) {
		t.Fatal("refused")
	}
	n.must(n.Flush(context.Background()))
	n.clock.Advance(time.Minute - 3100*time.Millisecond)
	if !n.accepts(token) { // recorded, to be written within an interval
		t.Fatal("refused")
	}
	n.clock.Advance(5 * time.Second) // the store stalls
	_, other := n.create(short)
	reads := 0
	store.Loaded = func() {
		switch reads++; {
		case reads < 10:
			n.accepts(other)
		case reads == 10:
			n.must(n.Flush(context.Background()))
		}
	}
	n.create(signIn(aUser))
	store.Loaded = nil
	row, _, err := store.Session(context.Background(), rollcall.At{ID: s.ID})
	if n.must(err); !row.EndedAt.IsZero() {
		t.Errorf("used 5 s ago with an idle limit of a minute: ended %q at %v", row.EndReason, row.EndedAt)
	}
}
