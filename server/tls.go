package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rollcall-id/rollcall/internal/secretfile"
)

// The local CA is for trying out on loopback: it can sign for nothing else, and
// not for long.
const (
	localCALifetime = 30 * 24 * time.Hour
	localCARenewal  = 7 * 24 * time.Hour
)

// CAFile is where the local CA's certificate lies in a data directory.
func CAFile(dataDir string) string { return filepath.Join(dataDir, "tls", "ca.pem") }

// LocalTLS is what a listener needs to show LocalCertificate.
func LocalTLS(dataDir string, now time.Time) (*tls.Config, error) {
	cert, err := LocalCertificate(dataDir, now)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, NextProtos: protocols}, nil
}

// LocalCertificate reads the local CA's leaf from the data directory, and makes CA
// and leaf anew when they are missing or near their end. The leaf is for localhost,
// 127.0.0.1 and ::1, and for other loopback addresses that are named.
func LocalCertificate(dataDir string, now time.Time, others ...netip.Addr) (tls.Certificate, error) {
	dir := filepath.Join(dataDir, "tls")
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if cert, err := tls.LoadX509KeyPair(certFile, keyFile); err == nil && now.Add(localCARenewal).Before(cert.Leaf.NotAfter) && isFor(cert.Leaf, others) {
		if _, err := os.Stat(CAFile(dataDir)); err == nil {
			return ReadCertificate(certFile, keyFile)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return tls.Certificate{}, err
	}
	if _, err := secretfile.Judge(dir, secretfile.Secret); err != nil {
		return tls.Certificate{}, err
	}
	if err := makeLocalCA(dir, now, others...); err != nil {
		return tls.Certificate{}, fmt.Errorf("making the local CA: %w", err)
	}
	return ReadCertificate(certFile, keyFile)
}

func isFor(leaf *x509.Certificate, addrs []netip.Addr) bool {
	return !slices.ContainsFunc(addrs, func(a netip.Addr) bool { return leaf.VerifyHostname(a.String()) != nil })
}

func makeLocalCA(dir string, now time.Time, others ...netip.Addr) error {
	addrs := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	for _, a := range others {
		if !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	var ips []net.IP
	var ranges []*net.IPNet
	for _, a := range addrs {
		ips = append(ips, a.AsSlice())
		ranges = append(ranges, &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())})
	}
	ca := &x509.Certificate{
		Subject:                     pkix.Name{CommonName: "Rollcall local CA"},
		IsCA:                        true,
		BasicConstraintsValid:       true,
		MaxPathLenZero:              true,
		KeyUsage:                    x509.KeyUsageCertSign,
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{"localhost"},
		PermittedIPRanges:           ranges,
	}
	leaf := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "localhost"},
		DNSNames:    []string{"localhost"},
		IPAddresses: ips,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caKey, err := sign(ca, ca, nil, now)
	if err != nil {
		return err
	}
	leafKey, err := sign(leaf, ca, caKey, now)
	if err != nil {
		return err
	}
	// The CA's own key is not kept: it has signed all that it ever will.
	return errors.Join(
		writePEM(filepath.Join(dir, "key.pem"), 0o600, "PRIVATE KEY", leafKey),
		writePEM(filepath.Join(dir, "cert.pem"), 0o644, "CERTIFICATE", leaf.Raw, ca.Raw),
		writePEM(filepath.Join(dir, "ca.pem"), 0o644, "CERTIFICATE", ca.Raw),
	)
}

// sign completes a certificate with a new key and returns the key; nil for the
// parent's key stands for the new one.
func sign(cert, parent *x509.Certificate, parentKey any, now time.Time) (any, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if parentKey == nil {
		parentKey = key
	}
	if cert.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, err
	}
	cert.NotBefore, cert.NotAfter = now.Add(-time.Hour), now.Add(localCALifetime)
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, key.Public(), parentKey)
	if err != nil {
		return nil, err
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	*cert = *made
	return key, nil
}

// writePEM writes blocks to a file that is whole or not there. A block is the DER
// of a certificate, or a private key.
func writePEM(path string, mode os.FileMode, kind string, blocks ...any) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	for _, block := range blocks {
		der, ok := block.([]byte)
		if !ok {
			if der, err = x509.MarshalPKCS8PrivateKey(block); err != nil {
				return errors.Join(err, f.Close())
			}
		}
		err = errors.Join(err, pem.Encode(f, &pem.Block{Type: kind, Bytes: der}))
	}
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
