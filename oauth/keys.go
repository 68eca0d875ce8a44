// Package oauth gives management tokens to clients and verifies them: the token
// endpoint with client credentials (RFC 6749 4.4), the published keys, and the
// way from a bearer token to a rollcall.Caller.
package oauth

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/http"
	"os"
	"path/filepath"

	"github.com/rollcall-id/rollcall"
)

const (
	signingFile    = "signing.pem"
	derivationFile = "derivation.key"
	rsaBits        = 2048
)

// Keys are what a node signs and derives with. They are read-only.
type Keys struct {
	// Derivation makes answers to repeated creations.
	Derivation rollcall.DerivationKey

	signing *rsa.PrivateKey
	kid     string
	jwks    []byte
}

// OpenKeys reads the keys of a directory, and makes what is missing. Files and
// directory are the owner's alone; a key that others can read is refused.
func OpenKeys(dir string) (*Keys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the key directory: %w", err)
	}
	k := &Keys{}
	signing, err := openKey(filepath.Join(dir, signingFile), newSigningKey)
	if err != nil {
		return nil, err
	}
	if k.signing, err = parseSigningKey(signing); err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(dir, signingFile), err)
	}
	derivation, err := openKey(filepath.Join(dir, derivationFile), newDerivationKey)
	if err != nil {
		return nil, err
	}
	if len(derivation) != len(k.Derivation) {
		return nil, fmt.Errorf("reading %s: not %d bytes", filepath.Join(dir, derivationFile), len(k.Derivation))
	}
	copy(k.Derivation[:], derivation)
	k.publish()
	return k, nil
}

// openKey reads a key file, or makes one that is whole or not there.
func openKey(path string, make func() ([]byte, error)) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return createKey(path, make)
	case err != nil:
		return nil, err
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("others can read the key file %s (mode %#o): chmod 600 it, and replace the key if they may have", path, info.Mode().Perm())
	}
	return os.ReadFile(path)
}

func createKey(path string, make func() ([]byte, error)) ([]byte, error) {
	data, err := make()
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // with mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	// A link fails when another process was quicker; then that one's key counts.
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path)
}

func newSigningKey() ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

func newDerivationKey() ([]byte, error) {
	b := make([]byte, 32)
	_, err := rand.Read(b)
	return b, err
}

func parseSigningKey(data []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("no PEM block in it")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok || key.N.BitLen() < rsaBits {
		return nil, fmt.Errorf("not an RSA key of at least %d bits", rsaBits)
	}
	return key, nil
}

// publish names the key by its thumbprint (RFC 7638) and prepares the key set.
func (k *Keys) publish() {
	n := base64.RawURLEncoding.EncodeToString(k.signing.N.Bytes())
	e := base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.signing.E)).Bytes())
	sum := sha256.Sum256([]byte(`{"e":"` + e + `","kty":"RSA","n":"` + n + `"}`))
	k.kid = base64.RawURLEncoding.EncodeToString(sum[:])
	type jwk struct {
		Kty string `json:"kty"`
		Use string `json:"use"`
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		N   string `json:"n"`
		E   string `json:"e"`
	}
	k.jwks, _ = json.Marshal(map[string][]jwk{"keys": {{"RSA", "sig", "RS256", k.kid, n, e}}})
}

// ServeHTTP answers GET /.well-known/jwks.json (RFC 7517).
func (k *Keys) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		write(w, http.StatusMethodNotAllowed, map[string]any{"error": "invalid_request", "error_description": "Only GET is answered here"})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(k.jwks)
}
