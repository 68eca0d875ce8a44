package sessions_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
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
			n := newNode(t, withMemory(size), func(o *sessions.Options) { o.DerivationKey = rollcall.DerivationKey{byte(i + 1)} })
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
