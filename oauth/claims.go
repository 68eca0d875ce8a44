package oauth

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// maxToken bounds a token's text, in bytes.
	maxToken = 16 << 10
	// clockSkew is how far ahead of ours the clock of somebody who has just made a
	// token may be. An end is an end.
	clockSkew = 30 * time.Second
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
	person
}

// issued are the claims of a token that we sign. Its audience is a plain text, as in
// published tokens, where the library would write a list of one; both are read.
type issued struct {
	claims
	Audience string `json:"aud"`
}

// person is what a token says when somebody has signed in for it.
type person struct {
	Nonce    json.RawMessage `json:"nonce,omitempty"`
	AtHash   json.RawMessage `json:"at_hash,omitempty"`
	CHash    json.RawMessage `json:"c_hash,omitempty"`
	AuthTime json.RawMessage `json:"auth_time,omitempty"`
	Methods  json.RawMessage `json:"amr,omitempty"`
	SID      json.RawMessage `json:"sid,omitempty"`
	Session  json.RawMessage `json:"session_state,omitempty"`
	Events   json.RawMessage `json:"events,omitempty"`
}

func (p person) isThere() bool {
	for _, claim := range []json.RawMessage{p.Nonce, p.AtHash, p.CHash, p.AuthTime, p.Methods, p.SID, p.Session, p.Events} {
		if len(claim) > 0 {
			return true
		}
	}
	return false
}

// isOfApplication reports whether a token of another issuer speaks for the
// application itself, and not for somebody who has signed in to it. Issuers say so in
// ways of their own; a subject that is another one than the application is a person.
func (c *claims) isOfApplication(id string) bool {
	switch {
	case c.isThere() || c.Grant != "" && c.Grant != grantClient && c.Grant != "client_credentials":
		return false
	case c.Grant != "" || c.Type == "app" || c.Username == "service-account-"+id:
		return true
	}
	return c.Subject == "" || c.Subject == id || c.Subject == id+"@clients"
}

// words are a text of words, as RFC 8693 has scopes, or a list, as some have them.
type words []string

// UnmarshalJSON reads both forms.
func (w *words) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*w = strings.Fields(text)
		return nil
	}
	var list []string
	if json.Unmarshal(data, &list) != nil {
		return errors.New("neither a text nor a list of texts")
	}
	*w = list
	return nil
}

// MarshalJSON writes the text.
func (w words) MarshalJSON() ([]byte, error) { return json.Marshal(strings.Join(w, " ")) }

// parser reads and verifies tokens; what they claim is the caller's to check.
var parser = jwt.NewParser(jwt.WithValidMethods(Algorithms()), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())

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

// keyID returns a token's kid. A token with a critical extension has none: nothing
// here understands any (RFC 7515 4.1.11). `jwk`, `jku` and `x5u` are not looked at.
func keyID(t *jwt.Token) (string, bool) {
	if _, critical := t.Header["crit"]; critical {
		return "", false
	}
	kid, ok := t.Header["kid"].(string)
	return kid, ok && kid != "" && len(kid) <= maxKeyID
}
