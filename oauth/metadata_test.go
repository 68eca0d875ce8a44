package oauth

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
)

func TestTheMetadataAreThoseOfTheURLThatIsAskedAndNeverOfAnother(t *testing.T) {
	f := newFixture(t)
	for host, want := range map[string]string{
		"127.0.0.1:8443": "https://127.0.0.1:8443/", "localhost:8443": "https://localhost:8443/", "LOCALHOST:8443": "https://localhost:8443/",
		"localhost": "https://127.0.0.1:8443/", "evil.example.com": "https://127.0.0.1:8443/", "": "https://127.0.0.1:8443/",
	} {
		r := httptest.NewRequest("GET", "/.well-known/oauth-authorization-server", nil)
		r.Host = host
		w := httptest.NewRecorder()
		f.issuer.Metadata().ServeHTTP(w, r)
		var m struct{ Issuer string }
		if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil || m.Issuer != want || w.Header().Get("Cache-Control") != "public, max-age=300" {
			t.Errorf("%q: %s, want %s", host, w.Body, want)
		}
	}
}
