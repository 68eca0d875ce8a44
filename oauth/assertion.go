package oauth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// maxAssertionAge is how far ahead an assertion's end may lie.
	maxAssertionAge = 5 * time.Minute
	// maxAssertionID bounds a jti, in bytes, maxAssertions how many of a client are
	// remembered.
	maxAssertionID = 256
	maxAssertions  = 10_000
)

// checkAssertion reports why a client's assertion (RFC 7523 3) does not prove who
// it is, if so. One that does is accepted this once. The cost is bounded: up to
// maxClientKeys signatures of up to maxToken bytes, none before the claims are good.
func (i *Issuer) checkAssertion(client *Client, t *signedJWT, now time.Time) error {
	if client == nil {
		return errors.New("there is no such client")
	}
	// Another type says that the JWT was made for something else (RFC 8725 3.11).
	if !t.isTyped("", "jwt", "client-authentication+jwt") {
		return errors.New("typ is that of another JWT than an assertion")
	}
	c := &t.claims
	if c.Issuer != client.ID || c.Subject != client.ID {
		return errors.New("iss and sub are not the client's id")
	}
	if len(c.Audience) != 1 || !slices.ContainsFunc(i.urls, func(u string) bool {
		return c.Audience[0] == u+"/" || c.Audience[0] == u+tokenPath
	}) {
		return errors.New("aud is neither the public URL with a slash nor its token endpoint")
	}
	if err := c.hold(now, clockSkew); err != nil {
		return err
	}
	switch {
	case c.ExpiresAt.After(now.Add(maxAssertionAge)):
		return fmt.Errorf("exp is more than %s ahead", maxAssertionAge)
	case c.IssuedAt != nil && c.IssuedAt.After(now.Add(clockSkew)):
		return jwt.ErrTokenUsedBeforeIssued
	case c.ID == "" || len(c.ID) > maxAssertionID:
		return fmt.Errorf("jti has 1 to %d bytes", maxAssertionID)
	}
	if err := client.Keys.verify(t); err != nil {
		return err
	}
	return i.used.use(client.ID, c.ID, c.ExpiresAt.Time, now)
}

// assertions remembers which ones have been used until they end. A reload does not
// forget them; a start does.
type assertions struct {
	mu   sync.Mutex
	used map[string]map[[sha256.Size]byte]time.Time // by client, then by the hash of the jti
}

func newAssertions() *assertions {
	return &assertions{used: map[string]map[[sha256.Size]byte]time.Time{}}
}

// use notes the use of an assertion, once. A client that has too many under way is
// refused: forgetting one would let it be used again.
func (a *assertions) use(client, id string, until, now time.Time) error {
	sum := sha256.Sum256([]byte(id))
	a.mu.Lock()
	defer a.mu.Unlock()
	used := a.used[client]
	if used == nil {
		used = map[[sha256.Size]byte]time.Time{}
		a.used[client] = used
	}
	if _, again := used[sum]; again {
		return errors.New("the assertion has been used before")
	}
	if len(used) >= maxAssertions {
		for other, end := range used {
			if !now.Before(end) {
				delete(used, other)
			}
		}
	}
	if len(used) >= maxAssertions {
		return fmt.Errorf("the client has used %d assertions that have not ended", maxAssertions)
	}
	used[sum] = until
	return nil
}
