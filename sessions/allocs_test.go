//go:build !race

package sessions_test

import (
	"context"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// TestACheckFromMemoryAllocatesTheSessionAlone holds the objects that a check allocates: one
// to find the session in, one for the session's texts, and one for each of its lists,
// methods and clients. None is for what is asked, nor for the level.
func TestACheckFromMemoryAllocatesTheSessionAlone(t *testing.T) {
	const most = 4
	n := newNode(t, withMemory(4<<20))
	_, token := n.create(signIn(aUser))
	text, from := token.Reveal(), rollcall.Use{IP: "192.0.2.1", UserAgent: "Firefox"}
	if _, err := n.Check(context.Background(), text, from); err != nil {
		t.Fatal(err)
	}
	noTouch := from
	noTouch.NoTouch = true
	for name, check := range map[string]func() error{
		"check":         func() error { _, err := n.Check(context.Background(), text, from); return err },
		"check a level": func() error { _, _, err := n.CheckLevel(context.Background(), text, from); return err },
		"without touch": func() error { _, _, err := n.CheckLevel(context.Background(), text, noTouch); return err },
	} {
		got := testing.AllocsPerRun(1000, func() {
			n.clock.Advance(time.Millisecond)
			if err := check(); err != nil {
				t.Fatal(err)
			}
		})
		if got > most {
			t.Errorf("%s: %v objects, want at most %d", name, got, most)
		}
	}
}
