package server_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/logtest"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/oauth"
	"github.com/rollcall-id/rollcall/reference/referencetest"
	"github.com/rollcall-id/rollcall/server"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

// A running server on loopback, over http and over https with the local CA.
type running struct {
	t       *testing.T
	dir     string
	manager *sessions.Manager
	issuer  *oauth.Issuer
	plain   string
	secure  string
	client  *http.Client
	log     *logtest.Buffer
	stop    func() error
}

var keyDir = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "rollcall-keys-")
	if err != nil {
		panic(err)
	}
	return dir
})

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(keyDir())
	os.Exit(code)
}

var secret, _ = oauth.NewClientSecret()

func start(t *testing.T, trusted ...string) *running {
	t.Helper()
	return startOn(t, memory.New(), sessions.Options{}, trusted...)
}

// startOn starts a server on a store.
func startOn(t *testing.T, store rollcall.Store, o sessions.Options, trusted ...string) *running {
	t.Helper()
	r := &running{t: t, dir: t.TempDir(), log: &logtest.Buffer{}}
	config, err := server.LocalTLS(r.dir, time.Now())
	r.must(err)
	l, err := server.Listen(server.ListenOptions{HTTP: "127.0.0.1:0", TLS: "127.0.0.1:0", Config: config, Local: true, MaxConnections: 1000})
	r.must(err)
	r.plain, r.secure = "http://"+l.HTTP.Addr().String(), l.URLs()[1]
	keys, err := oauth.OpenKeys(keyDir())
	r.must(err)
	logger := r.log.Logger()
	r.issuer, err = oauth.NewIssuer(oauth.Options{Keys: keys, PublicURLs: l.URLs(), Logger: logger, Clients: []oauth.Client{{
		ID: "backend", SecretHashes: [][32]byte{sha256.Sum256([]byte(secret))}, Scopes: rollcall.Scopes(),
	}}})
	r.must(err)
	o.Logger, o.TouchInterval = logger, time.Hour
	r.manager, err = sessions.New(store, o)
	r.must(err)
	proxies, err := server.ParseProxies(trusted)
	r.must(err)
	d := &server.Doors{Manager: r.manager, Issuer: r.issuer, Keys: keys, Cookie: wire.NewCookie(""), TrustedProxies: proxies, Logger: logger, PageMemory: o.Memory, Compress: true}

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l, d, 0) }()
	r.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(server.CAFile(r.dir))
	r.must(err)
	pool.AppendCertsFromPEM(ca)
	r.client = &http.Client{
		Transport:     referencetest.Transport(t, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return r
}

func (r *running) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// do makes a request and returns the status, the header and the body.
func (r *running) do(method, url, body string, headers ...string) (int, http.Header, string) {
	r.t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	r.must(err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	answer, err := r.client.Do(request)
	r.must(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	r.must(err)
	return answer.StatusCode, answer.Header, string(text)
}

func (r *running) token() string {
	r.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"backend"}, "client_secret": {secret}, "audience": {r.secure + "/api/v2/"}}
	status, _, body := r.do("POST", r.secure+"/oauth/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		r.t.Fatalf("token: %d %s", status, body)
	}
	return answer.AccessToken
}

func TestCallersAreRefusedWithThePublishedAnswers(t *testing.T) {
	r := start(t)
	good := r.token()
	parts := strings.Split(good, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	r.must(err)
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"rollcall-management+jwt"}`)) + "." + parts[1] + "."
	widened := parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(payload), "read:", "admin:", 1))) + "." + parts[2]
	expired, err := r.issuer.MintOffline("", []string{"read:sessions"}, -time.Second)
	r.must(err)
	const malformed = `{"statusCode":400,"error":"Bad Request","message":"Bad HTTP authentication header format","errorCode":"Bearer"}`
	const attributes = `{"statusCode":401,"error":"Unauthorized","message":"%s","attributes":{"error":"%s"}}`
	signature, old, invalid := "Invalid signature received for JSON Web Token validation", "Expired token received for JSON Web Token validation", "Invalid token"
	for _, tt := range []struct {
		name, header string
		status       int
		body         string
	}{
		{"nothing", "", 401, `{"statusCode":401,"error":"Unauthorized","message":"Missing authentication"}`},
		{"another scheme", "Basic dTpw", 401, `{"statusCode":401,"error":"Unauthorized","message":"Missing authentication"}`},
		{"no JWT", "Bearer x", 400, malformed},
		{"a session token", "Bearer rcs_x", 400, malformed},
		{"an empty token", "Bearer ", 400, malformed},
		{"no scheme", good, 400, malformed},
		{"no credentials", "Basic", 400, malformed},
		{"three words", "Bearer " + good + " x", 400, malformed},
		{"another scheme of three words", "Digest a=b, c=d", 400, malformed},
		{"garbage in three parts", "Bearer a.b.c", 401, fmt.Sprintf(attributes, invalid, invalid)},
		{"alg none", "Bearer " + none, 401, fmt.Sprintf(attributes, invalid, invalid)},
		{"widened", "Bearer " + widened, 401, fmt.Sprintf(attributes, signature, signature)},
		{"truncated signature", "Bearer " + good[:len(good)-10], 401, fmt.Sprintf(attributes, signature, signature)},
		{"expired", "Bearer " + expired, 401, fmt.Sprintf(attributes, old, old)},
		{"an unknown key", "Bearer " + foreign(t, r, nil), 401, fmt.Sprintf(attributes, invalid, invalid)},
	} {
		var headers []string
		if tt.header != "" {
			headers = []string{"Authorization", tt.header}
		}
		status, header, body := r.do("GET", r.secure+"/api/v2/sessions/unknown-session-01", "", headers...)
		if status != tt.status || body != tt.body {
			t.Errorf("%s: %d %s\nwant %d %s", tt.name, status, body, tt.status, tt.body)
		}
		if status == 401 && !strings.HasPrefix(header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: WWW-Authenticate %q", tt.name, header.Get("WWW-Authenticate"))
		}
	}
	if status, _, body := r.do("GET", r.secure+"/api/v2/sessions/unknown-session-01", "", "Authorization", "Bearer "+good, "Authorization", "Bearer "+good); status != 401 {
		t.Errorf("two headers: %d %s", status, body)
	}
	for _, words := range []string{"bearer ", "Bearer  ", "Bearer\t "} {
		if status, _, body := r.do("GET", r.secure+"/api/v2/sessions/unknown-session-01", "", "Authorization", words+good); status != 404 {
			t.Errorf("a good token behind %q: %d %s", words, status, body)
		}
	}
	if r.log.Has(parts[2]) || r.log.Has(secret) {
		t.Error("the log holds a token or a secret")
	}
}

// foreign is a token signed by a key that is not the server's.
func foreign(t *testing.T, r *running, change func(jwt.MapClaims)) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	r.must(err)
	claims := jwt.MapClaims{"iss": r.secure + "/", "aud": r.secure + "/api/v2/", "exp": time.Now().Add(time.Hour).Unix(), "gty": "offline", "scope": "read:sessions"}
	if change != nil {
		change(claims)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["typ"] = "rollcall-management+jwt"
	text, err := token.SignedString(key)
	r.must(err)
	return text
}

func TestEveryPathAnswersJSONAndNeverRedirects(t *testing.T) {
	r := start(t)
	for _, path := range []string{
		"/", "//", "/api", "/api/v2", "/api/v2/", "//api/v2/sessions/x", "/api/v2//sessions/x", "/api/v2/../v2/sessions/x", "/./check", "/check/", "/check/..",
		"/v1", "/v1/", "/v1/nothing", "/oauth/token/", "/.well-known/", "/%2e%2e/", "/api%2Fv2/sessions/x", "/healthz/x", "/API/V2/sessions/x",
	} {
		status, header, body := r.do("GET", r.secure+path, "")
		if status != http.StatusNotFound || body != `{"statusCode":404,"error":"Not Found","message":"Not Found"}` || header.Get("Location") != "" {
			t.Errorf("%s: %d %s %s", path, status, header.Get("Location"), body)
		}
	}
}

func TestHealthIsReadAndNothingElse(t *testing.T) {
	r := start(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "PUT": 405, "PATCH": 405, "DELETE": 405, "OPTIONS": 405} {
			status, header, body := r.do(method, r.plain+path, "")
			if status != want {
				t.Errorf("%s %s: %d", method, path, status)
			}
			if status == 405 && (header.Get("Allow") != "GET, HEAD" || body != `{"statusCode":405,"error":"Method Not Allowed","message":"Method Not Allowed"}`) {
				t.Errorf("%s %s: Allow %q, %s", method, path, header.Get("Allow"), body)
			}
		}
	}
}

func TestAnswersCarryTheHeadersOfASafeServer(t *testing.T) {
	r := start(t)
	_, header, _ := r.do("GET", r.secure+"/healthz", "", "X-Request-Id", "abc-1")
	if header.Get("Strict-Transport-Security") == "" || header.Get("X-Content-Type-Options") != "nosniff" || header.Get("X-Request-Id") != "abc-1" || header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", header)
	}
	_, header, _ = r.do("GET", r.plain+"/healthz", "", "X-Request-Id", `x" evil`)
	if header.Get("Strict-Transport-Security") != "" || len(header.Get("X-Request-Id")) != 24 {
		t.Errorf("%v", header)
	}
}

func TestTheQueryIsNotLogged(t *testing.T) {
	r := start(t)
	r.do("GET", r.plain+"/check?token=very-secret", "")
	r.do("GET", r.plain+"/check/envoy/reset/very-secret", "") // the path of an application
	if !r.log.Has("path=/check") || r.log.Has("very-secret") {
		t.Error(r.log.String())
	}
}

func TestKeysArePublished(t *testing.T) {
	r := start(t)
	status, header, body := r.do("GET", r.secure+"/.well-known/jwks.json", "")
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal([]byte(body), &set); err != nil || status != 200 || len(set.Keys) != 1 || header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s", status, body)
	}
	parsed, _, err := jwt.NewParser().ParseUnverified(r.token(), jwt.MapClaims{})
	r.must(err)
	if parsed.Header["kid"] != set.Keys[0]["kid"] || set.Keys[0]["alg"] != "RS256" || set.Keys[0]["use"] != "sig" {
		t.Errorf("%v, %v", parsed.Header, set.Keys[0])
	}
}

func TestSlowAndOversizedRequestsAreCut(t *testing.T) {
	r := start(t)
	// The server answers 431 and closes; what was not read may take the answer
	// with it.
	huge, err := net.Dial("tcp", strings.TrimPrefix(r.plain, "http://"))
	r.must(err)
	defer huge.Close()
	_, _ = io.WriteString(huge, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Huge: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
	if answer, _ := io.ReadAll(huge); len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 431 ") {
		t.Errorf("a huge header: %.100s", answer)
	}
	c, err := net.Dial("tcp", strings.TrimPrefix(r.plain, "http://"))
	r.must(err)
	defer c.Close()
	_, err = io.WriteString(c, "GET /check HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	r.must(err)
	r.must(c.SetReadDeadline(time.Now().Add(20 * time.Second)))
	began := time.Now()
	if _, err := bufio.NewReader(c).ReadByte(); err == nil || time.Since(began) > 15*time.Second {
		t.Errorf("a request whose header never ends is waited for: %v after %v", err, time.Since(began))
	}
}

func TestStopFinishesRequestsAndWritesInteractions(t *testing.T) {
	r := start(t)
	_, token, err := r.manager.Create(context.Background(), rollcall.Caller{}, rollcall.NewSession{UserID: "u"})
	r.must(err)
	pr, pw := io.Pipe()
	request, err := http.NewRequest("POST", r.plain+"/oauth/token", pr)
	r.must(err)
	request.Header.Set("Content-Type", "application/json")
	answered := make(chan int, 1)
	go func() {
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			answered <- 0
			return
		}
		_ = answer.Body.Close()
		answered <- answer.StatusCode
	}()
	_, err = pw.Write([]byte(`{"grant_type":"x","client_id":"y",`)) // the request is under way
	r.must(err)
	time.Sleep(50 * time.Millisecond)
	if status, _, _ := r.do("GET", r.plain+"/check", "", "Authorization", "Bearer "+token.Reveal()); status != 200 {
		t.Errorf("check: %d", status)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	time.Sleep(50 * time.Millisecond)
	if _, err := net.DialTimeout("tcp", strings.TrimPrefix(r.plain, "http://"), time.Second); err == nil {
		t.Error("new connections are taken after the stop")
	}
	_, err = pw.Write([]byte(`"client_secret":"z"}`))
	r.must(err)
	r.must(pw.Close())
	if status := <-answered; status != http.StatusUnauthorized {
		t.Errorf("the request under way was answered %d", status)
	}
	r.must(<-stopped)
}

func TestTheOriginsOfBothListenersAreTheServers(t *testing.T) {
	made, err := server.LocalTLS(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []server.ListenOptions{
		{HTTP: "127.0.0.1:0"}, {TLS: "127.0.0.1:0", Config: made, Local: true}, {HTTP: "127.0.0.1:0", TLS: "127.0.0.1:0", Config: made, Local: true},
	} {
		l, err := server.Listen(o)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for scheme, listener := range map[string]net.Listener{"https": l.TLS, "http": l.HTTP} {
			if listener != nil {
				port := listener.Addr().(*net.TCPAddr).Port
				want = append(want, fmt.Sprintf("%s://localhost:%d", scheme, port), fmt.Sprintf("%s://127.0.0.1:%d", scheme, port))
			}
		}
		got := l.URLs()
		if strings.HasPrefix(got[0], "http:") == (o.TLS != "") {
			t.Errorf("the first of %v is not that of https", got)
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestHalfConfiguredSecurityDoesNotStart(t *testing.T) {
	for name, o := range map[string]server.ListenOptions{
		"nothing to listen on":    {},
		"plain http on a network": {HTTP: "0.0.0.0:0"},
		"plain http everywhere":   {HTTP: ":0"},
		"the local CA off loopback": {
			TLS: "0.0.0.0:0", Local: true, Config: &tls.Config{},
		},
	} {
		if l, err := server.Listen(o); err == nil {
			t.Errorf("%s: listens", name)
			_ = l.Close()
		}
	}
	l, err := server.Listen(server.ListenOptions{HTTP: "0.0.0.0:0", BehindProxy: true})
	if err != nil {
		t.Fatalf("behind a proxy: %v", err)
	}
	_ = l.Close()
}

func TestTheLocalCASignsForLoopbackAloneAndIsKeptUntilItsEnd(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	first, err := server.LocalTLS(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(server.CAFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	leaf := first.Certificates[0].Leaf
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: now}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "example.com", CurrentTime: now}); err == nil {
		t.Error("example.com is vouched for")
	}
	if info, err := os.Stat(dir + "/tls/key.pem"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
	again, err := server.LocalTLS(dir, now.Add(20*24*time.Hour))
	if err != nil || !again.Certificates[0].Leaf.Equal(leaf) {
		t.Errorf("made anew too soon: %v", err)
	}
	anew, err := server.LocalTLS(dir, now.Add(24*24*time.Hour))
	if err != nil || anew.Certificates[0].Leaf.Equal(leaf) {
		t.Errorf("not made anew: %v", err)
	}
}
