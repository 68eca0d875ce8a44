// Package oauth gives management tokens to clients and verifies them, and those of
// other issuers: the token endpoint with client credentials (RFC 6749 4.4), the
// published keys, and the way from a bearer token to a rollcall.Caller.
package oauth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// Keys are what a node signs and derives with. They may be used at once from many
// goroutines; Issuer.Reload changes them.
type Keys struct {
	dir     string
	current atomic.Pointer[keysNow]
}

// keysNow is what holds until the directory is read anew.
type keysNow struct {
	accepted keyring
	signing  *signingKey // a server's
	inUse    *signingKey // that of tokens minted offline
	jwks     []byte
	// derivation is what a server derives with, the newest first; newestDerivation is the
	// id of the first.
	derivation       []rollcall.DerivationKey
	newestDerivation string
}

// OpenKeys reads the keys of a directory, and makes what is missing unless the directory is
// read-only. A key that others can read or replace is refused, see [secretfile.Judge]. Keys
// of which nothing can count any more are dropped.
func OpenKeys(dir string) (*Keys, error) { return openKeys(dir, time.Now()) }

func openKeys(dir string, now time.Time) (*Keys, error) {
	k := &Keys{dir: dir}
	read, err := k.read(now)
	if err != nil {
		return nil, err
	}
	k.current.Store(read)
	return k, nil
}

// DerivationKeys are what makes and repeats answers to requests with an Idempotency-Key:
// the newest key first, then those that can still be asked for what they made.
func (k *Keys) DerivationKeys() []rollcall.DerivationKey {
	return slices.Clone(k.current.Load().derivation)
}

// read reads the keys as they are in the directory now.
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
	derivation, err := readDerivationKeys(k.dir)
	if err == nil && len(derivation) == 0 {
		if _, err = openKey(filepath.Join(k.dir, derivationFile), newDerivationKey); err == nil {
			derivation, err = readDerivationKeys(k.dir)
		}
	}
	if err != nil {
		return nil, err
	}
	return newKeysNow(ring, derivation, now)
}

func newKeysNow(ring keyring, derivation derivationKeys, now time.Time) (*keysNow, error) {
	n := &keysNow{accepted: ring.accepted(now), derivation: derivation.kept(now), newestDerivation: derivation.files().newest().id}
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

// Take notes in the directory that a server uses the newest keys from now on: when what
// their predecessors have made no longer counts, these are dropped. Only a server calls
// Take. When the note cannot be written, the predecessors are kept.
func (k *Keys) Take(now time.Time) error {
	ring, err := readKeyring(k.dir)
	if err != nil {
		return err
	}
	derivation, err := readDerivationKeys(k.dir)
	if err != nil {
		return err
	}
	// A key that has been made since is taken at the next reload.
	current := k.current.Load()
	signing := len(ring) > 0 && ring.newest().Kid == current.signing.Kid
	deriving := len(derivation) > 0 && derivation.files().newest().id == current.newestDerivation
	noted := signing && ring.files().take(&signingKind, now)
	noted = deriving && derivation.files().take(&derivationKind, now) || noted
	if !noted {
		return nil
	}
	if err := writeTaken(k.dir, ring.files(), derivation.files()); err != nil {
		return fmt.Errorf("noting the keys in use: %w", err)
	}
	if !signing || !deriving {
		return nil
	}
	taken, err := newKeysNow(ring, derivation, now)
	if err == nil {
		k.current.Store(taken)
	}
	return err
}

// ServeHTTP answers GET /.well-known/jwks.json (RFC 7517).
func (k *Keys) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		wire.WriteOAuthError(w, http.StatusMethodNotAllowed, "invalid_request", "Only GET is answered here", "")
		return
	}
	writePublic(w, k.current.Load().jwks)
}

// writePublic answers with what everybody may know, and keep for five minutes.
func writePublic(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}
