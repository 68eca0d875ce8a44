package request

import (
	"errors"
	"net/http"
	"slices"
	"strings"
)

// MaxTokens is how many different tokens in cookies of one name are looked at. A request
// with more has none that counts.
const MaxTokens = 4

// What Only answers when no token counts.
var (
	// ErrNoToken: the request carries no session token, several bearer tokens, or several
	// cookies of which none is live.
	ErrNoToken = errors.New("the request carries no session token")
	// ErrSeveralCookies: nobody can tell which cookie is the browser's own.
	ErrSeveralCookies = errors.New("the request carries several session cookies, and nobody can tell which is the browser's own")
)

// Tokens are the session tokens that a request carries, all in one place: the
// Authorization header, or the cookie.
type Tokens struct {
	// FromCookie is false for bearer tokens.
	FromCookie bool

	first  [MaxTokens]string
	n      int  // of all, also those for which first has no room
	shared bool // the cookie's name allows a domain, so each sub-domain may set one
}

// FindTokens finds a request's session tokens. Bearer tokens with the prefix win; any other
// is for the application behind the proxy. Without one, the tokens are the values of the
// cookie.
//
// A cookie's name is what stands before "=", without SP and HTAB around it, byte for byte.
// Other white space and other capitals make another name: browsers hold no such name to what
// the prefix of ours promises.
//
// Of a cookie that a domain shares, only different values with the prefix count.
func FindTokens(h http.Header, prefix, cookie string) (t Tokens) {
	for _, value := range h["Authorization"] {
		scheme, credentials := words(value)
		if strings.EqualFold(scheme, "Bearer") && strings.HasPrefix(credentials, prefix) { // no letter of Bearer folds with one outside ASCII
			t.add(credentials)
		}
	}
	if t.n > 0 {
		return t
	}
	t.FromCookie, t.shared = true, strings.HasPrefix(cookie, securePrefix)
	for _, line := range h["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			name, value, _ := strings.Cut(part, "=")
			if strings.Trim(name, space) != cookie {
				continue
			}
			value = unquoted(strings.TrimRight(value, space))
			if !t.shared || strings.HasPrefix(value, prefix) && !slices.Contains(t.All(), value) {
				t.add(value)
			}
		}
	}
	return t
}

// unquoted is a cookie's value without the quotes around it, which are not part of it
// (RFC 6265 4.1.1).
func unquoted(value string) string {
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}

func (t *Tokens) add(token string) {
	if t.n < MaxTokens {
		t.first[t.n] = token
	}
	t.n++
}

// All are the tokens in their order, the first MaxTokens of them.
func (t *Tokens) All() []string { return t.first[:min(t.n, MaxTokens)] }

// Only returns the token that counts:
//
//   - the only one that there is; live is not asked
//   - of 2 to MaxTokens cookies that a domain shares, the only one that is live
//
// Errors: ErrNoToken, ErrSeveralCookies, and that of live.
func (t *Tokens) Only(live func(token string) (bool, error)) (string, error) {
	switch {
	case t.n == 1:
		return t.first[0], nil
	case t.n == 0 || !t.FromCookie:
		return "", ErrNoToken
	case t.n > MaxTokens || !t.shared:
		return "", ErrSeveralCookies
	}
	only := ""
	for _, token := range t.All() {
		good, err := live(token)
		switch {
		case err != nil:
			return "", err
		case good && only != "":
			return "", ErrSeveralCookies
		case good:
			only = token
		}
	}
	if only == "" {
		return "", ErrNoToken
	}
	return only, nil
}
