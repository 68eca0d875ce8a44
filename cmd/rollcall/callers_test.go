package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func newEdKey(t *testing.T) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return public, private
}

func signEd(t *testing.T, key ed25519.PrivateKey, kid string, c jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, c)
	token.Header["kid"] = kid
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestIssuersAssertionsAndLimitsWorkAsConfigured(t *testing.T) {
	dir := t.TempDir()
	issuerPublic, issuerKey := newEdKey(t)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":%q}]}`, base64.RawURLEncoding.EncodeToString(issuerPublic))
	}))
	defer endpoint.Close()
	clientPublic, clientKey := newEdKey(t)
	der, err := x509.MarshalPKIXPublicKey(clientPublic)
	if err != nil {
		t.Fatal(err)
	}
	publicFile := filepath.Join(dir, "batch.pem")
	config := filepath.Join(dir, "rollcall.yaml")
	text := fmt.Sprintf(`public_url: [https://sessions.example.com]
rate_limit: 1
rate_burst: 4
clients:
  - client_id: batch
    public_key_file: %s
    scopes: ["read:sessions"]
issuers:
  - issuer: https://login.example.com/
    audience: rollcall
    jwks_url: %s/jwks.json
    jwks_allow_internal: true
    scopes: ["read:sessions"]
    algorithms: [EdDSA]
`, publicFile, endpoint.URL)
	for path, data := range map[string][]byte{publicFile: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), config: []byte(text)} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, errs, code := run(t, "config", "print", "--config", config); code != 0 || !strings.Contains(out, "https://login.example.com/: read:sessions") {
		t.Errorf("config print: %d %s\n%s", code, errs, out)
	}
	p := serveOn(t, filepath.Join(dir, "data"), "--config", config)
	end := time.Now().Add(time.Minute).Unix()
	foreign := signEd(t, issuerKey, "k", jwt.MapClaims{"iss": "https://login.example.com/", "aud": "rollcall", "sub": "crm", "exp": end, "scope": "read:sessions delete:sessions"})
	if status := p.list(foreign); status != 200 {
		t.Errorf("a token of another issuer: %d\n%s", status, p.logged())
	}
	if status, err := p.ask(t.Context(), "DELETE", "/api/v2/sessions/x", foreign, "", nil); err != nil || status != 403 {
		t.Errorf("what the issuer may not grant: %d %v", status, err)
	}
	assertion := signEd(t, clientKey, "", jwt.MapClaims{"iss": "batch", "sub": "batch", "aud": "https://sessions.example.com/", "exp": end, "jti": "1"})
	form := url.Values{
		"grant_type": {"client_credentials"}, "audience": {"https://sessions.example.com/api/v2/"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	for _, want := range []int{200, 401} {
		answer, err := http.PostForm(p.plain+"/oauth/token", form)
		if err != nil {
			t.Fatal(err)
		}
		if want == 200 {
			err = json.NewDecoder(answer.Body).Decode(&token)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want || err != nil {
			t.Fatalf("an assertion: %d %v, want %d\n%s", answer.StatusCode, err, want, p.logged())
		}
	}
	statuses := map[int]int{}
	for range 6 {
		request, err := http.NewRequest("GET", p.plain+"/api/v2/sessions/none", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token.AccessToken)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		statuses[answer.StatusCode]++
		if h := answer.Header; h.Get("x-ratelimit-limit") != "4" || h.Get("x-ratelimit-remaining") == "" || h.Get("x-ratelimit-reset") == "" || (answer.StatusCode == 429) != (h.Get("Retry-After") != "") {
			t.Errorf("%d %v", answer.StatusCode, h)
		}
	}
	if statuses[404] < 4 || statuses[429] < 1 {
		t.Errorf("%v", statuses)
	}
	answer, err := http.Get(p.plain + "/check")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != 401 || answer.Header.Get("x-ratelimit-limit") != "" {
		t.Errorf("a check: %d %v", answer.StatusCode, answer.Header)
	}
	if code := p.stop(syscall.SIGTERM); code != 0 { // which writes what is left of the log
		t.Errorf("exit %d", code)
	}
	if !strings.Contains(p.logged(), `"caller":"crm@https://login.example.com/"`) {
		t.Errorf("the caller is not logged:\n%s", p.logged())
	}
	for _, secret := range []string{assertion, token.AccessToken, foreign} {
		if strings.Contains(p.logged(), secret) || strings.Contains(p.logged(), secret[strings.LastIndexByte(secret, '.')+1:]) {
			t.Error("a token or an assertion is logged")
		}
	}
}
