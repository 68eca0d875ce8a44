package oauth

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

const (
	otherIssuer   = "https://login.example.com/"
	otherAudience = "https://sessions.example.com/"
)

// trusting is a fixture whose issuer trusts another one, which has a key of each
// algorithm in a file.
type trusting struct {
	*fixture
	rsa, ec, ed signer
	claims      jwt.MapClaims
}

func newTrusting(t *testing.T, change func(*TrustedIssuer)) *trusting {
	t.Helper()
	f := &trusting{fixture: newFixture(t, "read:sessions"), rsa: newSigner(t, "RS256", "r"), ec: newSigner(t, "ES256", "e"), ed: newSigner(t, "EdDSA", "d")}
	path := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(path, []byte(keySetOf(t, f.rsa.jwk(), f.ec.jwk(), f.ed.jwk())), 0o600); err != nil {
		t.Fatal(err)
	}
	trust := TrustedIssuer{Issuer: otherIssuer, Audience: otherAudience, JWKSFile: path, Scopes: []string{"read:sessions", "delete:sessions"}}
	if change != nil {
		change(&trust)
	}
	if err := f.issuer.Reload(Callers{Issuers: []TrustedIssuer{trust}}); err != nil {
		t.Fatal(err)
	}
	f.claims = jwt.MapClaims{
		"iss": otherIssuer, "aud": otherAudience, "sub": "app", "azp": "app", "jti": "1",
		"iat": at(f.now, 0), "exp": at(f.now, time.Hour), "scope": "read:sessions end:everybody",
	}
	return f
}

func TestTokensOfAnotherIssuerAreAcceptedWithinWhatItMayGrant(t *testing.T) {
	f := newTrusting(t, nil)
	for name, tt := range map[string]struct {
		token  string
		id     string
		scopes []string
	}{
		"RS256":                     {f.rsa.sign(f.claims), "app", []string{"read:sessions"}},
		"ES256":                     {f.ec.sign(f.claims), "app", []string{"read:sessions"}},
		"EdDSA":                     {f.ed.sign(f.claims), "app", []string{"read:sessions"}},
		"access token":              {f.ed.sign(f.claims, "typ", "at+jwt"), "app", []string{"read:sessions"}},
		"access token, spelled out": {f.ed.sign(f.claims, "typ", "application/at+JWT"), "app", []string{"read:sessions"}},
		"client_id":                 {f.ed.sign(with(f.claims, "azp", nil, "client_id", "other", "sub", "other")), "other", []string{"read:sessions"}},
		"sub alone":                 {f.ed.sign(with(f.claims, "azp", nil)), "app", []string{"read:sessions"}},
		"sub of a machine":          {f.ed.sign(with(f.claims, "sub", "app@clients", "gty", "client-credentials")), "app", []string{"read:sessions"}},
		"service account":           {f.ed.sign(with(f.claims, "sub", "5b1d", "preferred_username", "service-account-app")), "app", []string{"read:sessions"}},
		"app by idtyp":              {f.ed.sign(with(f.claims, "sub", "5b1d", "idtyp", "app")), "app", []string{"read:sessions"}},
		"several audiences":         {f.ed.sign(with(f.claims, "aud", []string{"x", otherAudience})), "app", []string{"read:sessions"}},
		"scopes as a list":          {f.ed.sign(with(f.claims, "scope", []string{"delete:sessions"})), "app", []string{"delete:sessions"}},
		"scp":                       {f.ed.sign(with(f.claims, "scope", nil, "scp", []string{"delete:sessions"})), "app", []string{"delete:sessions"}},
		"no scopes":                 {f.ed.sign(with(f.claims, "scope", nil)), "app", nil},
		"a clock that is ahead":     {f.ed.sign(with(f.claims, "nbf", at(f.now, clockSkew))), "app", []string{"read:sessions"}},
	} {
		caller, refusal := f.verify(tt.token)
		if refusal != nil {
			t.Errorf("%s: %v", name, refusal)
			continue
		}
		if diff := cmp.Diff(tt.scopes, caller.Scopes); caller.ID != tt.id+"@"+otherIssuer || diff != "" {
			t.Errorf("%s: %+v %s", name, caller, diff)
		}
	}
}

func TestATokenIsRememberedAsAWhole(t *testing.T) {
	f := newTrusting(t, nil)
	for name, token := range map[string]string{
		"short": f.ed.sign(f.claims),
		"long":  f.ed.sign(with(f.claims, "x", strings.Repeat("x", maxText))),
	} {
		t.Run(name, func(t *testing.T) {
			counts := f.issuer.Counts()
			verified, remembered := counts.Verified.Load(), counts.Remembered.Load()
			for range 3 {
				if _, refusal := f.verify(token); refusal != nil {
					t.Fatal(refusal)
				}
			}
			verified, remembered = counts.Verified.Load()-verified, counts.Remembered.Load()-remembered
			if verified != 1 || remembered != 2 {
				t.Errorf("%d times verified, %d times remembered", verified, remembered)
			}
			for _, other := range []string{token + "x", token[:len(token)-1], tamper(token)} {
				if _, refusal := f.verify(other); refusal == nil {
					t.Errorf("another token is accepted: %.20s...", other)
				}
			}
		})
	}
	for key := range f.issuer.state.Load().verified {
		if len(key) > maxText {
			t.Errorf("%d bytes are kept of a token", len(key))
		}
	}
}

func TestTokensOfAnotherIssuerThatAreNotGoodAreRefused(t *testing.T) {
	f := newTrusting(t, nil)
	public, err := x509.MarshalPKIXPublicKey(f.rsa.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	modulus := f.rsa.key.Public().(*rsa.PublicKey).N.Bytes()
	stranger := newSigner(t, "RS256", "r")
	for name, tt := range map[string]struct {
		token string
		want  *Refusal
	}{
		"alg none":                          {f.rsa.signWith(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, f.claims), ErrToken},
		"HS256 by the public key":           {f.rsa.signWith(jwt.SigningMethodHS256, asPEM, f.claims), ErrToken},
		"HS256 by the modulus":              {f.rsa.signWith(jwt.SigningMethodHS256, modulus, f.claims), ErrToken},
		"RS256 against the EC key":          {f.ec.signWith(jwt.SigningMethodRS256, f.rsa.key, f.claims), ErrToken},
		"ES256 against the RSA key":         {f.rsa.signWith(jwt.SigningMethodES256, f.ec.key, f.claims), ErrToken},
		"EdDSA against the RSA key":         {f.rsa.signWith(jwt.SigningMethodEdDSA, f.ed.key, f.claims), ErrToken},
		"RS512":                             {f.rsa.signWith(jwt.SigningMethodRS512, f.rsa.key, f.claims), ErrToken},
		"PS256":                             {f.rsa.signWith(jwt.SigningMethodPS256, f.rsa.key, f.claims), ErrToken},
		"a stranger's key":                  {stranger.sign(f.claims), ErrSignature},
		"a stranger's key in the header":    {stranger.sign(f.claims, "jwk", keySetOf(t, stranger.jwk())), ErrSignature},
		"a stranger's key at jku":           {stranger.sign(f.claims, "jku", "http://127.0.0.1:1/jwks.json", "x5u", "http://127.0.0.1:1/x"), ErrSignature},
		"an unknown kid":                    {f.ed.sign(f.claims, "kid", "x"), ErrToken},
		"no kid":                            {f.ed.sign(f.claims, "kid", ""), ErrToken},
		"a path as kid":                     {f.ed.sign(f.claims, "kid", "../../../../dev/null"), ErrToken},
		"a kid with a NUL":                  {f.ed.sign(f.claims, "kid", "d\x00"), ErrToken},
		"a query as kid":                    {f.ed.sign(f.claims, "kid", "d' OR '1'='1"), ErrToken},
		"our kid":                           {f.ed.sign(f.claims, "kid", testKeys().current.Load().signing.Kid), ErrToken},
		"our type":                          {f.ed.sign(f.claims, "typ", tokenType), ErrToken},
		"a logout token":                    {f.ed.sign(f.claims, "typ", "logout+jwt"), ErrToken},
		"a security event":                  {f.ed.sign(f.claims, "typ", "secevent+jwt"), ErrToken},
		"an event without a type":           {f.ed.sign(with(f.claims, "events", map[string]any{})), ErrToken},
		"another issuer":                    {f.ed.sign(with(f.claims, "iss", "https://evil.example.com/")), ErrToken},
		"the issuer without its slash":      {f.ed.sign(with(f.claims, "iss", strings.TrimSuffix(otherIssuer, "/"))), ErrToken},
		"our issuer":                        {f.ed.sign(with(f.claims, "iss", publicURL+"/")), ErrToken},
		"no issuer":                         {f.ed.sign(with(f.claims, "iss", nil)), ErrToken},
		"another audience":                  {f.ed.sign(with(f.claims, "aud", "https://other.example.com/")), ErrToken},
		"our audience":                      {f.ed.sign(with(f.claims, "aud", audience)), ErrToken},
		"the audience without its slash":    {f.ed.sign(with(f.claims, "aud", strings.TrimSuffix(otherAudience, "/"))), ErrToken},
		"no audience":                       {f.ed.sign(with(f.claims, "aud", nil)), ErrToken},
		"expired":                           {f.ed.sign(with(f.claims, "exp", at(f.now, 0))), ErrExpired},
		"no end":                            {f.ed.sign(with(f.claims, "exp", nil)), ErrToken},
		"an end that is no number":          {f.ed.sign(with(f.claims, "exp", "never")), ErrToken},
		"not yet valid":                     {f.ed.sign(with(f.claims, "nbf", at(f.now, clockSkew+time.Second))), ErrToken},
		"nobody":                            {f.ed.sign(with(f.claims, "azp", nil, "sub", nil)), ErrToken},
		"an endless id":                     {f.ed.sign(with(f.claims, "azp", nil, "sub", strings.Repeat("x", maxCallerID+1))), ErrToken},
		"an id with a line end":             {f.ed.sign(with(f.claims, "azp", nil, "sub", "a\nb")), ErrToken},
		"an endless token id":               {f.ed.sign(with(f.claims, "jti", strings.Repeat("x", maxTokenID+1))), ErrToken},
		"a scope that is a number":          {f.ed.sign(with(f.claims, "scope", 1)), ErrToken},
		"tampered":                          {tamper(f.rsa.sign(f.claims)), ErrSignature},
		"huge":                              {f.ed.sign(with(f.claims, "x", strings.Repeat("x", maxToken))), ErrToken},
		"a critical extension":              {f.ed.sign(f.claims, "crit", "x"), ErrToken},
		"a token of a user: another sub":    {f.ed.sign(with(f.claims, "sub", "auth0|1")), ErrToken},
		"a token of a user: nonce":          {f.ed.sign(with(f.claims, "nonce", "x")), ErrToken},
		"a token of a user: auth_time":      {f.ed.sign(with(f.claims, "auth_time", at(f.now, 0))), ErrToken},
		"a token of a user: amr":            {f.ed.sign(with(f.claims, "amr", []string{"pwd"})), ErrToken},
		"a token of a user: sid":            {f.ed.sign(with(f.claims, "sid", "x", "gty", "client-credentials")), ErrToken},
		"a token of a user: by password":    {f.ed.sign(with(f.claims, "gty", "password")), ErrToken},
		"a token of a user: our own client": {f.ed.sign(with(f.claims, "iss", publicURL+"/", "aud", audience, "gty", grantOffline)), ErrToken},
	} {
		if caller, refusal := f.verify(tt.token); refusal != tt.want || caller.ID != "" {
			t.Errorf("%s: %v (%+v), want %v", name, refusal, caller, tt.want)
		}
	}
}

func TestAnIssuerIsHeldToItsAlgorithms(t *testing.T) {
	f := newTrusting(t, func(t *TrustedIssuer) { t.Algorithms = []string{"ES256"} })
	if _, refusal := f.verify(f.ec.sign(f.claims)); refusal != nil {
		t.Errorf("ES256: %v", refusal)
	}
	for _, s := range []signer{f.rsa, f.ed} {
		if _, refusal := f.verify(s.sign(f.claims)); refusal != ErrToken {
			t.Errorf("%s: %v", s.alg, refusal)
		}
	}
}

func TestKeysOfOneIssuerSignForNoOther(t *testing.T) {
	f := newTrusting(t, nil)
	second := newSigner(t, "EdDSA", "second")
	path := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(path, []byte(keySetOf(t, second.jwk())), 0o600); err != nil {
		t.Fatal(err)
	}
	first := f.issuer.state.Load().trusted[otherIssuer].TrustedIssuer
	err := f.issuer.Reload(Callers{Issuers: []TrustedIssuer{first, {Issuer: "second", Audience: otherAudience, JWKSFile: path, Scopes: first.Scopes}}})
	if err != nil {
		t.Fatal(err)
	}
	if caller, refusal := f.verify(second.sign(with(f.claims, "iss", "second"))); refusal != nil || caller.ID != "app@second" {
		t.Errorf("%+v %v", caller, refusal)
	}
	if _, refusal := f.verify(second.sign(f.claims)); refusal != ErrToken {
		t.Errorf("the second's key for the first: %v", refusal)
	}
}

func TestBadIssuersAreRefused(t *testing.T) {
	good := TrustedIssuer{Issuer: otherIssuer, Audience: otherAudience, JWKSURL: "https://login.example.com/jwks.json", Scopes: []string{"read:sessions"}}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	for want, change := range map[string]func(*TrustedIssuer){
		"an issuer has an issuer":     func(t *TrustedIssuer) { t.Issuer = "" },
		"no spaces":                   func(t *TrustedIssuer) { t.Issuer = "a b" },
		"no @":                        func(t *TrustedIssuer) { t.Issuer = "https://a@b/" },
		"an issuer has an audience":   func(t *TrustedIssuer) { t.Audience = "" },
		"one of the two":              func(t *TrustedIssuer) { t.JWKSFile = "x" },
		"a jwks_url or a jwks_file":   func(t *TrustedIssuer) { t.JWKSURL = "" },
		"it is https":                 func(t *TrustedIssuer) { t.JWKSURL = "http://login.example.com/" },
		"plain http goes to loopback": func(t *TrustedIssuer) { t.JWKSURL = "http://127.0.0.1/" },
		"it has no scopes":            func(t *TrustedIssuer) { t.Scopes = nil },
		`there is no scope "all"`:     func(t *TrustedIssuer) { t.Scopes = []string{"all"} },
		`no algorithm "none"`:         func(t *TrustedIssuer) { t.Algorithms = []string{"none"} },
		`no algorithm "HS256"`:        func(t *TrustedIssuer) { t.Algorithms = []string{"HS256"} },
		"is this server itself":       func(t *TrustedIssuer) { t.Issuer = publicURL + "/" },
		"no such file":                func(t *TrustedIssuer) { t.JWKSURL, t.JWKSFile = "", "/none" },
	} {
		bad := good
		change(&bad)
		if err := f.issuer.Reload(Callers{Issuers: []TrustedIssuer{bad}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := f.issuer.Reload(Callers{Issuers: []TrustedIssuer{good, good}}); err == nil || !strings.Contains(err.Error(), "declared twice") {
		t.Errorf("the same twice: %v", err)
	}
}
