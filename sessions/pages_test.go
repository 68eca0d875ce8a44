package sessions_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
)

// withSessions is a node that remembers compressed pages, and a user with so many sessions.
func withSessions(t *testing.T, count int) (node, *deflate) {
	d := new(deflate)
	n := newNode(t, cached, func(o *sessions.Options) { o.Compressor = d })
	for range count {
		n.create(signIn(aUser))
	}
	return n, d
}

func TestACompressedPageIsWhatTheStoreHolds(t *testing.T) {
	n, d := withSessions(t, 60)
	compare := func(q rollcall.ListQuery) {
		t.Helper()
		want, err := n.List(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := n.spelled(q)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, onlyActs); diff != "" {
			t.Errorf("%+v: %s", q, diff)
		}
	}
	for _, take := range []int{20, 29, 30, 50} {
		for _, totals := range [][]bool{{false, false, false, false, true, true, true, true}, {true, true, true, true, false, false, true}} {
			for _, total := range totals {
				compare(rollcall.ListQuery{UserID: aUser, Take: take, Total: total})
			}
			n.create(signIn(aUser)) // and all of it is outdated
		}
	}
	// All takes leave a session for a next page, so the first total that is asked for has
	// the page compressed anew; and each take is decompressed once without and with it.
	if compressed, decompressed := d.compressed.Load(), d.decompressed.Load(); compressed != 4*3 || decompressed != 4*4 {
		t.Errorf("%d were compressed, %d decompressed", compressed, decompressed)
	}
}

// TestAPageIsNotCompressedForNothing asks for pages that change between all asks.
func TestAPageIsNotCompressedForNothing(t *testing.T) {
	n, d := withSessions(t, 30)
	q := rollcall.ListQuery{UserID: aUser, Take: 50}
	for range 20 {
		n.create(signIn(aUser))
		if _, err := n.spelled(q); err != nil {
			t.Fatal(err)
		}
	}
	if got := d.compressed.Load(); got != 0 {
		t.Errorf("%d pages were compressed that nobody could use", got)
	}
}

// TestACompressorThatMakesNothingOfTextsDoesNoHarm has pages that take no room.
func TestACompressorThatMakesNothingOfTextsDoesNoHarm(t *testing.T) {
	n, d := withSessions(t, 30)
	d.nothing = true
	for _, take := range []int{20, 30, 20, 29, 20} {
		for range 3 {
			page, err := n.spelled(rollcall.ListQuery{UserID: aUser, Take: take})
			if err != nil || len(page.Sessions) != take {
				t.Fatalf("%d sessions, %v", len(page.Sessions), err)
			}
		}
	}
	if d.compressed.Load() == 0 {
		t.Error("no page was compressed")
	}
}

func TestAPageThatCannotBeDecompressedIsReadAnew(t *testing.T) {
	n, d := withSessions(t, 30)
	q := rollcall.ListQuery{UserID: aUser, Take: 50, Total: true}
	want, err := n.List(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	d.broken = errors.New("not what was compressed")
	for range 4 {
		got, err := n.spelled(q)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, onlyActs); diff != "" {
			t.Error(diff)
		}
	}
	if d.compressed.Load() == 0 {
		t.Error("no page was compressed")
	}
}

// TestPagesThatAreSentWhileOthersAreRememberedStayWhole sends many pages at once from too
// little memory.
func TestPagesThatAreSentWhileOthersAreRememberedStayWhole(t *testing.T) {
	n := newNode(t, func(o *sessions.Options) { o.CacheSize = 1 << 20 })
	users := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	want := map[string][]byte{}
	q := func(user string) rollcall.ListQuery { return rollcall.ListQuery{UserID: user, Take: 100} }
	for _, user := range users {
		for range 40 {
			n.create(signIn(user))
		}
		err := n.EncodedList(context.Background(), q(user), spelling{}, func(b []byte) { want[user] = slices.Clone(b) })
		if err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error)
	for w := range 4 {
		go func() {
			for i := range 300 {
				user := users[(w*7+i*i)%len(users)]
				var differs error
				err := n.EncodedList(context.Background(), q(user), spelling{}, func(b []byte) {
					if !bytes.Equal(b, want[user]) {
						differs = errors.New("another page than at first")
					}
				})
				if err = errors.Join(err, differs); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
