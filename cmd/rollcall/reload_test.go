package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall/oauth"
	"github.com/rollcall-id/rollcall/server"
)

// reload sends SIGHUP and waits until the server has logged what came of it.
func (p *process) reload(want string) {
	p.t.Helper()
	before := strings.Count(p.logged(), want)
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		p.t.Fatal(err)
	}
	for range 500 {
		if strings.Count(p.logged(), want) > before {
			return
		}
		select {
		case <-p.done:
			p.t.Fatalf("the server ended:\n%s", p.logged())
		case <-time.After(20 * time.Millisecond):
		}
	}
	p.t.Fatalf("%q is not logged:\n%s", want, p.logged())
}

// localCertificate makes a certificate of a local CA of its own.
func localCertificate(t *testing.T, dir string) (cert, key, ca string) {
	t.Helper()
	if _, err := server.LocalTLS(dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "tls", "cert.pem"), filepath.Join(dir, "tls", "key.pem"), server.CAFile(dir)
}

// shown is the serial number of the certificate that a new connection sees.
func (p *process) shown(ca string) string {
	p.t.Helper()
	data, err := os.ReadFile(ca)
	if err != nil {
		p.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(data)
	c, err := tls.Dial("tcp", strings.TrimPrefix(p.tls, "https://"), &tls.Config{RootCAs: pool})
	if err != nil {
		p.t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func (p *process) fetchToken(id, secret string) (string, int) {
	p.t.Helper()
	answer, err := http.PostForm(p.plain+"/oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}})
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	var body struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		p.t.Fatal(err)
	}
	return body.AccessToken, answer.StatusCode
}

func (p *process) list(token string) int {
	p.t.Helper()
	status, err := p.ask(context.Background(), "GET", "/api/v2/users/auth0%7C1/sessions", token, "", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return status
}

func TestSIGHUPReloadsCallersKeysCertificateAndLogLevel(t *testing.T) {
	dir := t.TempDir()
	cert, key, ca := localCertificate(t, filepath.Join(dir, "a"))
	secret, hash := oauth.NewClientSecret()
	config := filepath.Join(dir, "rollcall.yaml")
	write := func(text string) {
		if err := os.WriteFile(config, []byte(fmt.Sprintf("tls_cert: %s\ntls_key: %s\n%s", cert, key, text)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	client := func(scopes string) string {
		return fmt.Sprintf("clients: [{client_id: app, client_secret_sha256: %q, scopes: [%s]}]\n", hash, scopes)
	}
	write("")
	data := filepath.Join(dir, "data")
	p := serveOn(t, data, "--config", config)
	if _, status := p.fetchToken("app", secret); status != 401 {
		t.Fatalf("a client that is not declared: %d", status)
	}
	first := p.shown(ca)
	old := p.mint("read:sessions")
	// A connection that lives on over the reload.
	lasting, err := net.Dial("tcp", strings.TrimPrefix(p.plain, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer lasting.Close()
	healthy := func() bool {
		answer := make([]byte, 512)
		if _, err := fmt.Fprint(lasting, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return false
		}
		n, err := lasting.Read(answer)
		return err == nil && bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 200"))
	}
	if !healthy() {
		t.Fatal("not healthy")
	}

	write(client(`"read:sessions"`) + "log_level: debug\nmax_sessions_per_user: 5\n")
	p.reload(`"msg":"reloaded"`)
	if !strings.Contains(p.logged(), `"settings":["max_sessions_per_user"]`) {
		t.Errorf("what waits for the next start is not logged:\n%s", p.logged())
	}
	token, status := p.fetchToken("app", secret)
	if status != 200 || p.list(token) != 200 {
		t.Fatalf("after its declaration: %d", status)
	}

	// An error keeps everything, and says what is wrong.
	write("clients: [{client_id: app}]\nlog_level: error\n")
	p.reload("nothing was reloaded")
	if !strings.Contains(p.logged(), "it has no client_secret_sha256") || p.list(token) != 200 {
		t.Errorf("after an error: %d\n%s", p.list(token), p.logged())
	}

	if err := os.WriteFile(config, []byte(client(`"read:sessions"`)), 0o600); err != nil {
		t.Fatal(err)
	}
	p.reload("cannot be added or taken away")

	// Narrowed, with another certificate and another key.
	cert, key, ca = localCertificate(t, filepath.Join(dir, "b"))
	write(client(`"create:sessions"`))
	if out, errs, code := run(t, "keys", "rotate", "--data", data, "--alg", "ES256"); code != 0 {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	if got := p.mint("read:sessions"); p.list(got) != 200 {
		t.Error("a token minted between rotation and reload is refused")
	}
	p.reload(`"msg":"reloaded"`)
	if got := p.list(token); got != 403 {
		t.Errorf("a scope that the client has lost: %d", got)
	}
	if got := p.list(old); got != 200 {
		t.Errorf("a token of the old key: %d", got)
	}
	if second := p.shown(ca); second == first {
		t.Error("the certificate is the old one")
	}
	if fresh, status := p.fetchToken("app", secret); status != 200 || !strings.HasPrefix(fresh, "eyJhbGciOiJFUzI1NiI") {
		t.Errorf("the new key does not sign: %d %s", status, fresh)
	}
	if !healthy() {
		t.Error("the connection did not live on")
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// signIn makes a session under an Idempotency-Key.
func (p *process) signIn(key string) (m made) {
	p.t.Helper()
	request, err := http.NewRequest("POST", p.plain+"/v1/sessions", strings.NewReader(`{"user_id":"auth0|1","authentication":{"methods":[{"name":"pwd"}]}}`))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+p.mint("create:sessions"))
	request.Header.Set("Idempotency-Key", key)
	request.Header.Set("Content-Type", "application/json")
	answer, err := p.client.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&m); err != nil || m.Token == "" {
		p.t.Fatalf("%d %v", answer.StatusCode, err)
	}
	return m
}

func TestACreationIsRepeatedAcrossAnExchangeOfTheDerivationKey(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := serveOn(t, data)
	first := p.signIn("first")
	if out, errs, code := run(t, "keys", "rotate", "--data", data, "--derivation"); code != 0 {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	p.reload(`"msg":"reloaded"`)
	second := p.signIn("second")
	if again := p.signIn("first"); again != first {
		t.Error("after the reload a repetition makes another session or token")
	}
	// The key from before is of no use to what was made after the reload.
	if err := os.Remove(filepath.Join(data, "keys", "derivation.key")); err != nil {
		t.Fatal(err)
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
	p = serveOn(t, data)
	if again := p.signIn("second"); again != second {
		t.Error("the new key has not derived what was made after the reload")
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestKeysAreRotatedAndListedOffline(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if _, err := oauth.OpenKeys(filepath.Join(data, "keys")); err != nil {
		t.Fatal(err)
	}
	for _, alg := range []string{"EdDSA", "RS256"} {
		out, errs, code := run(t, "keys", "rotate", "--data", data, "--alg", alg, "--json")
		var made oauth.KeyInfo
		if err := json.Unmarshal([]byte(out), &made); err != nil || code != 0 || made.Algorithm != alg || made.ID == "" {
			t.Errorf("%d %s %s", code, out, errs)
		}
	}
	out, errs, code := run(t, "keys", "rotate", "--data", data, "--derivation")
	if code != 0 || !strings.Contains(out, "Made the derivation key ") {
		t.Errorf("%d %s\n%s", code, errs, out)
	}
	out, errs, code = run(t, "keys", "list", "--data", data)
	if code != 0 || strings.Count(out, "\n") != 6 || !strings.HasPrefix(out, "KID") || !strings.Contains(out, "EdDSA") {
		t.Errorf("%d %s\n%s", code, errs, out)
	}
	var infos []oauth.KeyInfo
	out, _, code = run(t, "keys", "list", "--data", data, "--json")
	if err := json.Unmarshal([]byte(out), &infos); err != nil || code != 0 || len(infos) != 5 || infos[3].Use != oauth.KeyDerives || infos[0].State != oauth.KeySigning {
		t.Errorf("%d %v\n%s", code, err, out)
	}
	if strings.Contains(out, "PRIVATE") {
		t.Error("a private key is printed")
	}
	files, err := filepath.Glob(filepath.Join(data, "keys", "*.pem"))
	if err != nil || len(files) != 3 {
		t.Errorf("%v %v", files, err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", file, info.Mode(), err)
		}
		text, err := os.ReadFile(file)
		if block, _ := pem.Decode(text); err != nil || block == nil || block.Type != "PRIVATE KEY" {
			t.Errorf("%s: %v", file, err)
		}
	}
}
