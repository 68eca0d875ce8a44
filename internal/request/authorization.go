package request

import (
	"errors"
	"net/http"
	"strings"
)

// Why Bearer returns no token. None of them is said to be a fault of the token itself.
var (
	ErrNone    = errors.New("no Authorization header, an empty one, or a scheme other than Bearer")
	ErrSeveral = errors.New("more than one Authorization header")
	ErrForm    = errors.New("an Authorization header that has not exactly two words")
)

// Bearer returns the bearer token of a request, or ErrNone, ErrSeveral or ErrForm. A header
// has its two words before its scheme is looked at (docs/published-api.md P62).
func Bearer(h http.Header) (token string, err error) {
	values := h["Authorization"]
	switch {
	case len(values) == 0 || len(values) == 1 && trim(values[0]) == "":
		return "", ErrNone
	case len(values) > 1:
		return "", ErrSeveral
	}
	scheme, credentials := words(values[0])
	switch {
	case credentials == "" || strings.ContainsAny(credentials, space):
		return "", ErrForm
	case !strings.EqualFold(scheme, "Bearer"):
		return "", ErrNone
	}
	return credentials, nil
}

// space is what parts the words of a header, and what is trimmed of a header's value (RFC
// 9110 5.6.3). Nothing else of Unicode is white space there.
const space = " \t"

func trim(value string) string { return strings.Trim(value, space) }

// words returns the first word of a header's value and what follows the space behind it,
// however much space there is (RFC 6750 2.1: 1*SP).
func words(value string) (first, rest string) {
	value = trim(value)
	if i := strings.IndexAny(value, space); i >= 0 {
		return value[:i], trim(value[i:])
	}
	return value, ""
}
