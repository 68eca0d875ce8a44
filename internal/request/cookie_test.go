package request

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheCookieIsAsTheOptionsSay(t *testing.T) {
	for _, c := range []struct {
		o     CookieOptions
		set   string
		clear []string
	}{
		{CookieOptions{}, "__Host-rollcall=v; Path=/; HttpOnly; Secure; SameSite=Lax", []string{
			"__Host-rollcall=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
		}},
		{CookieOptions{Name: "staging", Domain: "example.com", SameSite: http.SameSiteStrictMode}, "__Secure-staging=v; Path=/; Domain=example.com; HttpOnly; Secure; SameSite=Strict", []string{
			"__Secure-staging=; Path=/; Domain=example.com; Max-Age=0; HttpOnly; Secure; SameSite=Strict",
		}},
		{CookieOptions{SameSite: http.SameSiteNoneMode}, "__Host-rollcall=v; Path=/; HttpOnly; Secure; SameSite=None; Partitioned", []string{
			"__Host-rollcall=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=None; Partitioned",
			"__Host-rollcall=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=None",
		}},
		{CookieOptions{Domain: "app.example.com", ClearedDomains: []string{"example.com", "old.example.com"}}, "__Secure-rollcall=v; Path=/; Domain=app.example.com; HttpOnly; Secure; SameSite=Lax", []string{
			"__Secure-rollcall=; Path=/; Domain=app.example.com; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
			"__Secure-rollcall=; Path=/; Domain=example.com; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
			"__Secure-rollcall=; Path=/; Domain=old.example.com; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
		}},
		{CookieOptions{ClearedDomains: []string{"example.com"}}, "__Host-rollcall=v; Path=/; HttpOnly; Secure; SameSite=Lax", []string{
			"__Host-rollcall=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
			"__Secure-rollcall=; Path=/; Domain=example.com; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
		}},
	} {
		cookie := c.o.Cookie()
		if diff := cmp.Diff(c.set, cookie.With("v").String()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(c.clear, cookie.Clear()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestThePrefixOfTheCookiesNameIsOurs(t *testing.T) {
	for name, good := range map[string]bool{
		"rollcall": true, "rollcall-staging": true, "a": true, strings.Repeat("a", 64): true,
		"": false, strings.Repeat("a", 65): false, "a b": false, "a=b": false, "a;b": false, "é": false, "a\t": false, `a"`: false,
		"__Host-a": false, "__host-a": false, "__SECURE-a": false, "_a": true,
	} {
		if err := CheckCookieName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}
