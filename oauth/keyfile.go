package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/rollcall-id/rollcall/internal/secretfile"
)

// maxKeyFile bounds what is read of a key file, in bytes.
const maxKeyFile = 64 << 10

// checkKeyDir makes the directory if need be. Who else can write to it can replace keys.
func checkKeyDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the key directory: %w", err)
	}
	_, err := secretfile.Judge(dir, secretfile.Secret)
	return err
}

// readKey reads a key file. One that others can read or replace is refused.
func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", path)
	case info.Size() > maxKeyFile:
		return nil, fmt.Errorf("the key file %s is larger than %d bytes", path, maxKeyFile)
	}
	if _, err := secretfile.Judge(path, secretfile.Secret); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// openKey reads a key file, or makes one that is whole or not there. In a directory that is
// read-only none is made: where somebody has put keys, such as a Secret that is mounted,
// another one would be used in the place of the one that was forgotten.
func openKey(path string, make func() ([]byte, error)) ([]byte, error) {
	data, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return data, err
	}
	dir := filepath.Dir(path)
	if isReadOnly(dir) {
		return nil, missingKeys(dir)
	}
	if data, err = make(); err != nil {
		return nil, err
	}
	// When another process was quicker, that one's key counts.
	switch err := createFile(path, data); {
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return nil, missingKeys(dir)
	case err != nil && !errors.Is(err, fs.ErrExist):
		return nil, err
	}
	return readKey(path)
}

// isReadOnly reports whether a directory's mode lets nobody write to it. Root could.
func isReadOnly(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.Mode().Perm()&0o222 == 0
}

// missingKeys names the keys that a directory does not have and that cannot be made there.
func missingKeys(dir string) error {
	var missing []string
	for _, file := range []string{signingFile, derivationFile} {
		if found, _ := fs.Glob(os.DirFS(dir), strings.Replace(file, ".", "*.", 1)); len(found) == 0 { // the pattern is a good one
			missing = append(missing, file)
		}
	}
	return fmt.Errorf("there is no %s in the key directory %s, which is read-only: put there what a server has made in a directory of its own", strings.Join(missing, " and no "), dir)
}

// createFile makes a file that is whole or not there; fs.ErrExist when there is
// one.
func createFile(path string, data []byte) error {
	return placeFile(path, data, os.Link)
}

// replaceFile gives a file new contents; a crash leaves the old or the new.
func replaceFile(path string, data []byte) error {
	return placeFile(path, data, os.Rename)
}

func placeFile(path string, data []byte, place func(from, to string) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := place(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir) // its entry must be durable, too
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// newSigningKey makes a key for an algorithm, as a PEM file.
func newSigningKey(alg string) ([]byte, error) {
	var key any
	err := checkAlgorithm(alg)
	switch alg {
	case "RS256":
		key, err = rsa.GenerateKey(rand.Reader, minRSABits)
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
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

// parseSigningKey reads a private key (PKCS #8 in PEM) that is good enough to sign
// with.
func parseSigningKey(data []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("no PEM block in it")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("not a key that signs")
	}
	_, err = algorithmOf(key.Public())
	return key, err
}
