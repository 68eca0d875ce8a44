package sessions_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

// noRoom is a store on a disk that is nearly full: nothing new fits.
type noRoom struct{ *memory.Store }

func (s noRoom) Commit(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
	if len(c.Documents) > 0 {
		return rollcall.Standing{}, rollcall.ErrFull
	}
	return s.Store.Commit(ctx, c)
}

func TestASweepGoesOnWhereNotesFindNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := noRoom{memory.New()}
		m, err := sessions.New(store, sessions.Options{TouchInterval: time.Hour, SweepInterval: time.Hour, Retention: sessions.MinRetention})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- m.Run(ctx) }()
		s, _, err := m.Create(t.Context(), shop, signIn(aUser))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.End(t.Context(), shop, s.ID, rollcall.ReasonDeleted); err != nil {
			t.Fatal(err)
		}
		// Without notes no event is known to be old, and events keep their user's last row.
		other, _, err := m.Create(t.Context(), shop, signIn(aUser))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(sessions.MinRetention + 4*time.Hour)
		if _, _, err := store.Session(t.Context(), rollcall.At{ID: s.ID}); !errors.Is(err, rollcall.ErrNoSession) {
			t.Errorf("the row is still there: %v", err)
		}
		if _, _, err := store.Session(t.Context(), rollcall.At{ID: other.ID}); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
}

// runFor runs a Manager with this retention on the store for some time, after do.
func runFor(t *testing.T, store rollcall.Store, retention, d time.Duration, do func(*sessions.Manager)) {
	t.Helper()
	m, err := sessions.New(store, sessions.Options{TouchInterval: time.Hour, Retention: retention})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- m.Run(ctx) }()
	do(m)
	time.Sleep(d)
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}

// TestALongerRetentionCountsForWhatIsThereAndAShorterOneForWhatEndsLater also holds that
// a shorter one counts for events at once.
func TestALongerRetentionCountsForWhatIsThereAndAShorterOneForWhatEndsLater(t *testing.T) {
	for _, tt := range []struct {
		name          string
		first, second time.Duration
		row, events   bool // are there three days after the ending
	}{
		{"longer", 48 * time.Hour, 240 * time.Hour, true, true},
		{"shorter", 240 * time.Hour, 48 * time.Hour, true, false},
		{"the same", 48 * time.Hour, 48 * time.Hour, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memory.New()
				runFor(t, store, tt.first, 12*time.Hour, func(m *sessions.Manager) {
					s, _, err := m.Create(t.Context(), shop, signIn(aUser))
					if err == nil {
						err = m.End(t.Context(), shop, s.ID, rollcall.ReasonDeleted)
					}
					if err != nil {
						t.Fatal(err)
					}
				})
				runFor(t, store, tt.second, 60*time.Hour, func(*sessions.Manager) {})
				_, rows, err := store.Sessions(t.Context(), rollcall.SessionsOf{UserID: aUser, Ended: true, Limit: 10})
				if err != nil || len(rows) > 0 != tt.row {
					t.Errorf("%d rows, %v", len(rows), err)
				}
				page, err := store.Events(t.Context(), rollcall.EventsAfter{UserID: aUser, Limit: 10})
				if err != nil || len(page.Events) > 0 != tt.events {
					t.Errorf("%d events, %v", len(page.Events), err)
				}
			})
		})
	}
}
