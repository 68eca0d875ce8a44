package main

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// lastIP is the address that a user's only session was used from last.
func (p *process) lastIP(user string) string {
	p.t.Helper()
	status, body := p.get("/api/v2/users/"+user+"/sessions", p.mint("read:sessions"))
	_, rest, ok := strings.Cut(body, `"last_ip":"`)
	if status != http.StatusOK || !ok {
		p.t.Fatalf("%d %s", status, body)
	}
	ip, _, _ := strings.Cut(rest, `"`)
	return ip
}

// get asks with a bearer token and more headers.
func (p *process) get(path, token string, headers ...string) (status int, body string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.plain+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestOneHeaderSaysWhereAUserIs(t *testing.T) {
	p := serveOn(t, filepath.Join(t.TempDir(), "data"), "--trusted-proxies", "::ffff:127.0.0.1", "--client-address-header", "Forwarded")
	m, err := p.create(context.Background(), p.mint("create:sessions"), "u")
	if err != nil {
		t.Fatal(err)
	}
	status, _ := p.get("/check", m.Token, "Forwarded", `for="[2001:db8::7]:443"`, "X-Forwarded-For", "198.51.100.1", "X-Real-IP", "198.51.100.2")
	if ip := p.lastIP("u"); status != http.StatusOK || ip != "2001:db8::7" {
		t.Errorf("%d, %s", status, ip)
	}
}
