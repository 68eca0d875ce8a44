package oauth

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rollcall-id/rollcall/internal/logtest"
)

// signing is a fixture with clients that sign: "one" with a key of each algorithm,
// "two" with one of its own, and "app" with a secret.
type signing struct {
	*fixture
	rsa, ec, ed, two signer
	claims           jwt.MapClaims
}

func newSigning(t *testing.T) *signing {
	t.Helper()
	f := &signing{fixture: newFixture(t, "read:sessions")}
	f.rsa, f.ec, f.ed, f.two = newSigner(t, "RS256", "r"), newSigner(t, "ES256", "e"), newSigner(t, "EdDSA", "d"), newSigner(t, "EdDSA", "d")
	f.reload()
	f.claims = jwt.MapClaims{"iss": "one", "sub": "one", "aud": publicURL + "/", "iat": at(f.now, 0), "exp": at(f.now, time.Minute)}
	return f
}

func (f *signing) reload() {
	f.t.Helper()
	var pems []byte
	for _, s := range []signer{f.rsa, f.ec, f.ed} {
		der, err := x509.MarshalPKIXPublicKey(s.key.Public())
		if err != nil {
			f.t.Fatal(err)
		}
		pems = append(pems, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)
	}
	one, err := parsePublicKeys(pems)
	if err != nil {
		f.t.Fatal(err)
	}
	two, err := parsePublicKeys([]byte(keySetOf(f.t, f.two.jwk())))
	if err != nil {
		f.t.Fatal(err)
	}
	app := *f.issuer.state.Load().clients["app"]
	err = f.issuer.Reload(Callers{Clients: []Client{app, {ID: "one", Keys: one, Scopes: app.Scopes}, {ID: "two", Keys: two, Scopes: app.Scopes}}})
	if err != nil {
		f.t.Fatal(err)
	}
}

var assertionCount atomic.Int64

// fresh are claims with a jti of their own.
func (f *signing) fresh(change ...any) jwt.MapClaims {
	return with(with(f.claims, "jti", strconv.FormatInt(assertionCount.Add(1), 10)), change...)
}

// assert asks for a token with an assertion.
func (f *signing) assert(assertion string, change ...string) *httptest.ResponseRecorder {
	fields := append([]string{"client_secret", "", "client_id", "", "client_assertion_type", assertionType, "client_assertion", assertion}, change...)
	return f.post(form, f.form(fields...), "Test-IP", strconv.FormatInt(assertionCount.Add(1), 10))
}

func TestClientsProveThemselvesWithAssertions(t *testing.T) {
	f := newSigning(t)
	asJSON, err := json.Marshal(map[string]string{
		"grant_type": "client_credentials", "audience": audience, "client_assertion_type": assertionType, "client_assertion": f.ed.sign(f.fresh()),
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"RS256":                     f.assert(f.rsa.sign(f.fresh())),
		"ES256":                     f.assert(f.ec.sign(f.fresh())),
		"EdDSA":                     f.assert(f.ed.sign(f.fresh())),
		"with its client_id":        f.assert(f.ed.sign(f.fresh()), "client_id", "one"),
		"for the token endpoint":    f.assert(f.ed.sign(f.fresh("aud", publicURL+"/oauth/token"))),
		"for the other public URL":  f.assert(f.ed.sign(f.fresh("aud", []string{"https://localhost:8443/"}))),
		"without a kid":             f.assert(f.ed.sign(f.fresh(), "kid", "")),
		"for five minutes":          f.assert(f.ed.sign(f.fresh("exp", at(f.now, maxAssertionAge)))),
		"from a clock that is fast": f.assert(f.ed.sign(f.fresh("iat", at(f.now, clockSkew), "nbf", at(f.now, clockSkew)))),
		"from a key set":            f.assert(f.two.sign(f.fresh("iss", "two", "sub", "two"))),
		"in JSON":                   f.post("application/json", string(asJSON)),
	} {
		var answer struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
			continue
		}
		caller, refusal := f.verify(answer.AccessToken)
		if refusal != nil || caller.ID != "one" && caller.ID != "two" || !caller.Has("read:sessions") {
			t.Errorf("%s: %+v %v", name, caller, refusal)
		}
	}
}

func TestAssertionsThatProveNothingAreRefused(t *testing.T) {
	f := newSigning(t)
	stranger := newSigner(t, "EdDSA", "d")
	der, err := x509.MarshalPKIXPublicKey(f.rsa.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	ours := f.token()
	const unauthorized = `{"error":"access_denied","error_description":"Unauthorized"}`
	for name, w := range map[string]*httptest.ResponseRecorder{
		"alg none":                  f.assert(f.rsa.signWith(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, f.fresh())),
		"HS256 by the public key":   f.assert(f.rsa.signWith(jwt.SigningMethodHS256, der, f.fresh())),
		"RS512":                     f.assert(f.rsa.signWith(jwt.SigningMethodRS512, f.rsa.key, f.fresh())),
		"a stranger's":              f.assert(stranger.sign(f.fresh())),
		"a stranger's key in it":    f.assert(stranger.sign(f.fresh(), "jku", "http://127.0.0.1:1/")),
		"another client's key":      f.assert(f.two.sign(f.fresh())),
		"another client's":          f.assert(f.two.sign(f.fresh("iss", "two", "sub", "two")), "client_id", "one"),
		"sub of another client":     f.assert(f.two.sign(f.fresh("iss", "two"))),
		"iss of another client":     f.assert(f.ed.sign(f.fresh("iss", "two"))),
		"no iss":                    f.assert(f.ed.sign(f.fresh("iss", nil))),
		"an unknown client":         f.assert(f.ed.sign(f.fresh("iss", "none", "sub", "none"))),
		"a client with a secret":    f.assert(f.ed.sign(f.fresh("iss", "app", "sub", "app"))),
		"another audience":          f.assert(f.ed.sign(f.fresh("aud", "https://other.example.com/"))),
		"the API's audience":        f.assert(f.ed.sign(f.fresh("aud", audience))),
		"no audience":               f.assert(f.ed.sign(f.fresh("aud", nil))),
		"two audiences":             f.assert(f.ed.sign(f.fresh("aud", []string{publicURL + "/", "https://other.example.com/"}))),
		"expired":                   f.assert(f.ed.sign(f.fresh("exp", at(f.now, 0)))),
		"no end":                    f.assert(f.ed.sign(f.fresh("exp", nil))),
		"an end that is far":        f.assert(f.ed.sign(f.fresh("exp", at(f.now, maxAssertionAge+time.Second)))),
		"not yet valid":             f.assert(f.ed.sign(f.fresh("nbf", at(f.now, clockSkew+time.Second)))),
		"made in the future":        f.assert(f.ed.sign(f.fresh("iat", at(f.now, clockSkew+time.Second)))),
		"no jti":                    f.assert(f.ed.sign(f.fresh("jti", nil))),
		"an endless jti":            f.assert(f.ed.sign(f.fresh("jti", strings.Repeat("x", maxAssertionID+1)))),
		"a critical extension":      f.assert(f.ed.sign(f.fresh(), "crit", "x")),
		"a management token":        f.assert(ours, "client_id", "app"),
		"a secret of a signer":      f.post(form, f.form("client_id", "one", "client_secret", "x")),
		"no secret of a signer":     f.post(form, f.form("client_id", "one", "client_secret", "")),
		"another kid of a key set":  f.assert(f.two.sign(f.fresh("iss", "two", "sub", "two"), "kid", "x")),
		"no JWT":                    f.assert("x.y.z"),
		"no JWT, but a client_id":   f.assert("x", "client_id", "one"),
		"no client":                 f.assert(f.ed.sign(f.fresh("sub", nil))),
		"tampered":                  f.assert(tamper(f.rsa.sign(f.fresh()))),
		"no sub, but its client_id": f.assert(f.ed.sign(f.fresh("sub", nil)), "client_id", "one"),
	} {
		if w.Code != 401 || w.Body.String() != unauthorized {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"another type":    f.assert(f.ed.sign(f.fresh()), "client_assertion_type", "saml"),
		"no type":         f.assert(f.ed.sign(f.fresh()), "client_assertion_type", ""),
		"no assertion":    f.assert(""),
		"huge":            f.assert(strings.Repeat("x", maxToken+1)),
		"a secret beside": f.assert(f.ed.sign(f.fresh()), "client_secret", "x"),
		"Basic beside":    f.post(form, f.form("client_secret", "", "client_assertion_type", assertionType, "client_assertion", f.ed.sign(f.fresh())), "Authorization", basic("app", f.secret)),
	} {
		if w.Code != 400 || !strings.HasPrefix(w.Body.String(), `{"error":"invalid_request",`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestAnAssertionIsAcceptedOnce(t *testing.T) {
	f := newSigning(t)
	assertion := f.ed.sign(f.fresh())
	var good atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if f.assert(assertion).Code == 200 {
				good.Add(1)
			}
		})
	}
	all.Wait()
	if good.Load() != 1 {
		t.Errorf("it is accepted %d times", good.Load())
	}
	f.reload()
	if w := f.assert(assertion); w.Code != 401 {
		t.Errorf("after a reload: %d", w.Code)
	}
	f.now = f.now.Add(time.Minute - time.Second)
	if w := f.assert(assertion); w.Code != 401 {
		t.Errorf("just before its end: %d", w.Code)
	}
	// The same jti is another client's own affair.
	id := f.fresh("exp", at(f.now, time.Minute))
	if w := f.assert(f.ed.sign(id)); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := f.assert(f.two.sign(with(id, "iss", "two", "sub", "two"))); w.Code != 200 {
		t.Errorf("the same jti of another client: %d %s", w.Code, w.Body)
	}
}

func TestTheMemoryOfAssertionsIsBoundedAndForgetsNone(t *testing.T) {
	a := newAssertions()
	now := time.Now()
	for i := range maxAssertions {
		if err := a.use("one", strconv.Itoa(i), now.Add(time.Minute), now); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.use("one", "x", now.Add(time.Minute), now); err == nil {
		t.Error("one more is accepted")
	}
	if err := a.use("one", "0", now.Add(time.Minute), now); err == nil {
		t.Error("one is forgotten")
	}
	if err := a.use("two", "x", now.Add(time.Minute), now); err != nil {
		t.Errorf("another client's: %v", err)
	}
	if err := a.use("one", "x", now.Add(2*time.Minute), now.Add(time.Minute)); err != nil || len(a.used["one"]) != 1 {
		t.Errorf("when they have ended: %v, %d are remembered", err, len(a.used["one"]))
	}
}

func TestFailedAssertionsAreLimitedAsSecretsAre(t *testing.T) {
	f := newSigning(t)
	log := &logtest.Buffer{}
	f.issuer.log = log.Logger()
	try := func(assertion string) int {
		return f.post(form, f.form("client_secret", "", "client_id", "", "client_assertion_type", assertionType, "client_assertion", assertion), "Test-IP", "192.0.2.1").Code
	}
	for i := range attemptBurst {
		if code := try(f.two.sign(f.fresh("iss", "one", "sub", "one"))); code != 401 {
			t.Fatalf("attempt %d: %d", i, code)
		}
	}
	for range 5 {
		if code := try(f.two.sign(f.fresh("iss", "one", "sub", "one"))); code != 429 {
			t.Errorf("after the limit: %d", code)
		}
	}
	if n := log.Count("assertion is refused"); n != attemptBurst {
		t.Errorf("%d of %d failures are logged", n, attemptBurst+5)
	}
}

func TestBadPublicKeyFilesAreRefused(t *testing.T) {
	s := newSigner(t, "EdDSA", "d")
	private, err := newSigningKey("EdDSA")
	if err != nil {
		t.Fatal(err)
	}
	for want, text := range map[string]string{
		"there are 0 keys":                 "",
		"only the public key belongs here": string(private),
		"a private key, which nobody":      strings.Replace(keySetOf(t, s.jwk()), `"kty"`, `"d":"AAAA","kty"`, 1),
		"no key in it can verify":          `{"keys":[]}`,
		"not a JSON Web Key Set":           `{`,
		"another kind":                     keySetOf(t, s.jwk(), jwk{Kty: "oct"}),
		"its kid is another key's":         keySetOf(t, s.jwk(), s.jwk()),
		"there are 9 keys":                 nineKeys(t),
		"a key for something else":         strings.Replace(keySetOf(t, s.jwk()), `"sig"`, `"enc"`, 1),
		"a key whose alg is not EdDSA":     strings.Replace(keySetOf(t, s.jwk()), `"EdDSA"`, `"RS256"`, 1),
		"asn1":                             "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
	} {
		if _, err := parsePublicKeys([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func nineKeys(t *testing.T) string {
	t.Helper()
	var keys []jwk
	for i := range maxClientKeys + 1 {
		keys = append(keys, newSigner(t, "EdDSA", strconv.Itoa(i)).jwk())
	}
	return keySetOf(t, keys...)
}

func FuzzParsePublicKeys(f *testing.F) {
	s := newSigner(f, "ES256", "e")
	der, err := x509.MarshalPKIXPublicKey(s.key.Public())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	f.Add([]byte(keySetOf(f, s.jwk(), newSigner(f, "RS256", "r").jwk(), newSigner(f, "EdDSA", "d").jwk())))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"OKP"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parsePublicKeys(data)
		if err != nil {
			return
		}
		if n := len(keys.set); n == 0 || n > maxClientKeys {
			t.Errorf("%d keys", n)
		}
		for _, k := range keys.set {
			if alg, err := algorithmOf(k.key); err != nil || alg != k.alg {
				t.Errorf("%s %v", alg, err)
			}
			_ = methods[k.alg].Verify("text", make([]byte, 64), k.key) // must not panic
		}
	})
}

func FuzzAssertion(f *testing.F) {
	fix := newFixture(&testing.T{}, "read:sessions")
	s := newSigner(f, "EdDSA", "d")
	keys, err := parsePublicKeys([]byte(keySetOf(f, s.jwk())))
	if err != nil {
		f.Fatal(err)
	}
	client := &Client{ID: "one", Keys: keys}
	f.Add(newSigner(f, "EdDSA", "d").sign(jwt.MapClaims{"iss": "one", "sub": "one", "aud": publicURL + "/", "exp": at(fix.now, time.Minute), "jti": "1"}))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, text string) {
		if assertion, err := readJWT(text); err == nil && fix.issuer.checkAssertion(client, &assertion, fix.now) == nil {
			t.Errorf("%q is accepted", text)
		}
	})
}
