package rollcalltest_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/client"
	"github.com/rollcall-id/rollcall/rollcalltest"
)

func signIn(t *testing.T, srv *rollcalltest.Server) client.SignedIn {
	t.Helper()
	s, err := srv.Client.Create(t.Context(), client.NewSession{UserID: "ada", Methods: []client.Method{{Name: "pwd"}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAServerEndsWithItsTestAndLeavesNothingRunning(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("a test", func(t *testing.T) {
		srv := rollcalltest.New(t)
		signIn(t, srv)
		answer, err := srv.HTTPClient().Get(srv.URL + "/readyz")
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%v %v", answer, err)
		}
		_ = answer.Body.Close()
	})
	goleak.VerifyNone(t, before)
}

func TestTheClockMovesSessionsAndManagementTokens(t *testing.T) {
	srv := rollcalltest.Start(t, rollcalltest.Options{Policy: rollcall.Policy{
		Persistent:    rollcall.Lifetimes{Absolute: 100 * time.Hour, Idle: time.Hour},
		NonPersistent: rollcall.Lifetimes{Absolute: time.Hour, Idle: time.Hour},
		AtLimit:       rollcall.Deny,
	}})
	s := signIn(t, srv)
	srv.Advance(59 * time.Minute)
	if _, err := srv.Client.Check(t.Context(), s.Token.Reveal(), rollcall.Use{}); err != nil {
		t.Fatalf("a session within its idle limit: %v", err)
	}
	srv.Advance(61 * time.Minute)
	if _, err := srv.Client.Check(t.Context(), s.Token.Reveal(), rollcall.Use{}); !errors.Is(err, client.ErrRefused) {
		t.Fatalf("a session past its idle limit: %v", err)
	}
	srv.Advance(25 * time.Hour)
	if _, err := srv.Client.Get(t.Context(), s.Session.ID); !errors.Is(err, client.ErrNotFound) {
		t.Fatalf("with a management token that is over at the server: %v", err)
	}
}

func TestStopIsAnOutage(t *testing.T) {
	srv := rollcalltest.New(t)
	s := signIn(t, srv)
	srv.Stop(t)
	if _, err := srv.Client.Check(t.Context(), s.Token.Reveal(), rollcall.Use{}); !errors.Is(err, client.ErrUnavailable) {
		t.Fatalf("%v", err)
	}
}
