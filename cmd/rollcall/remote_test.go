package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rollcall-id/rollcall/oauth"
)

func TestNoTokenGoesOutInTheClearOrWhereAServerSendsIt(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if _, err := oauth.OpenKeys(filepath.Join(data, "keys")); err != nil {
		t.Fatal(err)
	}
	var sent atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			sent.Add(1)
		}
	}))
	defer thief.Close()
	redirecting := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusTemporaryRedirect))
	defer redirecting.Close()
	for _, args := range [][]string{{"sessions", "list", "u"}, {"sessions", "show", "s"}, {"sessions", "revoke", "s"}, {"backup", filepath.Join(t.TempDir(), "x.tar")}} {
		args = append(args, "--data", data)
		if _, errs, code := run(t, append(args, "--url", redirecting.URL)...); code != exitFailed || !strings.Contains(errs, "307") || sent.Load() > 0 {
			t.Errorf("%v, redirected: exit %d %s, %d tokens sent on", args, code, errs, sent.Load())
		}
		if _, errs, code := run(t, append(args, "--url", "http://sessions.invalid")...); code != exitUsage || !strings.Contains(errs, "in the clear") {
			t.Errorf("%v, in the clear: exit %d %s", args, code, errs)
		}
		// The name is nobody's.
		if _, errs, code := run(t, append(args, "--url", "http://sessions.invalid", "--allow-http")...); code != exitFailed || !strings.Contains(errs, "asking the server") {
			t.Errorf("%v, in the clear on purpose: exit %d %s", args, code, errs)
		}
	}
	for origin, want := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://[::1]:8080": true, "http://localhost": true, "http://127.9.9.9": true, "https://sessions.example.com": true,
		"http://192.0.2.1": false, "http://localhost.example.com": false, "http://127.0.0.1.example.com": false, "http://": false, "ftp://a": false, "": false, "127.0.0.1:80": false,
	} {
		if got := keepsSecrets(origin); got != want {
			t.Errorf("%q keeps secrets: %v", origin, got)
		}
	}
}
