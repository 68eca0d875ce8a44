package oauth

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
)

// derivations are the states of the derivation keys, newest first.
func derivations(t *testing.T, d *keyDir) (out []string) {
	t.Helper()
	infos, err := ListKeys(d.path, d.now)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range infos {
		if k.Use == KeyDerives {
			out = append(out, k.State)
		}
	}
	return out
}

func (d *keyDir) rotateDerivation() KeyInfo {
	d.t.Helper()
	made, err := RotateDerivationKey(d.path, d.now)
	if err != nil {
		d.t.Fatal(err)
	}
	return made
}

func TestAnExchangedDerivationKeyIsKeptAsLongAsWhatItMadeCounts(t *testing.T) {
	d := newKeyDir(t)
	server := d.serve()
	first := server.keys.DerivationKeys()
	made := d.rotateDerivation()
	if diff := cmp.Diff([]string{KeyNext, KeyDeriving}, derivations(t, d)); diff != "" {
		t.Error(diff)
	}
	// The server derives with the first key for ten more days.
	d.now = d.now.Add(240 * time.Hour)
	if got := server.keys.DerivationKeys(); !slices.Equal(got, first) {
		t.Error("the keys change before the reload")
	}
	if err := server.Reload(Callers{}); err != nil {
		t.Fatal(err)
	}
	if err := server.keys.Take(d.now); err != nil {
		t.Fatal(err)
	}
	both := server.keys.DerivationKeys()
	if len(both) != 2 || both[0].Fingerprint() != made.ID || both[1] != first[0] {
		t.Fatalf("%d keys after the reload, not the new one and the one before", len(both))
	}
	if diff := cmp.Diff([]string{KeyDeriving, KeyOld}, derivations(t, d)); diff != "" {
		t.Error(diff)
	}
	d.now = d.now.Add(2*rollcall.IdempotencyWindow - time.Second)
	if got := d.serve().keys.DerivationKeys(); !slices.Equal(got, both) {
		t.Error("the key before is dropped too early")
	}
	d.now = d.now.Add(time.Second)
	if err := server.Reload(Callers{}); err != nil {
		t.Fatal(err)
	}
	if got := server.keys.DerivationKeys(); !slices.Equal(got, both[:1]) {
		t.Errorf("%d keys when nothing of the first one counts", len(got))
	}
	d.rotateDerivation()
	if _, err := os.Stat(filepath.Join(d.path, derivationFile)); !os.IsNotExist(err) {
		t.Errorf("the file of the key that is over: %v", err)
	}
	// The signing key has not moved.
	if diff := cmp.Diff([]string{"RS256 signing"}, states(t, d)); diff != "" {
		t.Error(diff)
	}
}

// TestKeysOfOneKindAreTakenWithoutTheOthers lets a note on one kind not lose that on another.
func TestKeysOfOneKindAreTakenWithoutTheOthers(t *testing.T) {
	d := newKeyDir(t)
	d.serve()
	d.now = d.now.Add(time.Hour)
	d.rotate("EdDSA")
	d.serve()
	d.now = d.now.Add(TokenLifetime / 2)
	d.rotateDerivation()
	d.serve()
	d.now = d.now.Add(TokenLifetime / 2)
	if diff := cmp.Diff([]string{"EdDSA signing", "RS256 over"}, states(t, d)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{KeyDeriving, KeyOld}, derivations(t, d)); diff != "" {
		t.Error(diff)
	}
}

func TestBadDerivationKeysAreRefused(t *testing.T) {
	for want, spoil := range map[string]func(path string) error{
		"others can read":   func(path string) error { return os.Chmod(path, 0o644) },
		"not 32 bytes":      func(path string) error { return os.WriteFile(path, make([]byte, 31), 0o600) },
		"nothing but zeros": func(path string) error { return os.WriteFile(path, make([]byte, 32), 0o600) },
		"cannot parse":      func(path string) error { return os.Rename(path, filepath.Join(filepath.Dir(path), "derivation-x.key")) },
		"are the same key": func(path string) error {
			return os.Link(path, filepath.Join(filepath.Dir(path), "derivation-20200101T000000.000Z.key"))
		},
		"more than 32 derivati": func(path string) error { return manyKeys(path) },
	} {
		d := newKeyDir(t)
		d.rotateDerivation()
		files, err := filepath.Glob(filepath.Join(d.path, "derivation-*.key"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		if err := spoil(files[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := openKeys(d.path, d.now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// manyKeys makes more derivation keys beside one than are read.
func manyKeys(path string) error {
	for i := range maxKeys {
		at := time.Date(2020, 1, 1, 0, 0, i, 0, time.UTC)
		key, err := newDerivationKey()
		if err == nil {
			err = os.WriteFile(filepath.Join(filepath.Dir(path), "derivation-"+at.Format(keyTime)+".key"), key, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
