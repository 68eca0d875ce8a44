package server_test

import (
	"context"
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/gate"
)

func TestEnvoyIsAnsweredAtEveryPathUnderItsPrefix(t *testing.T) {
	r := start(t)
	_, token, err := r.manager.Create(context.Background(), rollcall.Caller{}, rollcall.NewSession{UserID: "u"})
	r.must(err)
	bearer := []string{"Authorization", "Bearer " + token.Reveal()}
	for _, path := range []string{"/", "/a/b?acr=aal3&secret=x", "/v1/sessions", "/a%2Fb", "/healthz"} {
		if status, header, body := r.do("POST", r.plain+gate.EnvoyPrefix+path, "", bearer...); status != 200 || header.Get(gate.HeaderUser) != "u" || body != "" {
			t.Errorf("%s: %d %s", path, status, body)
		}
		if status, header, _ := r.do("GET", r.plain+gate.EnvoyPrefix+path, ""); status != 401 || len(header[gate.HeaderUser]) != 1 {
			t.Errorf("%s, not signed in: %d", path, status)
		}
	}
	if status, _, _ := r.do("GET", r.plain+gate.EnvoyPrefix, "", bearer...); status != 404 {
		t.Errorf("the prefix alone: %d", status)
	}
	if r.log.Has("secret") {
		t.Error("the application's query is logged")
	}
}
