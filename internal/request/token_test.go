package request

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http/httpguts"
)

const (
	hostCookie   = "__Host-c"
	sharedCookie = "__Secure-c"
)

// only is the token that counts when those that end in _live are live.
func only(cookie string, h http.Header) (token string, fromCookie bool, err error) {
	t := FindTokens(h, "p_", cookie)
	token, err = t.Only(func(token string) (bool, error) { return strings.HasSuffix(token, "_live"), nil })
	return token, t.FromCookie, err
}

func TestATokenOfOneHostIsFoundOnceOrNotAtAll(t *testing.T) {
	for _, c := range []struct {
		authorization, cookies []string
		token                  string
		fromCookie             bool
		err                    error
	}{
		{nil, nil, "", true, ErrNoToken},
		{[]string{"Bearer p_1"}, nil, "p_1", false, nil},
		{[]string{"bearer p_1"}, []string{"__Host-c=p_2"}, "p_1", false, nil},
		{[]string{"Bearer  p_1"}, []string{"__Host-c=p_2"}, "p_1", false, nil},
		{[]string{"Bearer p_1 p_2"}, []string{"__Host-c=p_3"}, "p_1 p_2", false, nil},
		{[]string{"Bearer p_1", "Bearer p_2"}, []string{"__Host-c=p_3"}, "", false, ErrNoToken},
		{[]string{"Bearer p_1", "Bearer other", "Basic p_2"}, nil, "p_1", false, nil},
		{[]string{"Bearer other"}, []string{"__Host-c=p_2"}, "p_2", true, nil},
		{[]string{"Bearer"}, []string{"a=b; __Host-c=p_2;d=e"}, "p_2", true, nil},
		{nil, []string{"x__Host-c=p_2; __host-c=p_3; __Host-C=p_4"}, "", true, ErrNoToken},
		{nil, []string{"__Host-c=p_1_live; __Host-c=p_2"}, "", true, ErrSeveralCookies},
		{nil, []string{"__Host-c=p_1_live", "__Host-c=p_1_live"}, "", true, ErrSeveralCookies},
		{nil, []string{`__Host-c=p_1; __Host-c="broken value`}, "", true, ErrSeveralCookies},
		{nil, []string{`__Host-c="p_1"`}, "p_1", true, nil},
		{nil, []string{"__Host-c\t =p_1\t"}, "p_1", true, nil},
		{nil, []string{"__Host-c"}, "", true, nil},
		{nil, []string{sharedCookie + "=p_1"}, "", true, ErrNoToken},
	} {
		token, fromCookie, err := only(hostCookie, http.Header{"Authorization": c.authorization, "Cookie": c.cookies})
		if token != c.token || fromCookie != c.fromCookie || !errors.Is(err, c.err) {
			t.Errorf("%q %q: %q, from the cookie: %t, %v", c.authorization, c.cookies, token, fromCookie, err)
		}
	}
}

func TestOfUpToFourCookiesThatADomainSharesTheOnlyLiveOneCounts(t *testing.T) {
	for _, c := range []struct {
		cookies []string
		token   string
		err     error
	}{
		{[]string{"1"}, "1", nil}, // for the check itself to refuse
		{[]string{"1_live"}, "1_live", nil},
		{[]string{"1", "2_live"}, "2_live", nil},
		{[]string{"1", "2", "3", "4_live"}, "4_live", nil},
		{[]string{"1_live", "2", "3", "4"}, "1_live", nil},
		{[]string{"1_live", "1_live"}, "1_live", nil},
		{[]string{"1", "2", "1", "2", "1", "3_live"}, "3_live", nil},
		{[]string{"1", "2"}, "", ErrNoToken},
		{[]string{"1_live", "2_live"}, "", ErrSeveralCookies},
		{[]string{"1", "2", "3", "4", "5_live"}, "", ErrSeveralCookies},
	} {
		var headers []string
		for _, token := range c.cookies {
			headers = append(headers, "a=b; "+sharedCookie+"=p_"+token+"; "+sharedCookie+"=another software's")
		}
		want := c.token
		if want != "" {
			want = "p_" + want
		}
		for _, lines := range [][]string{headers, {strings.Join(headers, ";")}} {
			if token, _, err := only(sharedCookie, http.Header{"Cookie": lines}); token != want || !errors.Is(err, c.err) {
				t.Errorf("%q: %q, %v", lines, token, err)
			}
		}
	}
	broken := errors.New("no answer")
	tokens := FindTokens(http.Header{"Cookie": {"__Secure-c=p_1; __Secure-c=p_2"}}, "p_", sharedCookie)
	if token, err := tokens.Only(func(string) (bool, error) { return true, broken }); token != "" || !errors.Is(err, broken) {
		t.Errorf("when nobody can say what is live: %q, %v", token, err)
	}
}

// Browsers keep a prefix's promise for the very name alone: whoever has a sibling host can
// set a cookie of any name that only looks alike.
func TestANameThatLooksLikeTheCookiesIsAnotherName(t *testing.T) {
	names := []string{"__host-c", "__HOST-c", "__Host-C", "_\u200b_Host-c", "__Host\u2010c", "__Host-c\x00", "__Ho\u017ft-c"}
	for _, space := range []string{"\u2000", "\u00a0", "\u0085", "\u2028", "\u3000", "\ufeff", "\xa0", "\x85", "\v", "\f", "\x1c", "\x1f", "\"", "+", "%20"} {
		names = append(names, space+hostCookie, hostCookie+space, space+" "+hostCookie, " "+space+hostCookie)
	}
	for _, name := range names {
		for _, cookie := range []string{hostCookie, sharedCookie} {
			planted := strings.ReplaceAll(name, hostCookie, cookie) + "=p_planted_live"
			if token, _, err := only(cookie, http.Header{"Cookie": {planted}}); !errors.Is(err, ErrNoToken) {
				t.Errorf("%q: %q, %v", planted, token, err)
			}
			for _, both := range []string{planted + "; " + cookie + "=p_own", cookie + "=p_own;" + planted} {
				if token, _, err := only(cookie, http.Header{"Cookie": {both}}); token != "p_own" || err != nil {
					t.Errorf("%q: %q, %v", both, token, err)
				}
			}
		}
	}
}

// What net/http reads, the gate must read as well, and the other way round: an application
// and the gate must not take different people for the one who asks.
func FuzzTheCookieIsReadAsNetHTTPReadsIt(f *testing.F) {
	for _, seed := range []string{
		"a=b; __Host-c=x", "__Host-c=x;__Host-c=x", " __Host-c =x", "\t__Host-c=x", "__Host-c", `__Host-c="x=y"`, `__Host-c=""`, `__Host-c="x`, "__Host-c= x",
		"\u2000__Host-c=x", "\u00a0__Host-c=x; __Host-c=y", "__Host-c\x80=x", "__Host-c=\x80", "__host-c=x", "=__Host-c=x", ";;__Host-c=x,y", "__Host-c=x\\",
	} {
		f.Add(seed, "")
		f.Add("__Host-c=mine", seed)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		if !httpguts.ValidHeaderFieldValue(one) || !httpguts.ValidHeaderFieldValue(two) || strings.Count(one+two, ";") > 2900 {
			return // no such header arrives, or net/http reads none of so many
		}
		r := &http.Request{Header: http.Header{"Cookie": {one, two}}}
		var theirs []string
		for _, c := range r.CookiesNamed(hostCookie) {
			theirs = append(theirs, c.Value)
		}
		tokens := FindTokens(r.Header, "", hostCookie)
		ours := tokens.All()
		if len(theirs) > tokens.n {
			t.Fatalf("%q %q: %d here, %d in net/http", one, two, tokens.n, len(theirs))
		}
		// What net/http leaves out has bytes that no token has: one more here, and so refused.
		ours = slices.DeleteFunc(slices.Clone(ours), func(value string) bool {
			return strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == ';' || c == '\\' })
		})
		if tokens.n <= MaxTokens && cmp.Diff(theirs, ours) != "" && len(theirs)+len(ours) > 0 {
			t.Errorf("%q %q: %q here, %q in net/http", one, two, ours, theirs)
		}
		// Whatever else stands there, one more is found, and is one too many beside another.
		r.Header["Cookie"] = append(r.Header["Cookie"], hostCookie+"=mine")
		again := FindTokens(r.Header, "", hostCookie)
		if again.n != tokens.n+1 {
			t.Errorf("%q %q: %d, with one more %d", one, two, tokens.n, again.n)
		}
	})
}

func TestFindingATokenMakesNothing(t *testing.T) {
	header := http.Header{"Cookie": {"a=b; __Host-c=p_1; d=e"}, "Authorization": {"Basic dTpw"}}
	live := func(string) (bool, error) { return true, nil }
	find := func() {
		tokens := FindTokens(header, "p_", hostCookie)
		if token, err := tokens.Only(live); token != "p_1" || err != nil {
			t.Errorf("%q %v", token, err)
		}
	}
	if n := testing.AllocsPerRun(100, find); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
