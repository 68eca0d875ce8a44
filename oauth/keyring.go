package oauth

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
)

// The key directory: signing.pem is the first signing key, each later one carries
// the instant it was made in its name, and the newest signs. What a server signs
// with, and since when, is noted in takenFile, because a key that was made is used
// only once a server has read it: until then its predecessor goes on giving out
// tokens.
const (
	signingFile    = "signing.pem"
	signingPrefix  = "signing-"
	signingTime    = "20060102T150405.000Z"
	derivationFile = "derivation.key"
	takenFile      = "taken.json"
)

// maxSigningKeys bounds how many there may be.
const maxSigningKeys = 32

// A signingKey is one of our own.
type signingKey struct {
	jwk
	signer  crypto.Signer
	path    string
	created time.Time
	taken   time.Time // when a server first signed with it; zero if none has
	until   time.Time // when it is dropped; zero if nothing has followed it
}

// A keyring is every signing key of a directory, oldest first.
type keyring []signingKey

// readKeyring reads the signing keys, those that are over too.
func readKeyring(dir string) (keyring, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	taken, err := readTaken(filepath.Join(dir, takenFile))
	if err != nil {
		return nil, err
	}
	var ring keyring
	for _, e := range entries {
		if e.Name() != signingFile && (!strings.HasPrefix(e.Name(), signingPrefix) || !strings.HasSuffix(e.Name(), ".pem")) {
			continue
		}
		if len(ring) == maxSigningKeys {
			return nil, fmt.Errorf("there are more than %d signing keys in %s", maxSigningKeys, dir)
		}
		k, err := readSigningKey(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", filepath.Join(dir, e.Name()), err)
		}
		if at := slices.IndexFunc(ring, func(other signingKey) bool { return other.Kid == k.Kid }); at >= 0 {
			return nil, fmt.Errorf("%s and %s are the same key: remove one", ring[at].path, k.path)
		}
		k.taken = taken[k.Kid]
		ring = append(ring, k)
	}
	slices.SortFunc(ring, func(a, b signingKey) int {
		if isFirst := filepath.Base(a.path) == signingFile; isFirst || filepath.Base(b.path) == signingFile {
			return map[bool]int{true: -1, false: 1}[isFirst]
		}
		return a.created.Compare(b.created)
	})
	return ring.withEnds(), nil
}

func readSigningKey(path string) (k signingKey, err error) {
	data, err := readKey(path)
	if err != nil {
		return k, err
	}
	if k.signer, err = parseSigningKey(data); err != nil {
		return k, err
	}
	if k.jwk, err = newJWK(k.signer.Public()); err != nil {
		return k, err
	}
	k.path = path
	name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), signingPrefix), ".pem")
	if filepath.Base(path) != signingFile {
		k.created, err = time.Parse(signingTime, name)
		return k, err
	}
	info, err := os.Stat(path)
	if err == nil {
		k.created = info.ModTime()
	}
	return k, err
}

// withEnds says of each key until when it is accepted: as long as a token can live
// that was signed just before a server took one of its successors.
func (r keyring) withEnds() keyring {
	var next time.Time
	for i := len(r) - 1; i >= 0; i-- {
		if !next.IsZero() {
			r[i].until = next.Add(TokenLifetime)
		}
		if t := r[i].taken; !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return r
}

// newest is the key that a server signs with.
func (r keyring) newest() *signingKey { return &r[len(r)-1] }

// inUse is the key that the server signs with until it reads the directory anew.
// Before any has, it is the newest.
func (r keyring) inUse() *signingKey {
	for i := len(r) - 1; i >= 0; i-- {
		if !r[i].taken.IsZero() {
			return &r[i]
		}
	}
	return r.newest()
}

// accepted are the keys whose tokens can be alive.
func (r keyring) accepted(now time.Time) keyring {
	return slices.DeleteFunc(slices.Clone(r), func(k signingKey) bool { return k.isOver(now) })
}

func (k *signingKey) isOver(now time.Time) bool { return !k.until.IsZero() && !now.Before(k.until) }

// named returns the public key of an id for an algorithm, or nil.
func (r keyring) named(id, alg string) crypto.PublicKey {
	for i := range r {
		if r[i].Kid == id && r[i].Alg == alg {
			return r[i].signer.Public()
		}
	}
	return nil
}

// take notes that a server signs with the newest key from now on, if that is new.
func (r keyring) take(dir string, now time.Time) error {
	k := r.newest()
	if !k.taken.IsZero() {
		return nil
	}
	k.taken = now.UTC().Truncate(time.Second)
	r.withEnds()
	taken := map[string]time.Time{}
	for _, k := range r {
		if !k.taken.IsZero() {
			taken[k.Kid] = k.taken
		}
	}
	data, err := json.MarshalIndent(taken, "", "  ")
	if err == nil {
		err = replaceFile(filepath.Join(dir, takenFile), append(data, '\n'))
	}
	return err
}

func readTaken(path string) (map[string]time.Time, error) {
	data, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseTaken(path, data)
}

func parseTaken(path string, data []byte) (map[string]time.Time, error) {
	var taken map[string]time.Time
	if err := json.Unmarshal(data, &taken); err != nil {
		return nil, fmt.Errorf("reading %s: %w (the file can be removed: old keys then stay a day longer)", rollcall.Echo(path), err)
	}
	return taken, nil
}
