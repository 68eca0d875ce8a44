package request_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/rollcall-id/rollcall/internal/request"
)

func TestAnAuthorizationHeaderHasTwoWordsBeforeItsSchemeIsLookedAt(t *testing.T) {
	for _, tt := range []struct {
		values []string
		token  string
		err    error
	}{
		{nil, "", request.ErrNone},
		{[]string{""}, "", request.ErrNone},
		{[]string{" \t"}, "", request.ErrNone},
		{[]string{"Basic eDp5"}, "", request.ErrNone},
		{[]string{"Bearer a", "Bearer b"}, "", request.ErrSeveral},
		{[]string{"a.b.c"}, "", request.ErrForm},
		{[]string{"Bearer"}, "", request.ErrForm},
		{[]string{"Bearer "}, "", request.ErrForm},
		{[]string{"Bearer a b"}, "", request.ErrForm},
		{[]string{"Bearer Bearer a.b.c"}, "", request.ErrForm},
		{[]string{"Digest a=b, c=d"}, "", request.ErrForm},
		{[]string{"Bearer a"}, "a", nil},
		{[]string{"bEARER a"}, "a", nil},
		{[]string{"Bearer  a"}, "a", nil},
		{[]string{"Bearer \t  a"}, "a", nil},
		{[]string{" Bearer a\t"}, "a", nil},
		// Other space of Unicode is part of a word: there is one reading.
		{[]string{"Bearer\u00a0a"}, "", request.ErrForm},
		{[]string{"Bearer \u2000a"}, "\u2000a", nil},
	} {
		token, err := request.Bearer(http.Header{"Authorization": tt.values})
		if token != tt.token || !errors.Is(err, tt.err) {
			t.Errorf("%q: %q, %v, want %q, %v", tt.values, token, err, tt.token, tt.err)
		}
	}
}
