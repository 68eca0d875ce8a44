package request

import (
	"net/http"
	"strings"
	"testing"
)

func TestATokenIsFoundOnceOrNotAtAll(t *testing.T) {
	for _, c := range []struct {
		authorization, cookies []string
		token                  string
		fromCookie, ok         bool
	}{
		{nil, nil, "", true, false},
		{[]string{"Bearer p_1"}, nil, "p_1", false, true},
		{[]string{"bearer p_1"}, []string{"c=p_2"}, "p_1", false, true},
		{[]string{"Bearer p_1", "Bearer p_2"}, []string{"c=p_3"}, "", false, false},
		{[]string{"Bearer p_1", "Bearer other", "Basic p_2"}, nil, "p_1", false, true},
		{[]string{"Bearer other"}, []string{"c=p_2"}, "p_2", true, true},
		{[]string{"Bearer"}, []string{"a=b; c=p_2;d=e"}, "p_2", true, true},
		{nil, []string{"cc=p_2; C=p_3"}, "", true, false},
		{nil, []string{"c=p_1; c=p_2"}, "", true, false},
		{nil, []string{"c=p_1", "c=p_1"}, "", true, false},
		{nil, []string{`c=p_1; c="broken value`}, "", true, false},
		{nil, []string{"c"}, "", true, true},
	} {
		h := http.Header{"Authorization": c.authorization, "Cookie": c.cookies}
		token, fromCookie, ok := Token(h, "p_", "c")
		if ok != c.ok || ok && (token != c.token || fromCookie != c.fromCookie) {
			t.Errorf("%q %q: %q, from the cookie: %t, %t", c.authorization, c.cookies, token, fromCookie, ok)
		}
	}
}

func FuzzCookieToken(f *testing.F) {
	const name = "__Host-rollcall="
	for _, seed := range []string{"a=b; __Host-rollcall=x", "__Host-rollcall=x;__Host-rollcall=x", " __Host-rollcall =x", "__Host-rollcall", `__Host-rollcall="x=y"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		token, _, ok := Token(http.Header{"Cookie": {header}}, "", name[:len(name)-1])
		if strings.Contains(token, ";") || ok && token != "" && !strings.Contains(header, name+token) {
			t.Errorf("%q gives %q", header, token)
		}
		// Whatever else stands there, one more is found, and is one too many beside another.
		again, _, only := Token(http.Header{"Cookie": {header + "; " + name + "mine"}}, "", name[:len(name)-1])
		if only && again != "mine" || ok && only {
			t.Errorf("%q beside another one gives %q", header, again)
		}
	})
}
