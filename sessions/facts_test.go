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

func (*oneSession) Traits() rollcall.Traits { return rollcall.Traits{} }

func (o *oneSession) Session(context.Context, rollcall.At) (rollcall.Session, rollcall.Standing, error) {
	return o.session, rollcall.Standing{User: rollcall.User{ID: o.session.UserID, Version: 1}}, nil
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
		m, err := New(store, Options{Memory: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		l := m.lookFor(store.session.ID)
		fill, latest := l.Begin(), m.latest()
		s, err := m.stored(context.Background(), rollcall.At{ID: store.session.ID})
		if err != nil {
			t.Fatal(err)
		}
		used := rollcall.Interaction{At: at.Add(time.Minute), IdleExpiresAt: at.Add(time.Hour)}
		use := rollcall.Touch{UserID: "u", SessionID: s.ID, Interaction: used}
		m.recordUse(&use, at.Add(time.Hour))
		if written {
			if err := m.Flush(context.Background()); err != nil || len(store.touched) != 1 {
				t.Fatal(store.touched, err)
			}
		}
		fill.KeepOne(&s.Standing, &s.Session, latest)
		var got rollcall.Session
		switch known := l.Session(&got, &s.Standing); {
		case known && written:
			t.Error("remembered, although a use went to the store since it was read")
		case !known && !written:
			t.Error("not remembered")
		case known && got.Last != used:
			t.Errorf("last used %v, want %v", got.Last.At, used.At)
		}
	}
}
