package sessions_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
)

// aYear is a policy whose sessions live for a year, used or not.
func aYear(o *sessions.Options) {
	o.Policy = rollcall.DefaultPolicy()
	o.Policy.Persistent = rollcall.Lifetimes{Absolute: rollcall.MaxLifetime, Idle: rollcall.MaxLifetime}
}

// aDay is the shortest retention.
func aDay(o *sessions.Options) { o.Retention = sessions.MinRetention }

// hourly lets a Manager sweep once an hour.
func hourly(o *sessions.Options) { o.SweepInterval = time.Hour }

// halfHourly lets a Manager sweep twice an hour.
func halfHourly(o *sessions.Options) { o.SweepInterval = 30 * time.Minute }

// TestWhatAGenerationEndedIsTidiedAndThenGone ends many sessions at once whose own limits
// are a year away.
func TestWhatAGenerationEndedIsTidiedAndThenGone(t *testing.T) {
	endings := map[string]func(n node, keep rollcall.Session) error{
		"end all": func(n node, _ rollcall.Session) error {
			return n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted)
		},
		"end others": func(n node, keep rollcall.Session) error {
			return n.EndOthers(context.Background(), shop, aUser, keep.ID)
		},
		"end everybody": func(n node, _ rollcall.Session) error {
			return n.EndEverybody(context.Background(), shop)
		},
	}
	const many = 220 // more than one bite
	eachEngineAndMemory(t, func(t *testing.T, e engine, size int64) {
		for name, end := range endings {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := &observed{Store: e.openForDays(t)}
					n, _ := running(t, store, 0, withMemory(size), aYear, aDay, hourly)
					keep, _ := n.create(signIn(aUser))
					signInMany(n, many)
					n.must(end(n, keep))
					ended := time.Now()
					if name == "end others" {
						time.Sleep(time.Minute)
						n.must(n.End(context.Background(), shop, keep.ID, rollcall.ReasonDeleted))
					}
					time.Sleep(time.Minute)
					synctest.Wait()

					if _, rows, err := store.Sessions(t.Context(), rollcall.SessionsOf{UserID: aUser, Limit: 10 * many}); err != nil || len(rows) != 0 {
						t.Errorf("%d rows are not marked as ended behind the ending, %v", len(rows), err)
					}
					for _, s := range rowsOf(t, store) {
						if d := s.EndedAt.Sub(ended).Abs(); d > 2*time.Minute || s.EndReason == "" || s.EndedBy != shop.ID {
							t.Fatalf("ended at %v by %q for %q, the act was at %v", s.EndedAt, s.EndedBy, s.EndReason, ended)
						}
					}
					n.create(signIn(aUser))
					store.asked()
					if got := len(n.list(aUser)); got != 1 {
						t.Errorf("%d sessions, want 1", got)
					}
					if asked := store.asked(); asked.Reads > 2 {
						t.Errorf("a list of one session takes %d reads", asked.Reads)
					}
					n.must(n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted))

					time.Sleep(sessions.MinRetention + 4*time.Hour)
					synctest.Wait()
					if rows := rowsOf(t, store); len(rows) != 0 {
						t.Errorf("%d rows are kept beyond the retention", len(rows))
					}
					if events := logOf(t, store); len(events) != 0 {
						t.Errorf("%d events are kept beyond the retention", len(events))
					}
					if got := versionOf(t, store); got != 0 {
						t.Errorf("the user's row is kept, at version %d", got)
					}
				})
			})
		}
	})
}

// TestWhatAGenerationEndedIsTidiedAfterACrash ends sessions on a Manager that does not run,
// as if it had crashed; another one is started later.
func TestWhatAGenerationEndedIsTidiedAfterACrash(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		synctest.Test(t, func(t *testing.T) {
			store := &observed{Store: e.openForDays(t)}
			m, err := sessions.New(store, sessions.Options{})
			if err != nil {
				t.Fatal(err)
			}
			crashed := node{Manager: m, t: t, store: store}
			signInMany(crashed, 250)
			crashed.must(m.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted))
			n, _ := running(t, store, 0, aYear, aDay, hourly)
			time.Sleep(2 * time.Hour)
			if _, rows, err := store.Sessions(context.Background(), rollcall.SessionsOf{UserID: aUser, Limit: 1000}); err != nil || len(rows) != 0 {
				t.Errorf("%d rows are not marked as ended, %v", len(rows), err)
			}
			time.Sleep(sessions.MinRetention + 4*time.Hour)
			if rows, events := rowsOf(t, n.store), logOf(t, n.store); len(rows) != 0 || len(events) != 0 {
				t.Errorf("%d rows and %d events are kept beyond the retention", len(rows), len(events))
			}
		})
	})
}

// TestAnEventOfTheFutureKeepsNoOther has one event from a clock a year ahead.
func TestAnEventOfTheFutureKeepsNoOther(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		synctest.Test(t, func(t *testing.T) {
			store := e.openForDays(t)
			wrong, err := sessions.New(store, sessions.Options{Clock: func() time.Time { return time.Now().Add(365 * 24 * time.Hour) }})
			if err != nil {
				t.Fatal(err)
			}
			n, _ := running(t, store, 0, aDay, hourly)
			n.create(signIn(aUser))
			time.Sleep(2 * time.Hour)
			if _, _, err := wrong.Create(t.Context(), shop, signIn("x")); err != nil {
				t.Fatal(err)
			}
			for range 6 {
				n.create(signIn(aUser))
				time.Sleep(24 * time.Hour)
			}
			synctest.Wait()
			for _, e := range logOf(t, store) {
				if age := time.Since(e.At); age > sessions.MinRetention+4*time.Hour {
					t.Errorf("an event of %s ago is kept, the retention is %s", age, sessions.MinRetention)
				}
			}
			if got := len(logOf(t, store)); got == 0 || got > 6 {
				t.Errorf("%d events are kept, want those of a day", got)
			}
		})
	})
}

// TestAnEndingOfManySaysWhatItMovedAndWhatItLeft reads the events of endings of many.
func TestAnEndingOfManySaysWhatItMovedAndWhatItLeft(t *testing.T) {
	eachEngineAndMemory(t, func(t *testing.T, e engine, size int64) {
		n := newNodeOn(t, e.open(t), newClock(), withMemory(size))
		last := func() rollcall.Event {
			t.Helper()
			log := logOf(t, n.store)
			return log[len(log)-1]
		}
		generation := func() uint64 {
			t.Helper()
			st, _, err := n.store.Sessions(t.Context(), rollcall.SessionsOf{UserID: aUser})
			n.must(err)
			return st.User.Generation
		}
		keep, token := n.create(signIn(aUser))
		n.create(signIn(aUser))
		n.create(signIn(aUser))
		first := generation()

		n.must(n.EndOthers(t.Context(), shop, aUser, keep.ID))
		ev := last()
		if ev.Type != rollcall.UserSessionsEnded || ev.SessionID != "" || ev.Except != keep.ID || ev.Generation != first+1 || ev.Count != 2 || ev.Actor != shop.ID {
			t.Errorf("end others left %+v", ev)
		}
		if ev.Generation != generation() || !n.accepts(token) {
			t.Errorf("the event has generation %d, the user has %d", ev.Generation, generation())
		}

		n.must(n.EndAll(t.Context(), shop, aUser, rollcall.ReasonDeleted))
		ev = last()
		if ev.Type != rollcall.UserSessionsEnded || ev.SessionID != "" || ev.Except != "" || ev.Generation != first+2 || ev.Count != 1 || ev.Generation != generation() {
			t.Errorf("end all left %+v, the user has generation %d", ev, generation())
		}

		n.create(signIn(aUser))
		n.must(n.EndEverybody(t.Context(), shop))
		ev = last()
		st, _, err := n.store.Sessions(t.Context(), rollcall.SessionsOf{})
		n.must(err)
		if ev.Type != rollcall.EverybodyEnded || ev.UserID != "" || ev.SessionID != "" || ev.Generation == 0 || ev.Generation != st.Everybody.Generation {
			t.Errorf("end everybody left %+v, everybody's generation is %d", ev, st.Everybody.Generation)
		}
	})
}

// TestAnEndingOfManyCountsWithOneReadOrNotAtAll holds the events' numbers, and what they cost.
func TestAnEndingOfManyCountsWithOneReadOrNotAtAll(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		for sessions, want := range map[int]int{1: 1, 64: 64, 65: -1, e.many(2000): -1} {
			store := &observed{Store: e.open(t)}
			n := newNodeOn(t, store, newClock())
			signInMany(n, sessions)
			store.asked()
			n.must(n.EndAll(t.Context(), shop, aUser, rollcall.ReasonDeleted))
			if asked := store.asked(); asked.Reads != 1 || asked.MostRows > rollcall.MaxChange+1 || asked.Commits != 1 {
				t.Errorf("end all of %d sessions: %+v", sessions, asked)
			}
			log := logOf(t, store)
			if got := log[len(log)-1].Count; got != want {
				t.Errorf("end all of %d sessions counts %d, want %d", sessions, got, want)
			}
		}
	})
}

// TestAnExpiryIsToldMinutesLaterWithTheInstantOfTheLimit lets sessions come to both limits.
func TestAnExpiryIsToldMinutesLaterWithTheInstantOfTheLimit(t *testing.T) {
	eachEngineAndMemory(t, func(t *testing.T, e engine, size int64) {
		synctest.Test(t, func(t *testing.T) {
			store := e.open(t)
			n, _ := running(t, store, 0, withMemory(size), func(o *sessions.Options) { o.SweepInterval = time.Minute })
			for reason, asked := range map[rollcall.Reason]rollcall.Lifetimes{
				rollcall.ReasonIdle:    {Idle: time.Hour},
				rollcall.ReasonExpired: {Absolute: time.Hour},
			} {
				in := signIn("auth0|" + string(reason))
				in.Asked = asked
				s, token := n.create(in)
				limit := s.CreatedAt.Add(time.Hour)
				time.Sleep(20 * time.Minute)
				if reason == rollcall.ReasonIdle {
					if !n.accepts(token) {
						t.Fatal("refused")
					}
					limit = limit.Add(20 * time.Minute)
				}
				time.Sleep(time.Until(limit))
				of := func() (all []rollcall.Event) {
					for _, e := range logOf(t, store) {
						if e.Type == rollcall.SessionExpired && e.SessionID == s.ID {
							all = append(all, e)
						}
					}
					return all
				}
				if got := of(); len(got) != 0 {
					t.Errorf("%s: told before the limit: %v", reason, got)
				}
				time.Sleep(3 * time.Minute)
				got := of()
				if len(got) != 1 || !got[0].At.Equal(limit) || got[0].Reason != reason || got[0].Actor != "" {
					t.Errorf("%s: three minutes after the limit at %v the log has %+v", reason, limit, got)
				}
				row, _, err := store.Session(t.Context(), rollcall.At{ID: s.ID})
				if err != nil || !row.EndedAt.Equal(limit) || row.EndReason != reason || row.EndedBy != "" {
					t.Errorf("%s: the row ended at %v for %q, %v", reason, row.EndedAt, row.EndReason, err)
				}
			}
		})
	})
}
