package oauth

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAReloadFlushesVerifiedTokensAndCutsScopes(t *testing.T) {
	f := newFixture(t, "read:sessions", "delete:sessions")
	token := f.token()
	if _, refusal := f.verify(token); refusal != nil {
		t.Fatal(refusal)
	}
	app := *f.issuer.state.Load().clients["app"]
	app.Scopes = []string{"read:sessions"}
	if err := f.issuer.Reload(Callers{Clients: []Client{app}}); err != nil {
		t.Fatal(err)
	}
	caller, refusal := f.verify(token)
	if diff := cmp.Diff([]string{"read:sessions"}, caller.Scopes); refusal != nil || diff != "" {
		t.Errorf("narrowed: %v %s", refusal, diff)
	}
	if err := f.issuer.Reload(Callers{}); err != nil {
		t.Fatal(err)
	}
	if _, refusal := f.verify(token); refusal != ErrToken {
		t.Errorf("a client that is gone: %v", refusal)
	}
	if w := f.post(form, f.form()); w.Code != 401 {
		t.Errorf("it still gets tokens: %d", w.Code)
	}
}

func TestAReloadWithAnErrorChangesNothing(t *testing.T) {
	d := newKeyDir(t)
	server := d.serve()
	token := d.mint(server)
	before := server.state.Load()
	for name, spoil := range map[string]func() Callers{
		"a bad client": func() Callers { return Callers{Clients: []Client{{ID: "a b"}}} },
		"a bad issuer": func() Callers { return Callers{Issuers: []TrustedIssuer{{Issuer: "a"}}} },
		"a client twice": func() Callers {
			c := Client{ID: "a", SecretHashes: [][32]byte{{1}}}
			return Callers{Clients: []Client{c, c}}
		},
		"a key others read": func() Callers { _ = os.Chmod(filepath.Join(d.path, signingFile), 0o644); return Callers{} },
	} {
		if err := server.Reload(spoil()); err == nil {
			t.Errorf("%s: no error", name)
		}
		if server.state.Load() != before || !accepted(server, token) {
			t.Errorf("%s: something has changed", name)
		}
		if err := os.Chmod(filepath.Join(d.path, signingFile), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAVerificationThatBeganBeforeAReloadFillsNothing(t *testing.T) {
	f := newFixture(t, "read:sessions")
	token := f.token()
	old := f.issuer.state.Load()
	if err := f.issuer.Reload(Callers{}); err != nil {
		t.Fatal(err)
	}
	v, refusal := f.issuer.verify(t.Context(), old, token, f.now)
	if refusal != nil {
		t.Fatal(refusal)
	}
	old.remember(token, v, f.now)
	if n := len(f.issuer.state.Load().verified); n != 0 {
		t.Errorf("%d tokens are remembered", n)
	}
	if _, refusal := f.verify(token); refusal != ErrToken {
		t.Errorf("%v", refusal)
	}
}

func TestAVerifiedTokenCostsNoAllocation(t *testing.T) {
	f := newFixture(t, "read:sessions")
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+f.token())
	if n := testing.AllocsPerRun(100, func() {
		if _, refusal := f.issuer.Verify(r); refusal != nil {
			t.Error(refusal)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
