package sessions_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

func TestRunWritesInteractionsAndSweeps(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		synctest.Test(t, func(t *testing.T) {
			store := memory.New()
			n, _ := running(t, store, 0, withMemory(size), func(o *sessions.Options) {
				o.TouchInterval, o.SweepInterval, o.Retention = time.Minute, time.Minute, 48*time.Hour
			})
			in := signIn(aUser)
			in.Asked.Absolute = time.Hour
			s, token := n.create(in)
			ended, _ := n.create(signIn(aUser))
			n.must(n.End(context.Background(), shop, ended.ID, rollcall.ReasonDeleted))
			time.Sleep(10 * time.Minute)
			if !n.accepts(token) {
				t.Fatal("refused")
			}
			time.Sleep(2 * time.Minute)
			stored, _, err := store.Session(context.Background(), rollcall.At{ID: s.ID})
			if want := time.Now().Add(-2 * time.Minute); err != nil || stored.Last.At.Before(want) {
				t.Errorf("two minutes later the interaction is not written: %v, %v", stored.Last.At, err)
			}
			time.Sleep(51 * time.Minute) // to three minutes behind its absolute end
			stored, _, err = store.Session(context.Background(), rollcall.At{ID: s.ID})
			if err != nil || !stored.EndedAt.Equal(s.ExpiresAt) || stored.EndReason != rollcall.ReasonExpired {
				t.Errorf("three minutes after its end a session is ended at %v, %q, %v", stored.EndedAt, stored.EndReason, err)
			}
			want := []string{"session.created ", "session.created ", "session.ended deleted", "session.expired expired"}
			if diff := cmp.Diff(want, n.events()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			time.Sleep(47 * time.Hour)
			for _, id := range []string{s.ID, ended.ID} {
				if _, _, err := store.Session(context.Background(), rollcall.At{ID: id}); err != nil {
					t.Errorf("within its retention an ended session is gone: %v", err)
				}
			}
			time.Sleep(5 * time.Hour)
			for _, id := range []string{s.ID, ended.ID} {
				if _, _, err := store.Session(context.Background(), rollcall.At{ID: id}); !errors.Is(err, rollcall.ErrNoSession) {
					t.Errorf("an ended session outlives its retention: %v", err)
				}
			}
			if got := n.events(); len(got) != 0 {
				t.Errorf("events outlive their retention: %v", got)
			}
		})
	})
}

func TestRunWritesWhatIsLeftAtItsStop(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		synctest.Test(t, func(t *testing.T) {
			store := memory.New()
			n, stop := running(t, store, 0, withMemory(size), func(o *sessions.Options) { o.TouchInterval = time.Hour })
			s, token := n.create(signIn(aUser))
			time.Sleep(time.Minute)
			if !n.accepts(token) {
				t.Fatal("refused")
			}
			stop()
			stored, _, err := store.Session(context.Background(), rollcall.At{ID: s.ID})
			if err != nil || !stored.Last.At.Equal(time.Now().UTC().Truncate(time.Millisecond)) {
				t.Errorf("stored %v, %v", stored.Last.At, err)
			}
		})
	})
}

func TestSweepRemovesEndingsOfManySilently(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		synctest.Test(t, func(t *testing.T) {
			store := memory.New()
			n, _ := running(t, store, 0, withMemory(size), hourly, func(o *sessions.Options) { o.TouchInterval = time.Hour })
			for range 220 {
				n.create(signIn(aUser))
			}
			n.must(n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted))
			time.Sleep(time.Minute)
			st, rows, err := store.Sessions(context.Background(), rollcall.SessionsOf{UserID: aUser, Limit: 1000})
			if err != nil || len(rows) != 0 || st.User.Version == 0 {
				t.Errorf("a minute later %d rows are not ended, the user is at version %d, %v", len(rows), st.User.Version, err)
			}
			if got := len(n.events()); got != 221 {
				t.Errorf("%d events, want 221", got)
			}
			time.Sleep((30*24 + 4) * time.Hour)
			st, rows, err = store.Sessions(context.Background(), rollcall.SessionsOf{UserID: aUser, Ended: true, Limit: 1000})
			if err != nil || len(rows) != 0 || st.User.Version != 0 {
				t.Errorf("%d rows are left, the user at version %d, %v", len(rows), st.User.Version, err)
			}
			if got := len(n.events()); got != 0 {
				t.Errorf("%d events are left", got)
			}
		})
	})
}
