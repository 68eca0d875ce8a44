package sessions_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

func TestRepeatedCreationGivesTheSameSessionAndToken(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		in := signIn(aUser)
		in.IdempotencyKey = "login-1"
		s, token := n.create(in)
		n.clock.Advance(23 * time.Hour)
		again, tokenAgain := n.create(in)
		if again.ID != s.ID || tokenAgain != token || len(n.list(aUser)) != 1 {
			t.Error("a repeated creation made another session")
		}
		other := newNodeOn(t, n.store, n.clock, withMemory(size))
		again, tokenAgain = other.create(in)
		if again.ID != s.ID || tokenAgain != token {
			t.Error("another node made another session")
		}
	})
}

func TestIdempotencyKeyCountsPerCallerAndUserForADay(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		in := signIn(aUser)
		in.IdempotencyKey = "k"
		first, _ := n.create(in)
		in.UserID = "auth0|2"
		second, _ := n.create(in)
		in.UserID = aUser
		third, _, err := n.Create(context.Background(), rollcall.Caller{ID: "blog"}, in)
		n.must(err)
		n.clock.Advance(24 * time.Hour)
		fourth, _ := n.create(in)
		ids := []string{first.ID, second.ID, third.ID, fourth.ID}
		slices.Sort(ids)
		if len(slices.Compact(ids)) != 4 {
			t.Errorf("sessions are shared: %v", ids)
		}
	})
}

func TestIdempotencyKeyWithAnotherBodyOrAnEndedSessionIsAConflict(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		in := signIn(aUser)
		in.IdempotencyKey = "k"
		s, _ := n.create(in)
		other := in
		other.UserAgent = "Safari"
		_, _, err := n.Create(context.Background(), shop, other)
		wantCode(t, err, rollcall.CodeConflict)
		_, _, err = n.Authenticate(context.Background(), shop, s.ID, rollcall.Authentication{UserID: aUser, Methods: []rollcall.Method{{Name: "mfa"}}})
		n.must(err)
		_, _, err = n.Create(context.Background(), shop, in)
		wantCode(t, err, rollcall.CodeConflict)
		for name, end := range map[string]func() error{
			"ended": func() error { return n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted) },
			"all":   func() error { return n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted) },
		} {
			in.IdempotencyKey = name
			s, _ = n.create(in)
			n.must(end())
			_, _, err = n.Create(context.Background(), shop, in)
			wantCode(t, err, rollcall.CodeConflict)
		}
	})
}

func TestDifferentKeysDeriveDifferentTokens(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		seen := map[string]bool{}
		for i := range 3 {
			n := newNode(t, withMemory(size), func(o *sessions.Options) { o.DerivationKeys = []rollcall.DerivationKey{{byte(i + 1)}} })
			in := signIn(aUser)
			in.IdempotencyKey = "k"
			s, token := n.create(in)
			seen[s.ID], seen[fmt.Sprintf("%x", [32]byte(token.Secret))] = true, true
		}
		if len(seen) != 6 {
			t.Error("derived tokens do not depend on the key")
		}
	})
}

// keyed is a sign-in under an Idempotency-Key.
func keyed(key string) rollcall.NewSession {
	in := signIn(aUser)
	in.IdempotencyKey = key
	return in
}

// stepUp is a further authentication under an Idempotency-Key.
func stepUp(key string) rollcall.Authentication {
	return rollcall.Authentication{UserID: aUser, Methods: []rollcall.Method{{Name: "mfa"}}, IdempotencyKey: key}
}

func TestARepetitionAcrossAnExchangeOfTheDerivationKeyGivesTheSameSessionAndToken(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		older, newer := rollcall.DerivationKey{1}, rollcall.DerivationKey{2}
		n := newNode(t, withMemory(size), func(o *sessions.Options) { o.DerivationKeys = []rollcall.DerivationKey{older} })
		s, token := n.create(keyed("login"))
		other, _ := n.create(signIn(aUser))
		_, raised, err := n.Authenticate(context.Background(), shop, other.ID, stepUp("mfa"))
		n.must(err)
		n.must(n.SetDerivationKeys(newer, older))
		n.clock.Advance(23 * time.Hour)
		if again, tokenAgain := n.create(keyed("login")); again.ID != s.ID || tokenAgain != token {
			t.Error("a creation that is repeated after the exchange made another session or token")
		}
		if again, raisedAgain, err := n.Authenticate(context.Background(), shop, other.ID, stepUp("mfa")); err != nil || raisedAgain != raised || len(again.Methods) != 2 {
			t.Errorf("an authentication that is repeated after the exchange: %d methods, the same token is %v, %v", len(again.Methods), raisedAgain == raised, err)
		}
		if got := len(n.list(aUser)); got != 2 {
			t.Errorf("%d sessions, want 2", got)
		}
		// What is new is made with the new key alone, and is good without the old one.
		fresh, freshToken := n.create(keyed("another"))
		n.must(n.SetDerivationKeys(newer))
		if again, tokenAgain := n.create(keyed("another")); again.ID != fresh.ID || tokenAgain != freshToken {
			t.Error("what was made after the exchange rests on the key from before")
		}
		if !n.accepts(token) || !n.accepts(raised) {
			t.Error("a token is refused since its derivation key is gone")
		}
		// Without its key an authentication cannot be repeated, and is not made twice.
		_, _, err = n.Authenticate(context.Background(), shop, other.ID, stepUp("mfa"))
		wantCode(t, err, rollcall.CodeConflict)
	})
}

// TestADerivationKeyAloneMakesNoToken lets somebody who has the derivation key, and knows each
// request and when it came, make the same requests of a server of their own.
func TestADerivationKeyAloneMakesNoToken(t *testing.T) {
	c := newClock()
	n, thief := newNodeOn(t, memory.New(), c), newNodeOn(t, memory.New(), c)
	in := keyed("login")
	s, token := n.create(in)
	stolen, guess := thief.create(in)
	if stolen.ID != s.ID {
		t.Fatalf("the two servers do not have the same key: %s, %s", s.ID, stolen.ID)
	}
	if guess == token || n.accepts(guess) {
		t.Error("who has the derivation key computes the token of a creation")
	}
	_, raised, err := n.Authenticate(context.Background(), shop, s.ID, stepUp("mfa"))
	n.must(err)
	_, guess, err = thief.Authenticate(context.Background(), shop, s.ID, stepUp("mfa"))
	n.must(err)
	if guess == raised || n.accepts(guess) {
		t.Error("who has the derivation key computes the token of an authentication")
	}
}

// TestATokenOfARowThatIsGoneIsNotGoodAgainWhenTheIDIsMadeAnew lets the clock be set back, or a
// caller give the id, after a row was removed.
func TestATokenOfARowThatIsGoneIsNotGoodAgainWhenTheIDIsMadeAnew(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		own := signIn(aUser)
		own.ID = "an-id-that-was-made-elsewhere"
		signedIn := func() []rollcall.Token {
			s, token := n.create(keyed("login"))
			made, _ := n.create(own)
			_, raised, err := n.Authenticate(context.Background(), shop, made.ID, stepUp("mfa"))
			n.must(err)
			n.must(n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted))
			n.must(n.End(context.Background(), shop, made.ID, rollcall.ReasonDeleted))
			return []rollcall.Token{token, raised}
		}
		old := signedIn()
		n.create(signIn(aUser)) // a user's last row stays for the user's events
		far := n.clock.Now().Add(1000 * 24 * time.Hour)
		swept, err := n.store.Sweep(context.Background(), rollcall.Sweep{SessionsBefore: far, Limit: 100, Decide: func(w rollcall.Walked) (v rollcall.Verdict) {
			if w.Session.EndedAt.IsZero() {
				v.FileAt = far
			}
			return v
		}})
		if n.must(err); swept.Removed != 2 {
			t.Fatalf("%d rows are gone, want 2", swept.Removed)
		}
		s, fresh := n.create(keyed("login"))
		made, _ := n.create(own)
		_, raised, err := n.Authenticate(context.Background(), shop, made.ID, stepUp("mfa"))
		n.must(err)
		if s.ID != old[0].ID || made.ID != old[1].ID {
			t.Fatal("the ids are others")
		}
		for i, what := range []string{"creation", "authentication"} {
			if now := []rollcall.Token{fresh, raised}[i]; n.accepts(old[i]) || !n.accepts(now) {
				t.Errorf("%s: the ended session's token is accepted: %v, the new one's: %v", what, n.accepts(old[i]), n.accepts(now))
			}
		}
	})
}

func TestAZeroDerivationKeyIsRefused(t *testing.T) {
	zero := []rollcall.DerivationKey{{1}, {}}
	if _, err := sessions.New(memory.New(), sessions.Options{DerivationKeys: zero}); err == nil {
		t.Error("New takes a zero key")
	}
	n := newNode(t)
	if n.SetDerivationKeys(zero...) == nil {
		t.Error("SetDerivationKeys takes a zero key")
	}
	n.must(n.SetDerivationKeys())
	_, _, err := n.Create(context.Background(), shop, keyed("login"))
	wantCode(t, err, rollcall.CodeInvalid)
}
