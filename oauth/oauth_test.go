package oauth

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/doortest"
	"github.com/rollcall-id/rollcall/reference/referencetest"
)

const (
	publicURL = "https://127.0.0.1:8443"
	audience  = publicURL + "/api/v2/"
)

// testKeys are made once: making an RSA key takes a while.
var testKeys = sync.OnceValue(func() *Keys {
	k, err := OpenKeys(testKeyDir())
	if err != nil {
		panic(err)
	}
	return k
})

// testKeyDir has the keys until the last test has ended: a reload reads them anew.
var testKeyDir = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "rollcall-keys-")
	if err != nil {
		panic(err)
	}
	return dir
})

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(testKeyDir())
	os.Exit(code)
}

type fixture struct {
	t      *testing.T
	now    time.Time
	secret string
	issuer *Issuer
	door   http.Handler
}

func newFixture(t *testing.T, scopes ...string) *fixture {
	t.Helper()
	f := &fixture{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	secret, hash := NewClientSecret()
	parsed, err := ParseSecretHash(hash)
	if err != nil {
		t.Fatal(err)
	}
	f.secret = secret
	f.issuer, err = NewIssuer(Options{
		Keys: testKeys(), PublicURLs: []string{publicURL, "https://localhost:8443"}, Clock: func() time.Time { return f.now },
		Clients: []Client{{ID: "app", SecretHashes: [][32]byte{parsed}, Scopes: scopes}},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.door = referencetest.Handler(t, f.issuer.Endpoint(func(r *http.Request) string { return r.Header.Get("Test-IP") }))
	return f
}

func (f *fixture) post(contentType, body string, headers ...string) *httptest.ResponseRecorder {
	return doortest.Serve(f.door, "POST", "/oauth/token", body, append([]string{"Content-Type", contentType}, headers...)...)
}

const form = "application/x-www-form-urlencoded"

func (f *fixture) form(change ...string) string {
	v := url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {f.secret}, "audience": {audience}}
	for i := 0; i < len(change); i += 2 {
		if change[i+1] == "" {
			v.Del(change[i])
		} else {
			v.Set(change[i], change[i+1])
		}
	}
	return v.Encode()
}

func (f *fixture) token() string {
	f.t.Helper()
	w := f.post(form, f.form())
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 {
		f.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return answer.AccessToken
}

func (f *fixture) verify(token string) (rollcall.Caller, *Refusal) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return f.issuer.Verify(r)
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

func TestTokensAreGivenInEveryEncoding(t *testing.T) {
	f := newFixture(t, "read:sessions", "delete:sessions")
	asJSON := `{"grant_type":"client_credentials","client_id":"app","client_secret":"` + f.secret + `","audience":"` + audience + `"}`
	for name, w := range map[string]*httptest.ResponseRecorder{
		"form":                  f.post(form, f.form()),
		"form with charset":     f.post(form+"; charset=utf-8", f.form()),
		"JSON":                  f.post("application/json", asJSON),
		"JSON with charset":     f.post("application/json; charset=utf-8", asJSON),
		"Basic":                 f.post(form, f.form("client_id", "", "client_secret", ""), "Authorization", basic("app", f.secret)),
		"Basic, id in the body": f.post(form, f.form("client_secret", ""), "Authorization", basic("app", f.secret)),
		"no audience":           f.post(form, f.form("audience", "")),
		"the other URL":         f.post(form, f.form("audience", "https://localhost:8443/api/v2/")),
	} {
		var answer struct {
			AccessToken string `json:"access_token"`
			Scope       string `json:"scope"`
			ExpiresIn   int    `json:"expires_in"`
			TokenType   string `json:"token_type"`
		}
		d := json.NewDecoder(w.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&answer); err != nil || w.Code != 200 {
			t.Errorf("%s: %d %v", name, w.Code, err)
			continue
		}
		if answer.Scope != "read:sessions delete:sessions" || answer.ExpiresIn != 86400 || answer.TokenType != "Bearer" {
			t.Errorf("%s: %+v", name, answer)
		}
		if got := w.Header().Get("Content-Type") + w.Header().Get("Cache-Control") + w.Header().Get("Pragma"); got != "application/jsonno-storeno-cache" {
			t.Errorf("%s: headers %v", name, w.Header())
		}
		caller, refusal := f.verify(answer.AccessToken)
		if refusal != nil {
			t.Errorf("%s: the token is refused: %v", name, refusal)
		}
		if diff := cmp.Diff([]string{"read:sessions", "delete:sessions"}, caller.Scopes); diff != "" || caller.ID != "app" {
			t.Errorf("%s: %+v", name, caller)
		}
	}
}

func TestTokenSaysWhatThePublishedOneSays(t *testing.T) {
	f := newFixture(t, "read:sessions")
	claims := jwt.MapClaims{}
	token, _, err := jwt.NewParser().ParseUnverified(f.token(), claims)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := claims["jti"].(string)
	delete(claims, "jti")
	want := jwt.MapClaims{
		"iss": publicURL + "/", "sub": "app@clients", "aud": audience, "azp": "app", "gty": "client-credentials",
		"iat": float64(f.now.Unix()), "exp": float64(f.now.Unix() + 86400), "scope": "read:sessions",
	}
	if diff := cmp.Diff(want, claims); diff != "" || len(id) < 16 {
		t.Errorf("jti %q (-want +got):\n%s", id, diff)
	}
	if token.Header["alg"] != "RS256" || token.Header["typ"] != tokenType || token.Header["kid"] != testKeys().current.Load().signing.Kid {
		t.Errorf("header %v", token.Header)
	}
}

func TestScopesAreNarrowedNeverWidened(t *testing.T) {
	f := newFixture(t, "read:sessions", "delete:sessions")
	for ask, want := range map[string]string{
		"read:sessions":                 "read:sessions",
		"delete:sessions read:sessions": "read:sessions delete:sessions",
		"read:sessions create:sessions": "read:sessions",
		"create:sessions":               "",
	} {
		w := f.post(form, f.form("scope", ask))
		var answer map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if got, present := answer["scope"]; want == "" && present || want != "" && got != want {
			t.Errorf("asked for %q: %v", ask, got)
		}
	}
}

func TestErrorsAreInTheOAuthForm(t *testing.T) {
	f := newFixture(t, "read:sessions")
	for _, tt := range []struct {
		name, contentType, body string
		status                  int
		want                    string
	}{
		{"wrong secret", form, f.form("client_secret", "x"), 401, `{"error":"access_denied","error_description":"Unauthorized"}`},
		{"no secret", form, f.form("client_secret", ""), 401, `{"error":"access_denied","error_description":"Unauthorized"}`},
		{"unknown client", form, f.form("client_id", "nobody"), 401, `{"error":"access_denied","error_description":"Unauthorized"}`},
		{"unknown audience", form, f.form("audience", "https://a&b/"), 403, `{"error":"access_denied","error_description":"Service not found: https://a&b/"}`},
		{"audience without the slash", form, f.form("audience", strings.TrimSuffix(audience, "/")), 403, `{"error":"access_denied","error_description":"Service not found: https://127.0.0.1:8443/api/v2"}`},
		{"long audience", form, f.form("audience", strings.Repeat("x", 1000)), 403, `{"error":"access_denied","error_description":"Service not found: ` + strings.Repeat("x", 64) + `"}`},
		{"another grant", form, f.form("grant_type", "password"), 403, `{"error":"unauthorized_client","error_description":"Grant type 'password' not allowed for the client.","error_uri":"https://auth0.com/docs/clients/client-grant-types"}`},
		{"no grant", form, f.form("grant_type", ""), 400, `{"error":"invalid_request","error_description":"Missing required parameter: grant_type"}`},
		{"no client", form, f.form("client_id", ""), 400, `{"error":"invalid_request","error_description":"Missing required parameter: client_id"}`},
		{"a parameter twice", form, f.form() + "&client_id=app", 400, `{"error":"invalid_request","error_description":"The request cannot be read: a parameter comes twice, or is not UTF-8"}`},
		{"not a form", form, "grant_type=%zz", 400, `{"error":"invalid_request","error_description":"The request cannot be read: not a form"}`},
		{"invalid UTF-8", form, "client_id=%ff", 400, `{"error":"invalid_request","error_description":"The request cannot be read: a parameter comes twice, or is not UTF-8"}`},
		{"no JSON", "application/json", "{", 400, `{"error":"invalid_request","error_description":"The request cannot be read: not a JSON object"}`},
		{"a name twice", "application/json", `{"client_id":"a","client_id":"b"}`, 400, `{"error":"invalid_request","error_description":"The request cannot be read: not a JSON object"}`},
		{"nested", "application/json", `{"client_id":{}}`, 400, `{"error":"invalid_request","error_description":"The request cannot be read: client_id is not a text"}`},
		{"an array", "application/json", `[]`, 400, `{"error":"invalid_request","error_description":"The request cannot be read: not a JSON object"}`},
		{"deep", "application/json", strings.Repeat("[", 60000), 400, `{"error":"invalid_request","error_description":"The request cannot be read: not a JSON object"}`},
		{"more behind", "application/json", `{} x`, 400, `{"error":"invalid_request","error_description":"The request cannot be read: not a JSON object"}`},
		{"another type", "text/plain", f.form(), 415, `{"error":"invalid_request","error_description":"The request is a form or JSON"}`},
		{"no type", "", f.form(), 415, `{"error":"invalid_request","error_description":"The request is a form or JSON"}`},
		{"huge", form, strings.Repeat("x", maxRequest+1), 413, `{"error":"invalid_request","error_description":"The request is larger than 65536 bytes"}`},
	} {
		w := f.post(tt.contentType, tt.body, "Test-IP", tt.name)
		if w.Code != tt.status || w.Body.String() != tt.want || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s\nwant %d %s", tt.name, w.Code, w.Body, tt.status, tt.want)
		}
	}
	if w := f.post(form, f.form(), "Authorization", basic("app", f.secret)); w.Code != 400 {
		t.Errorf("credentials in two ways: %d %s", w.Code, w.Body)
	}
	without := newFixture(t)
	want := `{"error":"access_denied","error_description":"Client is not authorized to access \"` + audience + `\". You need to create a \"client-grant\" associated to this API. See: https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants"}`
	if w := without.post(form, without.form()); w.Code != 403 || w.Body.String() != want {
		t.Errorf("a client without scopes: %d %s", w.Code, w.Body)
	}
	w := doortest.Serve(f.door, "GET", "/oauth/token", "")
	if w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d %v", w.Code, w.Header())
	}
}

func TestFailedAttemptsAreLimitedPerAddress(t *testing.T) {
	f := newFixture(t, "read:sessions")
	try := func(client, secret, ip string) *httptest.ResponseRecorder {
		return f.post(form, f.form("client_id", client, "client_secret", secret), "Test-IP", ip)
	}
	for range 100 {
		if w := try("app", f.secret, "192.0.2.1"); w.Code != 200 {
			t.Fatalf("successes count: %d", w.Code)
		}
	}
	for i := range attemptBurst {
		if w := try("app", "wrong", "192.0.2.1"); w.Code != 401 {
			t.Fatalf("attempt %d: %d", i, w.Code)
		}
	}
	w := try("app", "wrong", "192.0.2.1")
	want := `{"error":"too_many_requests","error_description":"Too many failed attempts"}`
	if w.Code != 429 || w.Body.String() != want {
		t.Fatalf("after the limit: %d %s", w.Code, w.Body)
	}
	wait, err := strconv.Atoi(w.Header().Get("Retry-After"))
	reset, resetErr := strconv.ParseInt(w.Header().Get("X-RateLimit-Reset"), 10, 64)
	if err != nil || resetErr != nil || wait < 1 || reset != f.now.Unix()+int64(wait) {
		t.Errorf("headers %v", w.Header())
	}
	if w := try("app", "wrong", "192.0.2.2"); w.Code != 401 {
		t.Errorf("from another address: %d", w.Code)
	}
	f.now = f.now.Add(time.Duration(wait) * time.Second)
	if w := try("app", "wrong", "192.0.2.1"); w.Code != 401 {
		t.Errorf("after the wait: %d", w.Code)
	}
	for i := range attemptBurst {
		try("guess-"+strconv.Itoa(i), "x", "192.0.2.3")
	}
	if w := try("guess-again", "x", "192.0.2.3"); w.Code != 429 {
		t.Errorf("guessing client ids: %d", w.Code)
	}
}

func TestOneFailedBasicAttemptLocksNobodyOut(t *testing.T) {
	f := newFixture(t, "read:sessions")
	for range 3 {
		if w := f.post(form, f.form("client_id", "", "client_secret", ""), "Authorization", basic("app", "wrong")); w.Code != 401 {
			t.Fatal(w.Code)
		}
		if w := f.post(form, f.form()); w.Code != 200 {
			t.Fatal(w.Code)
		}
	}
}

func TestTheMemoryOfAttemptsIsBounded(t *testing.T) {
	a := newAttempts()
	now := time.Now()
	for i := range maxAttempts + 500 {
		a.failed(strconv.Itoa(i), now)
	}
	if len(a.buckets) > maxAttempts {
		t.Errorf("%d buckets", len(a.buckets))
	}
}

func TestEveryTokenThatIsNotOursIsRefused(t *testing.T) {
	f := newFixture(t, "read:sessions")
	good := func() claims {
		return claims{
			RegisteredClaims: jwt.RegisteredClaims{
				Issuer: publicURL + "/", Audience: jwt.ClaimStrings{audience}, Subject: "app@clients", ID: "1",
				IssuedAt: jwt.NewNumericDate(f.now), ExpiresAt: jwt.NewNumericDate(f.now.Add(time.Hour)),
			},
			AuthorizedParty: "app", Grant: grantClient, Scope: words{"read:sessions"},
		}
	}
	sign := func(method jwt.SigningMethod, key any, c claims, header map[string]any) string {
		token := jwt.NewWithClaims(method, c)
		token.Header["typ"], token.Header["kid"] = tokenType, testKeys().current.Load().signing.Kid
		for name, value := range header {
			token.Header[name] = value
		}
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	rs256 := func(c claims, header map[string]any) string {
		return sign(jwt.SigningMethodRS256, testKeys().current.Load().signing.signer, c, header)
	}
	if _, refusal := f.verify(rs256(good(), nil)); refusal != nil {
		t.Fatalf("the good one: %v", refusal)
	}
	with := func(change func(*claims)) string {
		c := good()
		change(&c)
		return rs256(c, nil)
	}
	for name, tt := range map[string]struct {
		token string
		want  *Refusal
	}{
		"alg none":                {sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good(), nil), ErrToken},
		"HS256 by the modulus":    {sign(jwt.SigningMethodHS256, testKeys().current.Load().signing.signer.(*rsa.PrivateKey).N.Bytes(), good(), nil), ErrToken},
		"RS512":                   {sign(jwt.SigningMethodRS512, testKeys().current.Load().signing.signer, good(), nil), ErrToken},
		"PS256":                   {sign(jwt.SigningMethodPS256, testKeys().current.Load().signing.signer, good(), nil), ErrToken},
		"another type":            {rs256(good(), map[string]any{"typ": "JWT"}), ErrToken},
		"no type":                 {rs256(good(), map[string]any{"typ": nil}), ErrToken},
		"another key id":          {rs256(good(), map[string]any{"kid": "x"}), ErrToken},
		"no key id":               {rs256(good(), map[string]any{"kid": nil}), ErrToken},
		"a key id that is a list": {rs256(good(), map[string]any{"kid": []string{"x"}}), ErrToken},
		"a critical extension":    {rs256(good(), map[string]any{"crit": []string{"x"}, "x": 1}), ErrToken},
		"a path as key id":        {rs256(good(), map[string]any{"kid": "../../../../etc/passwd"}), ErrToken},
		"a key id without end":    {rs256(good(), map[string]any{"kid": strings.Repeat("x", 1000)}), ErrToken},
		"expired":                 {with(func(c *claims) { c.ExpiresAt = jwt.NewNumericDate(f.now) }), ErrExpired},
		"no end":                  {with(func(c *claims) { c.ExpiresAt = nil }), ErrToken},
		"not yet valid":           {with(func(c *claims) { c.NotBefore = jwt.NewNumericDate(f.now.Add(time.Second)) }), ErrToken},
		"another issuer":          {with(func(c *claims) { c.Issuer = "https://example.com/" }), ErrToken},
		"issuer of another URL":   {with(func(c *claims) { c.Issuer = "https://localhost:8443/" }), ErrToken},
		"issuer without a slash":  {with(func(c *claims) { c.Issuer = publicURL }), ErrToken},
		"another audience":        {with(func(c *claims) { c.Audience = jwt.ClaimStrings{"https://example.com/api/v2/"} }), ErrToken},
		"no audience":             {with(func(c *claims) { c.Audience = nil }), ErrToken},
		"two audiences":           {with(func(c *claims) { c.Audience = jwt.ClaimStrings{audience, "x"} }), ErrToken},
		"a client that is gone":   {with(func(c *claims) { c.AuthorizedParty = "gone" }), ErrToken},
		"another grant":           {with(func(c *claims) { c.Grant = "password" }), ErrToken},
		"tampered":                {tamper(rs256(good(), nil)), ErrSignature},
		"truncated":               {shorten(rs256(good(), nil)), ErrSignature},
		"one part":                {"x", ErrMalformed},
		"five parts":              {"a.b.c.d.e", ErrMalformed},
		"huge":                    {strings.Repeat("x", maxToken) + ".x.x", ErrToken},
	} {
		if caller, refusal := f.verify(tt.token); refusal != tt.want || caller.ID != "" {
			t.Errorf("%s: %v, want %v", name, refusal, tt.want)
		}
	}
}

// tamper changes the middle of a token's signature.
func tamper(token string) string {
	at := strings.LastIndexByte(token, '.') + 20
	c := byte('A')
	if token[at] == 'A' {
		c = 'B'
	}
	return token[:at] + string(c) + token[at+1:]
}

func TestScopesAreCutToWhatTheClientHasNow(t *testing.T) {
	f := newFixture(t, "read:sessions", "delete:sessions")
	token := f.token()
	less := newFixture(t, "read:sessions", "create:sessions")
	caller, refusal := less.verify(token)
	if diff := cmp.Diff([]string{"read:sessions"}, caller.Scopes); refusal != nil || diff != "" {
		t.Errorf("%v %s", refusal, diff)
	}
}

func TestAVerifiedTokenIsRememberedNoLongerThanItHolds(t *testing.T) {
	f := newFixture(t, "read:sessions")
	short, err := f.issuer.MintOffline("", []string{"read:sessions"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []time.Duration{0, 30 * time.Second, 29*time.Second + 999*time.Millisecond} {
		f.now = f.now.Add(step)
		if _, refusal := f.verify(short); refusal != nil {
			t.Fatalf("at %v: %v", f.now, refusal)
		}
	}
	f.now = f.now.Add(time.Millisecond)
	if _, refusal := f.verify(short); refusal != ErrExpired {
		t.Errorf("at its end: %v", refusal)
	}
	long := f.token()
	if _, refusal := f.verify(long); refusal != nil {
		t.Fatal(refusal)
	}
	for _, v := range f.issuer.state.Load().verified {
		if v.until.After(f.now.Add(verifiedFor)) {
			t.Errorf("remembered until %v", v.until)
		}
	}
	for i := range maxVerified + 10 {
		f.issuer.state.Load().remember(strconv.Itoa(i), verified{until: f.now.Add(time.Minute)}, f.now)
	}
	if len(f.issuer.state.Load().verified) > maxVerified {
		t.Errorf("%d tokens are remembered", len(f.issuer.state.Load().verified))
	}
}

func TestKeysOfOthersAreRefusedAndOursAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	first, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenKeys(dir)
	if err != nil || again.current.Load().signing.Kid != first.current.Load().signing.Kid || !slices.Equal(again.DerivationKeys(), first.DerivationKeys()) {
		t.Errorf("the keys change: %v", err)
	}
	for _, name := range []string{signingFile, derivationFile} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		if err := os.Chmod(path, 0o604); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenKeys(dir); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("%s is readable by others: %v", name, err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenKeys(dir); err == nil {
			t.Errorf("%s is damaged and read", name)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBadDeclarationsAreRefused(t *testing.T) {
	hash := [][32]byte{{1}}
	for name, o := range map[string]Options{
		"no URL":                 {Keys: testKeys()},
		"URL with slash":         {Keys: testKeys(), PublicURLs: []string{"https://example.com/"}},
		"no scheme":              {Keys: testKeys(), PublicURLs: []string{"example.com"}},
		"no scopes of that name": {Keys: testKeys(), PublicURLs: []string{publicURL}, Clients: []Client{{ID: "a", SecretHashes: hash, Scopes: []string{"read:everything"}}}},
		"no secret":              {Keys: testKeys(), PublicURLs: []string{publicURL}, Clients: []Client{{ID: "a"}}},
		"bad id":                 {Keys: testKeys(), PublicURLs: []string{publicURL}, Clients: []Client{{ID: "a b", SecretHashes: hash}}},
		"the same twice":         {Keys: testKeys(), PublicURLs: []string{publicURL}, Clients: []Client{{ID: "a", SecretHashes: hash}, {ID: "a", SecretHashes: hash}}},
	} {
		if _, err := NewIssuer(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The published service's tokens have the audience as a text, and some who read them
// look for nothing else.
func TestTheAudienceIsAPlainTextAndAListOfOneIsReadToo(t *testing.T) {
	i, err := NewIssuer(Options{Keys: testKeys(), PublicURLs: []string{publicURL}})
	if err != nil {
		t.Fatal(err)
	}
	token, err := i.MintOffline("", []string{"read:sessions"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(payload), `"aud"`) != 1 || !strings.Contains(string(payload), `"aud":"https://127.0.0.1:8443/api/v2/"`) {
		t.Errorf("claims %s", payload)
	}
	accepted := func(token string) bool {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		_, refusal := i.Verify(r)
		return refusal == nil
	}
	if !accepted(token) {
		t.Error("a text is refused")
	}
	for audiences, want := range map[string]bool{`["` + audience + `"]`: true, `["` + audience + `","x"]`: false, `[]`: false, `5`: false, `"x"`: false} {
		var c jwt.MapClaims
		if err := json.Unmarshal([]byte(strings.Replace(string(payload), `"`+audience+`"`, audiences, 1)), &c); err != nil {
			t.Fatal(err)
		}
		k := i.state.Load().keys.signing
		listed := jwt.NewWithClaims(methods[k.Alg], c)
		listed.Header["typ"], listed.Header["kid"] = tokenType, k.Kid
		text, err := listed.SignedString(k.signer)
		if err != nil {
			t.Fatal(err)
		}
		if accepted(text) != want {
			t.Errorf("%s: accepted %v", audiences, !want)
		}
	}
}

func FuzzVerify(f *testing.F) {
	fix := newFixture(&testing.T{}, "read:sessions")
	f.Add("Bearer a.b.c")
	f.Add("bearer eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"] = []string{header}
		if caller, refusal := fix.issuer.Verify(r); refusal == nil {
			t.Errorf("%q is accepted as %+v", header, caller)
		}
	})
}

func FuzzTokenRequest(f *testing.F) {
	f.Add("application/json", "", `{"grant_type":"client_credentials","client_id":"a"}`)
	f.Add("application/json", "", `{"grant_type":"client_credentials","client_id":5,"x":{}}`)
	f.Add(form, "", "grant_type=client_credentials&client_id=a&client_secret=b")
	f.Add(form, "Basic YXBwOiVGRiU=", "grant_type=client_credentials")
	f.Add(form, "Basic YXBwOmI=", "grant_type=client_credentials&client_id=app&client_secret=b")
	f.Add(form, "", "grant_type=client_credentials&client_assertion=e30.e30.&client_assertion_type="+url.QueryEscape(assertionType))
	fix := newFixture(&testing.T{}, "read:sessions")
	f.Fuzz(func(t *testing.T, contentType, authorization, body string) {
		r := httptest.NewRequest("POST", "/oauth/token", strings.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		}
		read, values, refused := readRequest(httptest.NewRecorder(), r, "scope")
		if refused == nil && (len(body) > maxRequest || len(values.Get("client_assertion")) > maxToken || read.assertion != nil && read.secret != "" || len(values["scope"]) > 1) {
			t.Errorf("%q %q is read as %+v", authorization, body, read)
		}
		r.Body = io.NopCloser(strings.NewReader(body))
		w := httptest.NewRecorder()
		fix.door.ServeHTTP(w, r)
		var answer struct {
			Error       string
			Description string `json:"error_description"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); w.Code < 400 || w.Code >= 500 || err != nil || answer.Error == "" || len(answer.Description) > 1000 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

func BenchmarkVerifyKnown(b *testing.B) {
	f := newFixture(&testing.T{}, "read:sessions")
	token, err := f.issuer.MintOffline("", []string{"read:sessions"}, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	b.ReportAllocs()
	for b.Loop() {
		if _, refusal := f.issuer.Verify(r); refusal != nil {
			b.Fatal(refusal)
		}
	}
}

// shorten takes the end of a token's signature away.
func shorten(token string) string { return token[:len(token)-10] }
