package wire_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// set is a cookie as a browser reads it.
func set(t *testing.T, c wire.Cookie, s rollcall.Session, token rollcall.Token) *http.Cookie {
	t.Helper()
	cookie, err := http.ParseSetCookie(c.Set(s, token))
	if err != nil {
		t.Fatal(err)
	}
	return cookie
}

// Browsers drop a cookie whose name and value are longer than 4096 bytes together
// (RFC 6265bis 5.6), and cut an age at 400 days.
func TestTheLargestCookieIsWithinWhatBrowsersKeep(t *testing.T) {
	token := rollcall.Token{ID: strings.Repeat("x", 50)}
	for i := range token.Secret {
		token.Secret[i] = 0xff
	}
	for _, domain := range []string{"", "sessions.example.com"} {
		cookie := set(t, wire.NewCookie(domain), rollcall.Session{CookieMode: rollcall.Persistent}, token)
		if n := len(cookie.Name) + len(cookie.Value); n > 4096 || n < 100 {
			t.Errorf("%q: %d bytes of name and value", domain, n)
		}
		if cookie.Value != token.Reveal() || rollcall.CheckSessionID(token.ID) != nil || rollcall.CheckSessionID(token.ID+"x") == nil {
			t.Errorf("%q: %q is not the longest token", domain, cookie.Value)
		}
	}
}

func TestACookieLastsAsLongAsItsSessionAndAtMost400Days(t *testing.T) {
	const day = 24 * time.Hour
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ lifetime, want time.Duration }{
		{time.Minute, time.Minute},
		{rollcall.MaxLifetime, rollcall.MaxLifetime},
		{400 * day, 400 * day},
		{400*day + time.Second, 400 * day},
		{4000 * day, 400 * day},
	} {
		s := rollcall.Session{CookieMode: rollcall.Persistent, RenewedAt: at, ExpiresAt: at.Add(tt.lifetime)}
		if cookie := set(t, wire.NewCookie(""), s, rollcall.Token{}); time.Duration(cookie.MaxAge)*time.Second != tt.want || !cookie.Expires.IsZero() {
			t.Errorf("%v: Max-Age %d, Expires %v", tt.lifetime, cookie.MaxAge, cookie.Expires)
		}
		s.CookieMode = rollcall.NonPersistent
		if text := wire.NewCookie("").Set(s, rollcall.Token{}); strings.Contains(text, "Max-Age") || strings.Contains(text, "Expires") {
			t.Errorf("non-persistent: %s", text)
		}
	}
}
