// Package oauth gives management tokens to clients and verifies them, and those of
// other issuers: the token endpoint with client credentials (RFC 6749 4.4), the
// published keys, and the way from a bearer token to a rollcall.Caller.
package oauth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/rollcall-id/rollcall"
)

// Keys are what a node signs and derives with. They may be used at once from many
// goroutines; Issuer.Reload changes those that sign.
type Keys struct {
	// Derivation makes answers to repeated creations. It never changes.
	Derivation rollcall.DerivationKey

	dir     string
	current atomic.Pointer[keysNow]
}

// keysNow is what holds until the directory is read anew.
type keysNow struct {
	accepted keyring
	signing  *signingKey // a server's
	inUse    *signingKey // that of tokens minted offline
	jwks     []byte
}

// OpenKeys reads the keys of a directory, and makes what is missing. Files and
// directory are the owner's alone; a key that others can read is refused. Keys
// whose tokens must all have ended are dropped.
func OpenKeys(dir string) (*Keys, error) { return openKeys(dir, time.Now()) }

func openKeys(dir string, now time.Time) (*Keys, error) {
	if err := checkKeyDir(dir); err != nil {
		return nil, err
	}
	k := &Keys{dir: dir}
	derivation, err := openKey(filepath.Join(dir, derivationFile), newDerivationKey)
	if err != nil {
		return nil, err
	}
	if len(derivation) != len(k.Derivation) {
		return nil, fmt.Errorf("reading %s: not %d bytes", filepath.Join(dir, derivationFile), len(k.Derivation))
	}
	copy(k.Derivation[:], derivation)
	read, err := k.read(now)
	if err != nil {
		return nil, err
	}
	k.current.Store(read)
	return k, nil
}

// read reads the signing keys as they are in the directory now.
func (k *Keys) read(now time.Time) (*keysNow, error) {
	if err := checkKeyDir(k.dir); err != nil {
		return nil, err
	}
	ring, err := readKeyring(k.dir)
	if err == nil && len(ring) == 0 {
		if _, err = openKey(filepath.Join(k.dir, signingFile), func() ([]byte, error) { return newSigningKey(Algorithms()[0]) }); err == nil {
			ring, err = readKeyring(k.dir)
		}
	}
	if err != nil {
		return nil, err
	}
	return newKeysNow(ring, now)
}

func newKeysNow(ring keyring, now time.Time) (*keysNow, error) {
	n := &keysNow{accepted: ring.accepted(now)}
	n.signing, n.inUse = n.accepted.newest(), n.accepted.inUse()
	var set struct {
		Keys []jwk `json:"keys"`
	}
	for _, key := range n.accepted {
		set.Keys = append(set.Keys, key.jwk)
	}
	var err error
	n.jwks, err = json.Marshal(set)
	return n, err
}

// Take notes in the directory that a server signs with the newest key from now on:
// a day later its predecessors are dropped. Only a server calls it. When the note
// cannot be written, they go on being accepted.
func (k *Keys) Take(now time.Time) error {
	ring, err := readKeyring(k.dir)
	if err != nil {
		return err
	}
	current := k.current.Load()
	if len(ring) == 0 || ring.newest().Kid != current.signing.Kid {
		return nil // another one has been made since; it is taken at the next reload
	}
	if err := ring.take(k.dir, now); err != nil {
		return fmt.Errorf("noting the signing key in use: %w", err)
	}
	taken, err := newKeysNow(ring, now)
	if err == nil {
		k.current.Store(taken)
	}
	return err
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
	_, _ = w.Write(k.current.Load().jwks)
}
