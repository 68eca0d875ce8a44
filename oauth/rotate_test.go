package oauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall/internal/doortest"
)

// keyDir is a directory with the first key, as every release has made it.
type keyDir struct {
	t    *testing.T
	path string
	now  time.Time
}

func newKeyDir(t *testing.T) *keyDir {
	t.Helper()
	d := &keyDir{t: t, path: filepath.Join(t.TempDir(), "keys"), now: time.Now().UTC().Truncate(time.Second)}
	if err := os.Mkdir(d.path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.path, signingFile), firstKey(), 0o600); err != nil {
		t.Fatal(err)
	}
	d.open()
	return d
}

// firstKey is made once: making an RSA key takes a while.
var firstKey = sync.OnceValue(func() []byte {
	data, err := newSigningKey("RS256")
	if err != nil {
		panic(err)
	}
	return data
})

func (d *keyDir) open() *Keys {
	d.t.Helper()
	k, err := openKeys(d.path, d.now)
	if err != nil {
		d.t.Fatal(err)
	}
	return k
}

// serve opens the keys as a server does.
func (d *keyDir) serve() *Issuer {
	d.t.Helper()
	k := d.open()
	if err := k.Take(d.now); err != nil {
		d.t.Fatal(err)
	}
	i, err := NewIssuer(Options{Keys: k, PublicURLs: []string{publicURL}, Clock: func() time.Time { return d.now }})
	if err != nil {
		d.t.Fatal(err)
	}
	return i
}

func (d *keyDir) rotate(alg string) KeyInfo {
	d.t.Helper()
	made, err := RotateKey(d.path, alg, d.now)
	if err != nil {
		d.t.Fatal(err)
	}
	return made
}

func (d *keyDir) mint(i *Issuer) string {
	d.t.Helper()
	token, err := i.MintOffline("", []string{"read:sessions"}, TokenLifetime)
	if err != nil {
		d.t.Fatal(err)
	}
	return token
}

func accepted(i *Issuer, token string) bool {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	_, refusal := i.Verify(r)
	return refusal == nil
}

func published(t *testing.T, k *Keys) (algs []string) {
	t.Helper()
	w := doortest.Serve(k, "GET", "/.well-known/jwks.json", "")
	keys, skipped, err := parseKeySet(w.Body.Bytes())
	if err != nil || len(skipped) > 0 || strings.Contains(w.Body.String(), `"d"`) {
		t.Fatalf("%v %v %s", err, skipped, w.Body)
	}
	for _, key := range keys {
		algs = append(algs, key.alg)
	}
	return algs
}

func states(t *testing.T, d *keyDir) (out []string) {
	t.Helper()
	infos, err := ListKeys(d.path, d.now)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range infos {
		if k.Use == KeySigns {
			out = append(out, k.Algorithm+" "+k.State)
		}
	}
	return out
}

func TestRotationRefusesNoTokenThatIsAlive(t *testing.T) {
	d := newKeyDir(t)
	server := d.serve()
	first := d.mint(server)
	d.now = d.now.Add(time.Hour)
	d.rotate("ES256")
	if diff := cmp.Diff([]string{"ES256 next", "RS256 signing"}, states(t, d)); diff != "" {
		t.Error(diff)
	}
	// The server has not read it, ten hours long, and what is minted beside it must be
	// accepted all the same.
	d.now = d.now.Add(10 * time.Hour)
	beside, err := NewIssuer(Options{Keys: d.open(), PublicURLs: []string{publicURL}, Clock: server.clock})
	if err != nil {
		t.Fatal(err)
	}
	late := d.mint(server)
	if !accepted(server, first) || !accepted(server, late) || !accepted(server, d.mint(beside)) {
		t.Error("refused before the reload")
	}
	if err := server.Reload(Callers{}); err != nil {
		t.Fatal(err)
	}
	if err := server.keys.Take(d.now); err != nil {
		t.Fatal(err)
	}
	fresh := d.mint(server)
	for name, token := range map[string]string{"first": first, "late": late, "fresh": fresh} {
		if !accepted(server, token) {
			t.Errorf("after the reload: %s is refused", name)
		}
	}
	if diff := cmp.Diff([]string{"RS256", "ES256"}, published(t, server.keys)); diff != "" {
		t.Error(diff)
	}
	// A start does not drop the old key before the last of its tokens has ended.
	d.now = d.now.Add(TokenLifetime - time.Second)
	server = d.serve()
	if !accepted(server, late) || !accepted(server, fresh) || len(published(t, server.keys)) != 2 {
		t.Error("the old key is dropped too early")
	}
	d.now = d.now.Add(time.Second)
	server = d.serve()
	if diff := cmp.Diff([]string{"ES256"}, published(t, server.keys)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"ES256 signing", "RS256 over"}, states(t, d)); diff != "" {
		t.Error(diff)
	}
	// The next rotation removes the file of the key that is over.
	d.rotate("EdDSA")
	if _, err := os.Stat(filepath.Join(d.path, signingFile)); !os.IsNotExist(err) {
		t.Errorf("the file of the key that is over: %v", err)
	}
	if diff := cmp.Diff([]string{"EdDSA next", "ES256 signing"}, states(t, d)); diff != "" {
		t.Error(diff)
	}
}

func TestAReloadDropsOldKeys(t *testing.T) {
	d := newKeyDir(t)
	d.serve()
	d.rotate("EdDSA")
	server := d.serve()
	if n := len(published(t, server.keys)); n != 2 {
		t.Fatalf("%d keys", n)
	}
	d.now = d.now.Add(TokenLifetime)
	if err := server.Reload(Callers{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"EdDSA"}, published(t, server.keys)); diff != "" {
		t.Error(diff)
	}
}

func TestKeysOfEveryKindSign(t *testing.T) {
	d := newKeyDir(t)
	var tokens []string
	for _, alg := range Algorithms() {
		made := d.rotate(alg)
		server := d.serve()
		token := d.mint(server)
		header, err := base64url.DecodeString(token[:strings.IndexByte(token, '.')])
		if err != nil {
			t.Fatal(err)
		}
		var h struct{ Alg, Kid string }
		if err := json.Unmarshal(header, &h); err != nil || h.Alg != alg || h.Kid != made.ID {
			t.Errorf("%s: %s %v", alg, header, err)
		}
		for _, token := range append(tokens, token) {
			if !accepted(server, token) {
				t.Errorf("%s: a token is refused", alg)
			}
		}
		tokens = append(tokens, token)
	}
}

func TestANewerKeySignsWhateverTheClockSays(t *testing.T) {
	d := newKeyDir(t)
	d.rotate("RS256")
	d.now = d.now.Add(-time.Hour)
	made := d.rotate("ES256")
	d.now = d.now.Add(-time.Hour)
	if got := d.open().current.Load().signing.Kid; got != made.ID {
		t.Errorf("%s signs", got)
	}
	if info, err := os.Stat(filepath.Join(d.path, signingFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

func TestBadKeyDirectoriesAreRefused(t *testing.T) {
	for want, spoil := range map[string]func(d *keyDir) error{
		"others can read":  func(d *keyDir) error { return os.Chmod(d.rotated(), 0o604) },
		"others can write": func(d *keyDir) error { return os.Chmod(d.path, 0o707) },
		"is not a file":    func(d *keyDir) error { return os.Mkdir(filepath.Join(d.path, "signing-x.pem"), 0o700) },
		"cannot parse":     func(d *keyDir) error { return os.Rename(d.rotated(), filepath.Join(d.path, "signing-x.pem")) },
		"are the same key": func(d *keyDir) error {
			return os.Link(d.rotated(), filepath.Join(d.path, "signing-20200101T000000.000Z.pem"))
		},
		"larger than":        func(d *keyDir) error { return os.WriteFile(d.rotated(), make([]byte, maxKeyFile+1), 0o600) },
		"no PEM block":       func(d *keyDir) error { return os.WriteFile(d.rotated(), []byte("x"), 0o600) },
		"can be removed":     func(d *keyDir) error { return os.WriteFile(filepath.Join(d.path, takenFile), []byte("x"), 0o600) },
		"an RSA key of 1024": func(d *keyDir) error { return os.WriteFile(d.rotated(), badKey(d.t, "RSA"), 0o600) },
		"on another curve":   func(d *keyDir) error { return os.WriteFile(d.rotated(), badKey(d.t, "EC"), 0o600) },
	} {
		d := newKeyDir(t)
		d.rotate("ES256")
		if err := spoil(d); err != nil {
			t.Fatal(err)
		}
		if _, err := openKeys(d.path, d.now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// rotated is the file of the key that a rotation has made.
func (d *keyDir) rotated() string {
	d.t.Helper()
	files, err := filepath.Glob(filepath.Join(d.path, "signing-*.pem"))
	if err != nil || len(files) != 1 {
		d.t.Fatal(files, err)
	}
	return files[0]
}

// badKey is the file of a key that is too weak, or that nobody verifies.
func badKey(t *testing.T, kind string) []byte {
	t.Helper()
	var key any
	var err error
	if kind == "RSA" {
		t.Setenv("GODEBUG", "rsa1024min=0")
		key, err = rsa.GenerateKey(rand.Reader, 1024)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestRotationStopsBeforeThereAreMoreKeysThanAreRead(t *testing.T) {
	d := newKeyDir(t)
	for range maxKeys - 1 {
		d.rotate("EdDSA")
	}
	if _, err := RotateKey(d.path, "EdDSA", d.now); err == nil || !strings.Contains(err.Error(), "reload the server") {
		t.Errorf("one more: %v", err)
	}
	d.open()
}

func FuzzParseTaken(f *testing.F) {
	f.Add([]byte(`{"kid":"2026-03-01T12:00:00Z"}`))
	f.Add([]byte(`{"kid":"soon"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		taken, err := parseTaken("taken.json", data)
		if err != nil && len(taken) > 0 {
			t.Errorf("%v and %v", taken, err)
		}
	})
}
