package sessions_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
)

func TestCheckRefusesEveryTokenThatIsNotGoodAlike(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		live, token := n.create(signIn(aUser))
		ended, endedToken := n.create(signIn(aUser))
		if err := n.End(context.Background(), shop, ended.ID, rollcall.ReasonRevoked); err != nil {
			t.Fatal(err)
		}
		var refusals []string
		for name, text := range map[string]string{
			"empty":        "",
			"garbage":      "garbage",
			"unknown":      rollcall.Token{ID: rollcall.NewSessionID(), Secret: token.Secret}.Reveal(),
			"ended":        endedToken.Reveal(),
			"wrong secret": rollcall.Token{ID: live.ID, Secret: rollcall.NewSecret()}.Reveal(),
			"truncated":    token.Reveal()[:40],
		} {
			_, err := n.Check(context.Background(), text, rollcall.Use{})
			if err == nil {
				t.Fatalf("%s: accepted", name)
			}
			refusals = append(refusals, err.Error())
		}
		if refusals = slices.Compact(refusals); len(refusals) != 1 {
			t.Errorf("refusals differ: %q", refusals)
		}
	})
}

func TestCheckRecordsTheUseAndThisNodeShowsItBeforeItIsWritten(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		s, token := n.create(signIn(aUser))
		n.clock.Advance(time.Hour)
		if _, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{IP: "198.51.100.1", UserAgent: "Safari"}); err != nil {
			t.Fatal(err)
		}
		want := rollcall.Interaction{
			At: t0.Add(time.Hour), IdleExpiresAt: t0.Add(73 * time.Hour),
			Origin: rollcall.Origin{IP: "198.51.100.1", UserAgent: "Safari"},
		}
		got, err := n.Session(context.Background(), s.ID)
		if diff := cmp.Diff(want, got.Last); err != nil || diff != "" {
			t.Errorf("shown: %v (-want +got):\n%s", err, diff)
		}
		stored, _, err := n.store.Session(context.Background(), rollcall.At{ID: s.ID})
		if err != nil || stored.Last == want {
			t.Errorf("written before the loop did it: %v", err)
		}
		if err := n.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		stored, _, err = n.store.Session(context.Background(), rollcall.At{ID: s.ID})
		if diff := cmp.Diff(want, stored.Last); err != nil || diff != "" {
			t.Errorf("stored: %v (-want +got):\n%s", err, diff)
		}
		if stored.Version != s.Version {
			t.Error("the touch moved the version")
		}
	})
}

func TestCheckWritesFirstWhenLittleIdleTimeIsLeft(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		s, token := n.create(signIn(aUser))
		other := newNodeOn(t, n.store, n.clock, withMemory(size))
		n.clock.Advance(72*time.Hour - 2*time.Second)
		if !n.accepts(token) {
			t.Fatal("refused")
		}
		n.clock.Advance(time.Minute)
		if !other.accepts(token) {
			t.Error("another node refuses a session that this one has just seen")
		}
		if got := other.list(aUser); len(got) != 1 || got[0] != s.ID {
			t.Errorf("another node lists %v", got)
		}
	})
}

func TestAClientJoinsASessionByUsingIt(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		s, token := n.create(signIn(aUser))
		for range 3 {
			for _, id := range []string{"shop", "blog", "wiki"} {
				if _, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{ClientID: id}); err != nil {
					t.Fatal(err)
				}
			}
		}
		got, err := n.Session(context.Background(), s.ID)
		if diff := cmp.Diff([]string{"shop", "blog", "wiki"}, got.Clients); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	})
}

func TestEndingOvertakesACheckThatReadBeforeIt(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n, store, s, token := faulty(t, size)
		n = newNodeOn(t, store, n.clock, withMemory(size)) // has to read it
		once := true
		store.Loaded = func() {
			if once {
				once = false
				n.must(n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted))
			}
		}
		// The check read before the ending was acknowledged and may go either way;
		// its touch must not bring the session back, and the next check must refuse.
		_, _ = n.Check(context.Background(), token.Reveal(), rollcall.Use{})
		n.must(n.Flush(context.Background()))
		if n.accepts(token) || len(n.list(aUser)) != 0 {
			t.Error("the session is back")
		}
	})
}
