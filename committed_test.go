package rollcall_test

import (
	"context"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

func TestALookAfterAnActOfItsOwnIsAnsweredFromMemory(t *testing.T) {
	for name, act := range acts {
		if name == "end everybody" {
			continue // it concerns everybody, of whom nothing is put anew
		}
		t.Run(name, func(t *testing.T) {
			n := newNode(t, cached)
			_, older := n.create(signIn(aUser))
			n.clock.Advance(time.Second)
			s, token := n.create(signIn(aUser))
			if !n.accepts(older) { // a user whose generation of everybody is known
				t.Fatal("refused")
			}
			_, before := n.CacheLookups()
			if err := act(n, s, token); err != nil {
				t.Fatal(err)
			}
			if _, err := n.List(context.Background(), rollcall.ListQuery{UserID: aUser, Take: 50, Total: true}); err != nil {
				t.Fatal(err)
			}
			if _, after := n.CacheLookups(); after != before {
				t.Errorf("%d looks were not answered from memory", after-before)
			}
			n.agreesWithItsStore(aUser, s.ID, older)
		})
	}
}
