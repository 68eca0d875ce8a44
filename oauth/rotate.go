package oauth

import (
	"errors"
	"time"

	"github.com/rollcall-id/rollcall"
)

// A KeyInfo describes a key of ours, without anything secret.
type KeyInfo struct {
	ID string `json:"kid"`
	// Use is one of the two below.
	Use       string    `json:"use"`
	Algorithm string    `json:"alg"`
	Created   time.Time `json:"created"`
	// State is one of those below.
	State string `json:"state"`
	// Until is when an old key is dropped; zero for one that is not old.
	Until time.Time `json:"until,omitzero"`
}

// The uses of a key.
const (
	KeySigns   = "sig"    // management tokens
	KeyDerives = "derive" // what is answered to a repeated request
)

// The states of a key.
const (
	KeySigning  = "signing"  // the server signs with it
	KeyDeriving = "deriving" // the server derives with it
	KeyNext     = "next"     // the server will, once it reads the directory anew
	KeyOld      = "old"      // what it has made still counts
	KeyOver     = "over"     // nothing of it counts, and its file is no use
)

// derivationAlgorithm is how derivation keys are used.
const derivationAlgorithm = "HS256"

// RotateKey makes a new signing key in a directory, for one of Algorithms. A server
// takes it at its next start or reload; tokens that older keys have signed go on
// being accepted as long as they live. Files of keys that are over are removed.
func RotateKey(dir, alg string, now time.Time) (KeyInfo, error) {
	if err := errors.Join(checkAlgorithm(alg), checkKeyDir(dir)); err != nil {
		return KeyInfo{}, err
	}
	ring, err := readKeyring(dir)
	if err != nil {
		return KeyInfo{}, err
	}
	data, err := newSigningKey(alg)
	if err != nil {
		return KeyInfo{}, err
	}
	path, created, err := ring.files().add(dir, &signingKind, data, now)
	if err != nil {
		return KeyInfo{}, err
	}
	made, err := signingKind.readOne(path)
	if err != nil {
		return KeyInfo{}, err
	}
	k, err := parseOwnKey(made)
	return KeyInfo{ID: k.Kid, Use: KeySigns, Algorithm: k.Alg, Created: created, State: KeyNext}, err
}

// RotateDerivationKey makes a new derivation key in a directory. A server takes it at its
// next start or reload; what older keys have made can still be asked for again. Files of keys
// that are over are removed.
func RotateDerivationKey(dir string, now time.Time) (KeyInfo, error) {
	if err := checkKeyDir(dir); err != nil {
		return KeyInfo{}, err
	}
	keys, err := readDerivationKeys(dir)
	if err != nil {
		return KeyInfo{}, err
	}
	data, err := newDerivationKey()
	if err != nil {
		return KeyInfo{}, err
	}
	_, created, err := keys.files().add(dir, &derivationKind, data, now)
	if err != nil {
		return KeyInfo{}, err
	}
	id := rollcall.DerivationKey(data).Fingerprint()
	return KeyInfo{ID: id, Use: KeyDerives, Algorithm: derivationAlgorithm, Created: created, State: KeyNext}, nil
}

// ListKeys describes the keys of a directory, those that sign before those that derive,
// newest first.
func ListKeys(dir string, now time.Time) ([]KeyInfo, error) {
	ring, err := readKeyring(dir)
	if err != nil {
		return nil, err
	}
	keys, err := readDerivationKeys(dir)
	if err != nil {
		return nil, err
	}
	infos := ring.files().infos(now, KeySigning, func(i int) KeyInfo { return KeyInfo{Use: KeySigns, Algorithm: ring[i].Alg} })
	return append(infos, keys.files().infos(now, KeyDeriving, func(int) KeyInfo {
		return KeyInfo{Use: KeyDerives, Algorithm: derivationAlgorithm}
	})...), nil
}
