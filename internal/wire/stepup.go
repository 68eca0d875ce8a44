package wire

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/strictjson"
)

// RequirementParameters are what ReadRequirement reads, for ParseQuery.
var RequirementParameters = []string{"acr", "amr", "max_age"}

// ReadRequirement reads what a caller wants to know of the authentication: acr
// (levels, of which one is enough), amr (methods, all of them) and max_age (whole
// seconds), each separated by spaces. What cannot be read must not pass for
// nothing: the caller refuses.
func ReadRequirement(values url.Values) (rollcall.Requirement, error) {
	var r rollcall.Requirement
	for _, text := range values["acr"] {
		r.Levels = append(r.Levels, words(text)...)
	}
	for _, text := range values["amr"] {
		r.Methods = append(r.Methods, words(text)...)
	}
	if values.Has("acr") && len(r.Levels) == 0 || values.Has("amr") && len(r.Methods) == 0 || len(r.Levels)+len(r.Methods) > 32 {
		return r, errRequirement
	}
	for _, word := range append(r.Levels, r.Methods...) {
		if !isWord(word) {
			return r, errRequirement
		}
	}
	switch ages := values["max_age"]; len(ages) {
	case 0:
		return r, nil
	case 1:
		seconds, ok := strictjson.Integer(ages[0])
		if !ok || seconds < 0 || seconds > maxAge {
			return r, errRequirement
		}
		r.MaxAge, r.Aged = time.Duration(seconds)*time.Second, true
		return r, nil
	}
	return r, errRequirement
}

// words are those of a text, separated by spaces alone: other white space would part what
// who wrote the text takes for one word.
func words(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ' ' })
}

// maxAge is the largest max_age, in seconds.
const maxAge = 1<<31 - 1

var errRequirement = errors.New("acr and amr are words, max_age is a number of seconds")

// isWord reports whether a word can stand in a quoted part of a header.
func isWord(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return len(s) <= 255
}

const (
	insufficientError   = "insufficient_user_authentication"
	insufficientMessage = "A different authentication level is required"
)

// WriteInsufficient answers 401 with a challenge that names what is required (RFC
// 9470 3), when err is an Insufficient; otherwise it reports false.
func WriteInsufficient(w http.ResponseWriter, err error) bool {
	i, ok := errors.AsType[*rollcall.Insufficient](err)
	if !ok {
		return false
	}
	w.Header().Set("WWW-Authenticate", insufficient(i.Requirement))
	WriteError(w, http.StatusUnauthorized, insufficientMessage, insufficientError)
	return true
}

// insufficient is the challenge for a requirement that is not met.
func insufficient(r rollcall.Requirement) string {
	challenge := `Bearer error="` + insufficientError + `", error_description="` + insufficientMessage + `"`
	if len(r.Levels) > 0 {
		challenge += `, acr_values="` + strings.Join(r.Levels, " ") + `"`
	}
	if r.Aged {
		challenge += `, max_age="` + strconv.Itoa(int(r.MaxAge/time.Second)) + `"`
	}
	return challenge
}

// Challenge is what to put into WWW-Authenticate for a session token that is not good, or
// not good enough: one text for all that are not good (RFC 6750 3.1), and one that names
// what is required (RFC 9470 3). Of any other error it reports false.
func Challenge(err error) (challenge string, bad bool) {
	if i, ok := errors.AsType[*rollcall.Insufficient](err); ok {
		return insufficient(i.Requirement), true
	}
	return `Bearer error="invalid_token"`, rollcall.ErrorCode(err) == rollcall.CodeRefused
}
