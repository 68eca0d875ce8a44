package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rollcall-id/rollcall/internal/strictjson"
)

const (
	// maxToken bounds a token's text, in bytes.
	maxToken = 16 << 10
	// clockSkew is how far ahead of ours the clock of somebody who has just made a
	// token may be. An end is an end.
	clockSkew = 30 * time.Second
	// maxNumericDate is the last second of the year 9999, in UNIX seconds: RFC 3339 and
	// most who read an instant know none behind it.
	maxNumericDate = 253402300799
)

// claims are those of a management token, ours or another issuer's.
type claims struct {
	jwt.RegisteredClaims
	AuthorizedParty string `json:"azp,omitempty"`
	Grant           string `json:"gty,omitempty"`
	Scope           words  `json:"scope,omitempty"`

	// What only other issuers say.
	ClientID string `json:"client_id,omitempty"`
	Scp      words  `json:"scp,omitempty"`
	Type     string `json:"idtyp,omitempty"`
	Username string `json:"preferred_username,omitempty"`
	// ofPerson is whether one of personClaims is there.
	ofPerson bool
}

// issued are the claims of a token that we sign. Its audience is a plain text, as in
// published tokens, where the library would write a list of one; both are read.
type issued struct {
	claims
	Audience string `json:"aud"`
}

// personClaims are what a token says when somebody has signed in for it.
var personClaims = []string{"nonce", "at_hash", "c_hash", "auth_time", "amr", "sid", "session_state", "events"}

// readClaims reads the claims that somebody else wrote, by their exact names. A claim that
// is null is as one that is not there, but for `cnf` and personClaims. Errors: a claim of
// another type than its own; a token that is bound to a key of its holder (`cnf`, RFC 7800
// 3.1), which is no bearer token and proves nothing without that key.
func readClaims(payload strictjson.Object) (c claims, err error) {
	if _, bound := payload.Get("cnf"); bound {
		return c, errors.New("cnf: the token is bound to a key of its holder")
	}
	c.ofPerson = slices.ContainsFunc(payload, func(m strictjson.Member) bool { return slices.Contains(personClaims, m.Name) })
	texts := map[string]*string{
		"iss": &c.Issuer, "sub": &c.Subject, "jti": &c.ID, "azp": &c.AuthorizedParty, "gty": &c.Grant,
		"client_id": &c.ClientID, "idtyp": &c.Type, "preferred_username": &c.Username,
	}
	dates := map[string]**jwt.NumericDate{"exp": &c.ExpiresAt, "nbf": &c.NotBefore, "iat": &c.IssuedAt}
	scopes := map[string]*words{"scope": &c.Scope, "scp": &c.Scp}
	for _, m := range payload {
		switch {
		case m.Value == nil:
		case texts[m.Name] != nil:
			*texts[m.Name], err = textOf(m.Value)
		case dates[m.Name] != nil:
			*dates[m.Name], err = numericDate(m.Value)
		case scopes[m.Name] != nil:
			*scopes[m.Name], err = wordsOf(m.Value)
		case m.Name == "aud":
			c.Audience, err = textsOf(m.Value)
		}
		if err != nil {
			return c, fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return c, nil
}

func textOf(value any) (string, error) {
	text, ok := value.(string)
	if !ok {
		return "", errors.New("not a text")
	}
	return text, nil
}

// textsOf reads a text, or a list of texts.
func textsOf(value any) ([]string, error) {
	if text, ok := value.(string); ok {
		return []string{text}, nil
	}
	return listOf(value)
}

func listOf(value any) ([]string, error) {
	list, ok := value.([]any)
	texts := make([]string, len(list))
	for i, item := range list {
		var isText bool
		texts[i], isText = item.(string)
		ok = ok && isText
	}
	if !ok {
		return nil, errors.New("not a list of texts")
	}
	return texts, nil
}

// numericDate reads seconds since 1970, with or without a fraction (RFC 7519 2), up to
// maxNumericDate. A quoted number is none.
func numericDate(value any) (*jwt.NumericDate, error) {
	number, ok := value.(json.Number)
	if !ok {
		return nil, errors.New("not a number")
	}
	seconds, err := strconv.ParseFloat(number.String(), 64)
	if err != nil || seconds < 0 || seconds > maxNumericDate {
		return nil, errors.New("not an instant between 1970 and 9999")
	}
	whole, fraction := math.Modf(seconds)
	return &jwt.NumericDate{Time: time.Unix(int64(whole), int64(fraction*1e9))}, nil
}

// isOfApplication reports whether a token of another issuer speaks for the
// application itself, and not for somebody who has signed in to it. Issuers say so in
// ways of their own; a subject that is another one than the application is a person.
func (c *claims) isOfApplication(id string) bool {
	switch {
	case c.ofPerson || c.Grant != "" && c.Grant != grantClient && c.Grant != "client_credentials":
		return false
	case c.Grant != "" || c.Type == "app" || c.Username == "service-account-"+id:
		return true
	}
	return c.Subject == "" || c.Subject == id || c.Subject == id+"@clients"
}

// words are written as a text of words (RFC 8693 4.2).
type words []string

// wordsOf reads a text of words, as RFC 8693 has scopes, or a list, as some issuers have.
func wordsOf(value any) (words, error) {
	if text, ok := value.(string); ok {
		return strings.Fields(text), nil
	}
	return listOf(value)
}

// MarshalJSON writes the text.
func (w words) MarshalJSON() ([]byte, error) { return json.Marshal(strings.Join(w, " ")) }

// hold reports whether a token holds now. One without an end never does.
func (c *claims) hold(now time.Time, skew time.Duration) error {
	switch {
	case c.ExpiresAt == nil:
		return jwt.ErrTokenRequiredClaimMissing
	case !now.Before(c.ExpiresAt.Time):
		return jwt.ErrTokenExpired
	case c.NotBefore != nil && now.Add(skew).Before(c.NotBefore.Time):
		return jwt.ErrTokenNotValidYet
	}
	return nil
}
