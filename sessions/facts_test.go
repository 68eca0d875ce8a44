package sessions

import (
	"context"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// oneSession is a store that holds one.
type oneSession struct {
	rollcall.Store
	session rollcall.Session
	touched []rollcall.Touch
}

func (o *oneSession) Session(context.Context, string) (rollcall.Session, rollcall.User, error) {
	return o.session, rollcall.User{ID: o.session.UserID, Version: 1}, nil
}

func (o *oneSession) Touch(_ context.Context, touches []rollcall.Touch) error {
	o.touched = append(o.touched, touches...)
	return nil
}

// TestAUseThatComesBeforeASessionIsRememberedIsShown lets a use come after a session was
// read, and before it is remembered.
func TestAUseThatComesBeforeASessionIsRememberedIsShown(t *testing.T) {
	for _, written := range []bool{false, true} {
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		store := &oneSession{session: rollcall.Session{
			ID: rollcall.NewSessionID(), UserID: "u", CreatedAt: at, ExpiresAt: at.Add(time.Hour), Last: rollcall.Interaction{At: at, IdleExpiresAt: at.Add(time.Hour)},
		}}
		m, err := New(store, Options{Memory: 512 << 10})
		if err != nil {
			t.Fatal(err)
		}
		moves, flushed := m.cache.Moves(), m.touches.flushed.Load()
		s, u, err := m.stored(context.Background(), store.session.ID)
		if err != nil {
			t.Fatal(err)
		}
		used := rollcall.Interaction{At: at.Add(time.Minute), IdleExpiresAt: at.Add(time.Hour)}
		use := rollcall.Touch{UserID: "u", SessionID: s.ID, Interaction: used}
		m.touches.add(use)
		m.show(&use)
		if written {
			if err := m.Flush(context.Background()); err != nil || len(store.touched) != 1 {
				t.Fatal(store.touched, err)
			}
		}
		m.cache.FillSingle(&u, &s, moves, m.latest(flushed))
		var got rollcall.Session
		switch known := m.cache.Session(s.ID, &got, &u); {
		case known && written:
			t.Error("remembered, although a use went to the store since it was read")
		case !known && !written:
			t.Error("not remembered")
		case known && got.Last != used:
			t.Errorf("last used %v, want %v", got.Last.At, used.At)
		}
	}
}
