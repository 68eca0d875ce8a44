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
)

// maxKeyFile bounds what is read of a key file, in bytes.
const maxKeyFile = 64 << 10

// checkKeyDir makes the directory if need be. Who can write to it can replace
// keys, so that is the owner alone.
func checkKeyDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the key directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("others can write to the key directory %s (mode %#o): chmod 700 it", dir, info.Mode().Perm())
	}
	return nil
}

// readKey reads a key file. One that others can read is refused.
func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("others can read the key file %s (mode %#o): chmod 600 it, and replace the key if they may have", path, info.Mode().Perm())
	case info.Size() > maxKeyFile:
		return nil, fmt.Errorf("the key file %s is larger than %d bytes", path, maxKeyFile)
	}
	return os.ReadFile(path)
}

// openKey reads a key file, or makes one that is whole or not there.
func openKey(path string, make func() ([]byte, error)) ([]byte, error) {
	data, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return data, err
	}
	if data, err = make(); err != nil {
		return nil, err
	}
	// When another process was quicker, that one's key counts.
	if err := createFile(path, data); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return readKey(path)
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
