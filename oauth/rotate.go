package oauth

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A KeyInfo describes a signing key, without anything secret.
type KeyInfo struct {
	ID        string    `json:"kid"`
	Algorithm string    `json:"alg"`
	Created   time.Time `json:"created"`
	// State is one of the four below.
	State string `json:"state"`
	// Until is when an old key is dropped; zero for one that is not old.
	Until time.Time `json:"until,omitzero"`
}

// The states of a signing key.
const (
	KeySigning = "signing" // the server signs with it
	KeyNext    = "next"    // the server will, once it reads the directory anew
	KeyOld     = "old"     // its tokens are accepted
	KeyOver    = "over"    // its tokens are not, and its file is no use
)

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
	if len(ring) >= maxSigningKeys {
		return KeyInfo{}, fmt.Errorf("there are %d signing keys already: reload the server, so that the old ones come to their end", len(ring))
	}
	data, err := newSigningKey(alg)
	if err != nil {
		return KeyInfo{}, err
	}
	// Newer than every other, whatever the clock says.
	created := now.UTC().Truncate(time.Millisecond)
	if len(ring) > 0 && !created.After(ring.newest().created) {
		created = ring.newest().created.UTC().Truncate(time.Millisecond).Add(time.Millisecond)
	}
	path := filepath.Join(dir, signingPrefix+created.Format(signingTime)+".pem")
	if err := createFile(path, data); err != nil {
		return KeyInfo{}, err
	}
	for _, k := range ring {
		if k.isOver(now) {
			if err := os.Remove(k.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return KeyInfo{}, err
			}
		}
	}
	made, err := readSigningKey(path)
	return KeyInfo{ID: made.Kid, Algorithm: made.Alg, Created: made.created.UTC(), State: KeyNext}, err
}

// ListKeys describes the signing keys of a directory, newest first.
func ListKeys(dir string, now time.Time) ([]KeyInfo, error) {
	ring, err := readKeyring(dir)
	if err != nil || len(ring) == 0 {
		return nil, err
	}
	used := ring.inUse()
	var infos []KeyInfo
	past := false // whether the key in use has been listed
	for i := len(ring) - 1; i >= 0; i-- {
		k := &ring[i]
		info := KeyInfo{ID: k.Kid, Algorithm: k.Alg, Created: k.created.UTC().Truncate(time.Millisecond), Until: k.until.UTC(), State: KeyNext}
		switch {
		case k == used:
			info.State, past = KeySigning, true
		case k.isOver(now):
			info.State = KeyOver
		case past:
			info.State = KeyOld
		}
		if k.until.IsZero() {
			info.Until = time.Time{}
		}
		infos = append(infos, info)
	}
	return infos, nil
}
