package oauth

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMissingKeysAreNeverMadeInAReadOnlyFolder(t *testing.T) {
	for name, there := range map[string]string{
		"both are missing":               "",
		"the derivation key is missing":  signingFile,
		"the signing key is missing":     derivationFile,
		"a link to a key is there alone": "link",
	} {
		dir := filepath.Join(t.TempDir(), "keys")
		if _, err := OpenKeys(dir); err != nil {
			t.Fatal(err)
		}
		if there == "link" {
			if err := os.Rename(filepath.Join(dir, signingFile), filepath.Join(dir, "..data")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("..data", filepath.Join(dir, signingFile)); err != nil {
				t.Fatal(err)
			}
			there = signingFile
		}
		for _, file := range []string{signingFile, derivationFile} {
			if file != there {
				if err := os.Remove(filepath.Join(dir, file)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		_, err := OpenKeys(dir)
		if err == nil {
			t.Errorf("%s: keys are made", name)
			continue
		}
		for _, file := range []string{signingFile, derivationFile} {
			if named := strings.Contains(err.Error(), file); named != (file != there) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		left, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range left {
			if e.Name() != there && e.Name() != "..data" {
				t.Errorf("%s: %s was made", name, e.Name())
			}
		}
	}
}
