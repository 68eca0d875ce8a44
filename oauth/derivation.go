package oauth

import (
	"fmt"
	"time"

	"github.com/rollcall-id/rollcall"
)

// derivationKeys are every derivation key of a directory, oldest first.
type derivationKeys []derivationKey

type derivationKey struct {
	keyFile
	key rollcall.DerivationKey
}

// readDerivationKeys reads the derivation keys, those that are over too.
func readDerivationKeys(dir string) (derivationKeys, error) {
	taken, err := readTaken(dir)
	if err != nil {
		return nil, err
	}
	read, err := derivationKind.read(dir)
	if err != nil {
		return nil, err
	}
	var keys derivationKeys
	for _, r := range read {
		k := derivationKey{keyFile: r.keyFile}
		if len(r.data) != len(k.key) {
			return nil, fmt.Errorf("reading %s: not %d bytes", r.path, len(k.key))
		}
		copy(k.key[:], r.data)
		if k.key == (rollcall.DerivationKey{}) {
			return nil, fmt.Errorf("reading %s: the key is nothing but zeros", r.path)
		}
		k.id = k.key.Fingerprint()
		keys = append(keys, k)
	}
	return keys, keys.files().complete(&derivationKind, taken)
}

// files are what is known of the keys beside the keys themselves.
func (d derivationKeys) files() (files keyFiles) {
	for i := range d {
		files = append(files, &d[i].keyFile)
	}
	return files
}

// kept are the keys that a server derives with, the newest first, without those that are
// over.
func (d derivationKeys) kept(now time.Time) (kept []rollcall.DerivationKey) {
	for i := len(d) - 1; i >= 0; i-- {
		if !d[i].isOver(now) {
			kept = append(kept, d[i].key)
		}
	}
	return kept
}
