package sessions_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
)

// A clocked store has a clock of its own, by which the time of the test's bubble is off.
type clocked struct {
	rollcall.Store
	off time.Duration
}

func (c *clocked) Ready(ctx context.Context) (time.Time, error) {
	_, err := c.Store.Ready(ctx)
	return time.Now().Add(c.off), err
}

// swept is what the store keeps, as far as a sweep changes it.
func swept(t *testing.T, store rollcall.Store) []string {
	t.Helper()
	var kept []string
	for _, s := range rowsOf(t, store) {
		kept = append(kept, fmt.Sprintf("row %s ended %v", s.ID, s.EndedAt))
	}
	slices.Sort(kept)
	for _, e := range logOf(t, store) {
		kept = append(kept, fmt.Sprintf("event %s %s", e.Type, e.SessionID))
	}
	return kept
}

// halfADay is a sign-in whose session is over after ten hours without use: no clock may
// mark it within the day in which the clock is doubted.
func halfADay() rollcall.NewSession {
	in := signIn(aUser)
	in.Asked.Idle = 10 * time.Hour
	return in
}

// wrongClocks are those that a process may begin with. A first sweep comes half an hour
// later, while the clock of an hour behind is still behind what was written before.
var wrongClocks = map[string]time.Duration{
	"26 hours ahead":   26 * time.Hour,
	"ten years ahead":  10 * 365 * 24 * time.Hour,
	"an hour behind":   -time.Hour,
	"five days behind": -5 * 24 * time.Hour,
}

// TestAProcessThatBeginsWithAWrongClockRemovesNothingForADay has a store that was swept by
// a clock that was right, with sessions that end soon by the wrong one.
func TestAProcessThatBeginsWithAWrongClockRemovesNothingForADay(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		for name, off := range wrongClocks {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := e.openForDays(t)
					n, stop := running(t, store, 0, aDay)
					_, token := n.create(signIn(aUser))
					n.create(halfADay())
					ended, _ := n.create(signIn(aUser))
					n.must(n.End(t.Context(), shop, ended.ID, rollcall.ReasonDeleted))
					time.Sleep(20 * time.Minute)
					if !n.accepts(token) {
						t.Fatal("refused")
					}
					stop()
					before := swept(t, store)
					_, stopWrong := running(t, store, off, aDay, halfHourly)
					time.Sleep(22 * time.Hour)
					synctest.Wait()
					stopWrong()
					if diff := cmp.Diff(before, swept(t, store)); diff != "" {
						t.Errorf("within a day (-before +after):\n%s", diff)
					}
					right, _ := running(t, store, 0, aDay)
					if !right.accepts(token) {
						t.Error("a session of a day ago is refused with the right clock")
					}
				})
			})
		}
	})
}

// TestAClockThatIsDoubtedIsTrustedAfterADay says that a doubt does not last.
func TestAClockThatIsDoubtedIsTrustedAfterADay(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		synctest.Test(t, func(t *testing.T) {
			store := e.openForDays(t)
			n, stop := running(t, store, 0, aDay)
			n.create(signIn(aUser))
			time.Sleep(20 * time.Minute)
			stop()
			time.Sleep(4 * 24 * time.Hour) // nobody sweeps: a store that rested
			running(t, store, 0, aDay, halfHourly)
			time.Sleep(23 * time.Hour)
			if got := rowsOf(t, store); len(got) != 1 || !got[0].EndedAt.IsZero() {
				t.Errorf("within a day: %q", swept(t, store))
			}
			time.Sleep(2 * time.Hour)
			if got := rowsOf(t, store); len(got) != 1 || got[0].EndReason != rollcall.ReasonIdle {
				t.Errorf("after a day: %q", swept(t, store))
			}
			time.Sleep(2 * sessions.MinRetention)
			if got, log := rowsOf(t, store), logOf(t, store); len(got) != 0 || len(log) != 0 {
				t.Errorf("after the retention: %q", swept(t, store))
			}
		})
	})
}

// TestAStoreThatWasNeverSweptIsNotSweptByAWrongClock has what was written before the first
// sweep, by a process that then crashed.
func TestAStoreThatWasNeverSweptIsNotSweptByAWrongClock(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		for name, off := range wrongClocks {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := e.openForDays(t)
					good, err := sessions.New(store, sessions.Options{})
					if err != nil {
						t.Fatal(err)
					}
					_, token, err := good.Create(t.Context(), shop, signIn(aUser))
					if err != nil {
						t.Fatal(err)
					}
					if _, _, err := good.Create(t.Context(), shop, halfADay()); err != nil {
						t.Fatal(err)
					}
					before := swept(t, store)
					_, stop := running(t, store, off, halfHourly)
					time.Sleep(23 * time.Hour)
					stop()
					if diff := cmp.Diff(before, swept(t, store)); diff != "" {
						t.Errorf("within a day (-before +after):\n%s", diff)
					}
					if _, err := good.Check(t.Context(), token.Reveal(), rollcall.Use{}); err != nil {
						t.Errorf("a session of a day ago: %v", err)
					}
				})
			})
		}
	})
}

// TestASweepAsksTheClockOfTheStore has a node whose clock is off from that of a store which
// others write to.
func TestASweepAsksTheClockOfTheStore(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		for off, sweeps := range map[time.Duration]bool{
			59 * time.Second: true, -59 * time.Second: true, 61 * time.Second: false, -61 * time.Second: false,
		} {
			t.Run(off.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := &clocked{e.openForDays(t), off}
					n, _ := running(t, store, 0, aDay, halfHourly)
					in := signIn(aUser)
					in.Asked.Idle = time.Hour
					s, _ := n.create(in)
					time.Sleep(2 * time.Hour)
					row, _, err := store.Session(t.Context(), rollcall.At{ID: s.ID})
					n.must(err)
					if row.EndedAt.IsZero() == sweeps {
						t.Errorf("an hour after the idle end the row says %v", row.EndedAt)
					}
					time.Sleep(sessions.MinRetention + 2*time.Hour)
					if got := len(rowsOf(t, store)) == 0; got != sweeps {
						t.Errorf("removed: %v, want %v", got, sweeps)
					}
				})
			})
		}
	})
}

func TestANodeWhoseClockIsOffFromThatOfTheStoreIsNotReady(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		synctest.Test(t, func(t *testing.T) {
			store := &clocked{Store: e.open(t)}
			m, err := sessions.New(store, sessions.Options{})
			if err != nil {
				t.Fatal(err)
			}
			_, token, err := m.Create(t.Context(), shop, signIn(aUser))
			if err != nil {
				t.Fatal(err)
			}
			for off, ready := range map[time.Duration]bool{
				0: true, 29 * time.Second: true, -29 * time.Second: true, 31 * time.Second: false, -31 * time.Second: false,
			} {
				store.off = off
				if err := m.Ready(t.Context()); (err == nil) != ready {
					t.Errorf("off by %s: %v", off, err)
				}
				if _, err := m.Check(t.Context(), token.Reveal(), rollcall.Use{}); err != nil {
					t.Errorf("off by %s, a check: %v", off, err)
				}
			}
		})
	})
}
