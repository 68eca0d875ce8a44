package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/server"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

// An illStore is never ready.
type illStore struct{ rollcall.Store }

func (illStore) Ready(context.Context) (time.Time, error) { return time.Time{}, errors.New("ill") }

func TestProbesThatFindTheServerWellHaveNoLineInTheAccessLog(t *testing.T) {
	r := start(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, _, _ := r.do("GET", r.plain+path, ""); status != 200 {
			t.Fatalf("%s: %d", path, status)
		}
		if r.log.Has("path=" + path) {
			t.Errorf("%s is logged:\n%s", path, r.log.String())
		}
		if r.do("POST", r.plain+path, ""); !r.log.Has("path=" + path + " status=405") {
			t.Errorf("a request that is none of a probe is not logged:\n%s", r.log.String())
		}
	}
	if r.do("GET", r.plain+"/check", ""); !r.log.Has("path=/check") {
		t.Errorf("other requests are not logged:\n%s", r.log.String())
	}
	ill := startOn(t, illStore{memory.New()}, sessions.Options{})
	if status, _, _ := ill.do("GET", ill.plain+"/readyz", ""); status != 503 || !ill.log.Has("path=/readyz status=503") {
		t.Errorf("a probe that fails is not logged: %d\n%s", status, ill.log.String())
	}
}

func TestAHeaderThatIsTooLargeIsAnsweredInJSONAndLogged(t *testing.T) {
	r := start(t)
	ca, err := os.ReadFile(server.CAFile(r.dir))
	r.must(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	for proto, c := range map[string]*http.Client{
		"HTTP/1.1": {Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}},
		"HTTP/2.0": {Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}},
	} {
		for _, origin := range []string{r.plain, r.secure} {
			if proto == "HTTP/2.0" && origin == r.plain {
				continue
			}
			for size, want := range map[int]int{30 << 10: 401, 34 << 10: 431, 60 << 10: 431} {
				r.log.Reset()
				request, err := http.NewRequest("GET", origin+"/check", nil)
				r.must(err)
				request.Header.Set("Cookie", strings.Repeat("x", size))
				answer, err := c.Do(request)
				r.must(err)
				body, err := io.ReadAll(answer.Body)
				r.must(err)
				r.must(answer.Body.Close())
				if answer.StatusCode != want || answer.Proto != proto || !json.Valid(body) {
					t.Errorf("%s, %s, %d bytes: %s %d %.100s", origin, proto, size, answer.Proto, answer.StatusCode, body)
				}
				if want == 431 && !r.log.Has("path=/check status=431") {
					t.Errorf("%s, %s, %d bytes: not logged: %s", origin, proto, size, r.log.String())
				}
			}
		}
	}
}
