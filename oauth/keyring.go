package oauth

import (
	"crypto"
	"fmt"
	"slices"
	"time"
)

// A signingKey is one of our own.
type signingKey struct {
	jwk
	keyFile
	signer crypto.Signer
}

// A keyring is every signing key of a directory, oldest first.
type keyring []signingKey

// readKeyring reads the signing keys, those that are over too.
func readKeyring(dir string) (keyring, error) {
	taken, err := readTaken(dir)
	if err != nil {
		return nil, err
	}
	read, err := signingKind.read(dir)
	if err != nil {
		return nil, err
	}
	var ring keyring
	for _, r := range read {
		k, err := parseOwnKey(r)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", r.path, err)
		}
		ring = append(ring, k)
	}
	return ring, ring.files().complete(&signingKind, taken)
}

func parseOwnKey(r keyData) (k signingKey, err error) {
	k.keyFile = r.keyFile
	if k.signer, err = parseSigningKey(r.data); err != nil {
		return k, err
	}
	k.jwk, err = newJWK(k.signer.Public())
	k.id = k.Kid
	return k, err
}

// files are what is known of the keys beside the keys themselves.
func (r keyring) files() (files keyFiles) {
	for i := range r {
		files = append(files, &r[i].keyFile)
	}
	return files
}

// newest is the key that a server signs with.
func (r keyring) newest() *signingKey { return &r[len(r)-1] }

// inUse is the key that the server signs with until it reads the directory anew.
func (r keyring) inUse() *signingKey { return &r[r.files().inUse()] }

// accepted are the keys whose tokens can be alive.
func (r keyring) accepted(now time.Time) keyring {
	return slices.DeleteFunc(slices.Clone(r), func(k signingKey) bool { return k.isOver(now) })
}

// named returns the public key of an id for an algorithm, or nil.
func (r keyring) named(id, alg string) crypto.PublicKey {
	for i := range r {
		if r[i].Kid == id && r[i].Alg == alg {
			return r[i].signer.Public()
		}
	}
	return nil
}
