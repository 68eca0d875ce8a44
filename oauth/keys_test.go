package oauth

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall/internal/doortest"
	"github.com/rollcall-id/rollcall/reference/referencetest"
)

func FuzzParseSigningKey(f *testing.F) {
	for _, alg := range Algorithms() {
		key, err := newSigningKey(alg)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(key)
	}
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := parseSigningKey(data)
		if err != nil {
			return
		}
		if _, err := newJWK(k.Public()); err != nil {
			t.Errorf("a key is read that cannot be published: %v", err)
		}
	})
}

func TestTheKeysAreReadAndNothingElse(t *testing.T) {
	h := referencetest.Handler(t, testKeys())
	for _, method := range []string{"POST", "DELETE", "OPTIONS"} {
		w := doortest.Serve(h, method, "/.well-known/jwks.json", "")
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" || !strings.HasPrefix(w.Body.String(), `{"error":"invalid_request"`) {
			t.Errorf("%s: %d %v %s", method, w.Code, w.Header(), w.Body)
		}
	}
}

func TestKeySetsOfEveryAlgorithmFitTheReference(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	if _, err := OpenKeys(dir); err != nil { // RS256
		t.Fatal(err)
	}
	for _, alg := range []string{"ES256", "EdDSA"} {
		if _, err := RotateKey(dir, alg, now); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	w := doortest.Serve(referencetest.Handler(t, keys), http.MethodGet, "/.well-known/jwks.json", "")
	for _, kind := range []string{"RSA", "EC", "OKP"} {
		if !strings.Contains(w.Body.String(), `"kty":"`+kind+`"`) {
			t.Errorf("no key of the kind %s: %s", kind, w.Body)
		}
	}
}
