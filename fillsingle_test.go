package rollcall

import (
	"context"
	"testing"
	"time"
)

// oneSession is a store that holds one.
type oneSession struct {
	Store
	session Session
	touched []Touch
}

func (o *oneSession) Session(context.Context, string) (Session, User, error) {
	return o.session, User{ID: o.session.UserID, Version: 1}, nil
}

func (o *oneSession) Touch(_ context.Context, touches []Touch) error {
	o.touched = append(o.touched, touches...)
	return nil
}

// TestAUseThatComesBeforeASessionIsRememberedIsShown lets a use come after a session was
// read, and before it is remembered.
func TestAUseThatComesBeforeASessionIsRememberedIsShown(t *testing.T) {
	for _, written := range []bool{false, true} {
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		store := &oneSession{session: Session{
			ID: NewSessionID(), UserID: "u", CreatedAt: at, ExpiresAt: at.Add(time.Hour), Last: Interaction{At: at, IdleExpiresAt: at.Add(time.Hour)},
		}}
		m, err := New(store, Options{CacheSize: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		moves, flushed := m.cache.clock.moves.Load(), m.touches.flushed.Load()
		s, u, err := m.stored(context.Background(), store.session.ID)
		if err != nil {
			t.Fatal(err)
		}
		used := Interaction{At: at.Add(time.Minute), IdleExpiresAt: at.Add(time.Hour)}
		use := Touch{UserID: "u", SessionID: s.ID, Interaction: used}
		m.touches.add(use)
		m.show(&use)
		if written {
			if err := m.Flush(context.Background()); err != nil || len(store.touched) != 1 {
				t.Fatal(store.touched, err)
			}
		}
		m.cache.fillSingle(&u, &s, moves, m.latest(flushed))
		var got Session
		switch known := m.cache.session(s.ID, &got, &u); {
		case known && written:
			t.Error("remembered, although a use went to the store since it was read")
		case !known && !written:
			t.Error("not remembered")
		case known && got.Last != used:
			t.Errorf("last used %v, want %v", got.Last.At, used.At)
		}
	}
}
