package oauth

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/outbound"
)

// Bounds, in bytes: on names of issuers and audiences, on the caller ids and the
// token ids that other issuers give.
const (
	maxName     = 512
	maxCallerID = 256
	maxTokenID  = 256
)

// A TrustedIssuer is somebody else whose tokens may call the Management API and
// ours. What it may grant has no default.
type TrustedIssuer struct {
	// Issuer and Audience are the exact `iss` and `aud` of its tokens.
	Issuer, Audience string
	// Its keys come from JWKSURL, or from the file JWKSFile; one of the two.
	JWKSURL, JWKSFile string
	// AllowInternal lets JWKSURL lead to internal addresses, and be plain http on
	// loopback.
	AllowInternal bool
	// Scopes are the most that its tokens can have.
	Scopes []string
	// Algorithms are those of Algorithms that it may sign with; none stands for all.
	Algorithms []string
}

// Check reports what is wrong with the declaration, if anything. It reads no file
// and asks nobody.
func (t TrustedIssuer) Check() error {
	if err := checkName("issuer", t.Issuer); err != nil {
		return err
	}
	fail := func(format string, args ...any) error {
		return fmt.Errorf("issuer %s: %s", t.Issuer, fmt.Sprintf(format, args...))
	}
	if err := checkName("audience", t.Audience); err != nil {
		return fail("%s", err)
	}
	if (t.JWKSURL == "") == (t.JWKSFile == "") {
		return fail("it needs a jwks_url or a jwks_file, one of the two")
	}
	if t.JWKSURL != "" {
		if err := outbound.CheckURL(t.JWKSURL, t.AllowInternal); err != nil {
			return fail("jwks_url: %s", err)
		}
	}
	if len(t.Scopes) == 0 {
		return fail("it has no scopes: name what its tokens may be granted")
	}
	for _, scope := range t.Scopes {
		if !slices.Contains(rollcall.Scopes(), scope) {
			return fail("there is no scope %q; there are %v", rollcall.Echo(scope), rollcall.Scopes())
		}
	}
	for _, alg := range t.Algorithms {
		if err := checkAlgorithm(alg); err != nil {
			return fail("%s", err)
		}
	}
	return nil
}

// checkName keeps "@" out of names: it stands between a caller's id and its issuer.
func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("an issuer has an %s", what)
	case len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == '@' }):
		return fmt.Errorf("%s %q: it has up to %d bytes, no spaces and no @", what, rollcall.Echo(name), maxName)
	}
	return nil
}

// A keySource finds the keys of an issuer.
type keySource interface {
	// named returns the key of an id for an algorithm, nil when there is none.
	named(ctx context.Context, id, alg string) crypto.PublicKey
}

// trusted is an issuer with its keys.
type trusted struct {
	TrustedIssuer
	keys keySource
}

// mayUse reports whether the issuer may have made a token with such a header. Other
// types than these are for other purposes (RFC 8725 3.11), all of ours among them.
func (t *trusted) mayUse(token *signedJWT) bool {
	return token.isTyped("", "jwt", "at+jwt") && (len(t.Algorithms) == 0 || slices.Contains(t.Algorithms, token.alg))
}

// caller is who a token of the issuer speaks for. The id ends in @ and the issuer,
// so nobody is taken for a client of ours, or of another issuer. A token for which
// somebody has signed in is no application's.
func (t *trusted) caller(c *claims) (rollcall.Caller, bool) {
	id := cmp.Or(c.AuthorizedParty, c.ClientID, c.Subject)
	switch {
	case !slices.Contains(c.Audience, t.Audience) || !c.isOfApplication(id):
		return rollcall.Caller{}, false
	case id == "" || len(id) > maxCallerID || strings.ContainsFunc(id, unicode.IsControl) || len(c.ID) > maxTokenID:
		return rollcall.Caller{}, false
	}
	scopes := c.Scope
	if len(scopes) == 0 {
		scopes = c.Scp
	}
	return rollcall.Caller{ID: id + "@" + t.Issuer, TokenID: c.ID, Scopes: intersect(t.Scopes, scopes)}, true
}

// fileKeys are keys that change at a reload only.
type fileKeys keySet

func (f fileKeys) named(_ context.Context, id, alg string) crypto.PublicKey {
	return keySet(f).named(id, alg)
}

// readKeySetFile reads the file of an issuer's keys.
func readKeySetFile(path string) (keySet, []error, error) {
	data, err := readBounded(path, maxKeySet)
	if err != nil {
		return nil, nil, err
	}
	keys, skipped, err := parseKeySet(data)
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return keys, skipped, nil
}

func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, err
}

// oneLine spells errors for a log.
func oneLine(errs []error) string {
	return strings.ReplaceAll(errors.Join(errs...).Error(), "\n", "; ")
}
