package oauth

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rollcall-id/rollcall/internal/logtest"
)

// An endpoint publishes keys, or whatever else a test wants.
type jwksEndpoint struct {
	*httptest.Server
	fetches atomic.Int32
	answer  atomic.Pointer[http.HandlerFunc]
}

func newJWKSEndpoint(t *testing.T) *jwksEndpoint {
	t.Helper()
	e := &jwksEndpoint{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.fetches.Add(1)
		(*e.answer.Load())(w, r)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *jwksEndpoint) answers(status int, body string) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
	e.answer.Store(&h)
}

// remoteFixture trusts an issuer whose keys are published at an endpoint.
type remoteFixture struct {
	*fixture
	endpoint *jwksEndpoint
	signer   signer
	claims   jwt.MapClaims
	log      *logtest.Buffer
}

func newRemoteFixture(t *testing.T) *remoteFixture {
	t.Helper()
	f := &remoteFixture{fixture: newFixture(t, "read:sessions"), endpoint: newJWKSEndpoint(t), signer: newSigner(t, "EdDSA", "one"), log: &logtest.Buffer{}}
	f.issuer.log = f.log.Logger()
	f.endpoint.answers(200, keySetOf(t, f.signer.jwk()))
	f.reload()
	f.claims = jwt.MapClaims{"iss": otherIssuer, "aud": otherAudience, "sub": "app", "exp": at(f.now, 24*time.Hour), "scope": "read:sessions"}
	return f
}

func (f *remoteFixture) reload() {
	f.t.Helper()
	err := f.issuer.Reload(Callers{Issuers: []TrustedIssuer{{
		Issuer: otherIssuer, Audience: otherAudience, JWKSURL: f.endpoint.URL + "/jwks.json", AllowInternal: true, Scopes: []string{"read:sessions"},
	}}})
	if err != nil {
		f.t.Fatal(err)
	}
}

// accepts verifies a token that has not been seen before.
func (f *remoteFixture) accepts(s signer) bool {
	f.t.Helper()
	_, refusal := f.verify(s.sign(with(f.claims, "n", time.Now().UnixNano())))
	return refusal == nil
}

func TestManyTokensWithUnknownKeyIDsCauseOneFetch(t *testing.T) {
	f := newRemoteFixture(t)
	if !f.accepts(f.signer) || f.endpoint.fetches.Load() != 1 {
		t.Fatalf("the first token, %d fetches", f.endpoint.fetches.Load())
	}
	f.now = f.now.Add(refetchInterval)
	started := make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-started
		_, _ = w.Write([]byte(keySetOf(t, f.signer.jwk())))
	})
	f.endpoint.answer.Store(&slow)
	var all sync.WaitGroup
	for i := range 50 {
		bogus := f.signer.sign(f.claims, "kid", fmt.Sprint("bogus-", i))
		all.Go(func() {
			if _, refusal := f.verify(bogus); refusal != ErrToken {
				t.Errorf("%v", refusal)
			}
		})
	}
	close(started)
	all.Wait()
	if n := f.endpoint.fetches.Load(); n != 2 {
		t.Errorf("%d fetches, want the first and one more", n)
	}
	if !f.accepts(f.signer) {
		t.Error("a good token is refused amid the flood")
	}
}

func TestANewKeyIsFoundOnceTheIntervalIsOver(t *testing.T) {
	f := newRemoteFixture(t)
	if !f.accepts(f.signer) {
		t.Fatal("the first key")
	}
	second := newSigner(t, "ES256", "two")
	f.endpoint.answers(200, keySetOf(t, second.jwk()))
	if f.now = f.now.Add(refetchInterval - time.Second); f.accepts(second) {
		t.Error("it is fetched more often than once an interval")
	}
	if f.now = f.now.Add(time.Second); !f.accepts(second) {
		t.Error("the new key is not found")
	}
	if f.accepts(f.signer) {
		t.Error("the key that the issuer has withdrawn is accepted")
	}
}

func TestKnownKeysOutliveAnEndpointThatFails(t *testing.T) {
	f := newRemoteFixture(t)
	if !f.accepts(f.signer) {
		t.Fatal("the first token")
	}
	weak := `{"kty":"RSA","kid":"one","n":"` + strings.Repeat("A", 100) + `AQ","e":"AQAB"}`
	fetches := f.endpoint.fetches.Load()
	for _, tt := range []struct{ name, body string }{
		{"not found", ""},
		{"no JSON", "<html>"},
		{"no set", `{"kty":"RSA"}`},
		{"an empty set", `{"keys":[]}`},
		{"a key of another kind", `{"keys":[{"kty":"oct","kid":"one","k":"AAAA"}]}`},
		{"a small RSA key", `{"keys":[` + weak + `]}`},
		{"huge", `{"keys":[]` + strings.Repeat(" ", maxKeySet) + "}"},
		{"too many", `{"keys":[` + strings.Repeat("{},", maxKeyCount) + `{}]}`},
	} {
		f.endpoint.answers(map[bool]int{true: 404, false: 200}[tt.name == "not found"], tt.body)
		for range 3 {
			f.now = f.now.Add(refetchInterval)
			if _, refusal := f.verify(f.signer.sign(f.claims, "kid", "unknown")); refusal != ErrToken {
				t.Errorf("%s: an unknown key is answered %v", tt.name, refusal)
			}
			fetches++
		}
		if !f.accepts(f.signer) {
			t.Errorf("%s: the known key is forgotten", tt.name)
		}
		if warned := f.log.Count("level=WARN"); warned != 1 {
			t.Errorf("%s: it is logged %d times:\n%s", tt.name, warned, f.log)
		}
		f.endpoint.answers(200, keySetOf(t, f.signer.jwk()))
		f.now = f.now.Add(refetchInterval)
		f.verify(f.signer.sign(f.claims, "kid", "unknown"))
		fetches++
		f.log.Reset()
	}
	f.endpoint.CloseClientConnections()
	f.endpoint.Close()
	if f.now = f.now.Add(refetchInterval); !f.accepts(f.signer) {
		t.Error("down: the known key is forgotten")
	}
	if n := f.endpoint.fetches.Load(); n != fetches {
		t.Errorf("%d fetches, want %d", n, fetches)
	}
}

func TestAWithdrawnKeyDoesNotLiveOnThroughAnEndpointThatFails(t *testing.T) {
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"down": {503, ""}, "an empty set": {200, `{"keys":[]}`}, "keys that cannot verify": {200, `{"keys":[{"kty":"oct"}]}`}, "no JSON": {200, "<html>"},
	} {
		f := newRemoteFixture(t)
		if !f.accepts(f.signer) {
			t.Fatal("the first token")
		}
		begun := f.now
		f.endpoint.answers(answer.status, answer.body)
		for f.now.Sub(begun) < 12*time.Hour-refreshInterval {
			f.now = f.now.Add(refreshInterval)
			f.issuer.refresh(context.Background())
			if !f.accepts(f.signer) {
				t.Fatalf("%s: refused %s after the last fetch", name, f.now.Sub(begun))
			}
		}
		f.now = begun.Add(12 * time.Hour)
		f.issuer.refresh(context.Background())
		if f.accepts(f.signer) {
			t.Errorf("%s: the key is used for ever", name)
		}
		f.reload()
		if f.accepts(f.signer) {
			t.Errorf("%s: a reload brings the key back", name)
		}
		if n := f.log.Count("not used any more"); n != 1 {
			t.Errorf("%s: it is logged %d times:\n%s", name, n, f.log)
		}
		f.endpoint.answers(200, keySetOf(t, f.signer.jwk()))
		if f.now = f.now.Add(refetchInterval); !f.accepts(f.signer) {
			t.Errorf("%s: the key is not fetched anew", name)
		}
	}
}

func TestAnEndpointThatIsDownAtTheStartRefusesUntilItIsUp(t *testing.T) {
	f := newRemoteFixture(t)
	f.endpoint.answers(503, "")
	f.issuer.refresh(context.Background())
	if f.accepts(f.signer) {
		t.Fatal("accepted without a key")
	}
	if !f.log.Has("503") {
		t.Errorf("not logged: %s", f.log)
	}
	f.endpoint.answers(200, keySetOf(t, f.signer.jwk()))
	f.now = f.now.Add(refetchInterval)
	f.issuer.refresh(context.Background())
	if !f.accepts(f.signer) || !f.log.Has("good again") {
		t.Errorf("not accepted once it is up, or not logged: %s", f.log)
	}
	// And a reload takes nothing away, though the endpoint is down again.
	f.endpoint.answers(503, "")
	f.reload()
	if !f.accepts(f.signer) {
		t.Error("a reload forgets the keys")
	}
}

func TestOldKeySetsAreFetchedAnew(t *testing.T) {
	f := newRemoteFixture(t)
	ctx := context.Background()
	f.issuer.refresh(ctx)
	f.issuer.refresh(ctx)
	f.now = f.now.Add(refreshInterval - time.Second)
	f.issuer.refresh(ctx)
	if n := f.endpoint.fetches.Load(); n != 1 {
		t.Errorf("%d fetches before the interval is over", n)
	}
	f.now = f.now.Add(time.Second)
	f.issuer.refresh(ctx)
	if n := f.endpoint.fetches.Load(); n != 2 {
		t.Errorf("%d fetches after it", n)
	}
}

func TestRunFetchesAtTheStartAndAfterAReload(t *testing.T) {
	f := newRemoteFixture(t)
	fetched := make(chan struct{}, 10)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(keySetOf(t, f.signer.jwk())))
		fetched <- struct{}{}
	})
	f.endpoint.answer.Store(&h)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { f.issuer.Run(ctx); close(done) }()
	<-fetched
	err := f.issuer.Reload(Callers{Issuers: []TrustedIssuer{{
		Issuer: "second", Audience: "x", JWKSURL: f.endpoint.URL, AllowInternal: true, Scopes: []string{"read:sessions"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	<-fetched
	cancel()
	<-done
}

func TestKeySetsAtInternalAddressesAreRefusedWithoutConnecting(t *testing.T) {
	f := newRemoteFixture(t)
	address := strings.TrimPrefix(f.endpoint.URL, "http://")
	port := address[strings.LastIndex(address, ":"):]
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1", "192.168.0.1", "100.64.0.1", "0.0.0.0"} {
		err := f.issuer.Reload(Callers{Issuers: []TrustedIssuer{{
			Issuer: otherIssuer, Audience: otherAudience, JWKSURL: "https://" + host + port, Scopes: []string{"read:sessions"},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		f.log.Reset()
		if f.accepts(f.signer) || !f.log.Has("an internal address") {
			t.Errorf("%s: %s", host, f.log)
		}
	}
	if n := f.endpoint.fetches.Load(); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
}

func TestWhoComesDuringAFetchWaitsForItsKeys(t *testing.T) {
	f := newRemoteFixture(t)
	begun, release := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-release
		_, _ = w.Write([]byte(keySetOf(t, f.signer.jwk())))
	})
	f.endpoint.answer.Store(&h)
	keys := f.issuer.state.Load().trusted[otherIssuer].keys
	found := make(chan bool, 20)
	ask := func() { found <- keys.named(context.Background(), "one", "EdDSA") != nil }
	go ask()
	<-begun
	for range cap(found) - 1 {
		go ask()
	}
	given, cancel := context.WithCancel(context.Background())
	cancel()
	if keys.named(given, "one", "EdDSA") != nil {
		t.Error("a key before it was fetched")
	}
	select {
	case <-found:
		t.Error("somebody did not wait")
	case <-time.After(10 * time.Millisecond):
	}
	close(release)
	for range cap(found) {
		if !<-found {
			t.Error("somebody got no key")
		}
	}
}
