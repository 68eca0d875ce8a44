package sessions_test

import (
	"context"
	"testing"

	"github.com/rollcall-id/rollcall"
)

func TestAuthenticationEndsTheOldSecretAtOnce(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		s, old := n.create(signIn(aUser))
		_, _, err := n.Authenticate(context.Background(), shop, s.ID, rollcall.Authentication{UserID: "auth0|2", Methods: []rollcall.Method{{Name: "mfa"}}})
		wantCode(t, err, rollcall.CodeInvalid)
		_, fresh, err := n.Authenticate(context.Background(), shop, s.ID, rollcall.Authentication{UserID: aUser, Methods: []rollcall.Method{{Name: "mfa"}}})
		n.must(err)
		if n.accepts(old) || !n.accepts(fresh) {
			t.Error("the old secret is accepted, or the new one is not")
		}
	})
}
