package server

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"sync/atomic"

	"github.com/rollcall-id/rollcall/internal/secretfile"
)

var protocols = []string{"h2", "http/1.1"}

// A Certificate is what a TLS listener shows. It can be exchanged while
// connections live: new ones see the new one.
type Certificate struct {
	current atomic.Pointer[tls.Certificate]
}

// ReadCertificate reads a certificate, with its chain, and its key.
func ReadCertificate(certFile, keyFile string) (tls.Certificate, error) {
	_, certErr := secretfile.Judge(certFile, secretfile.Decides)
	_, keyErr := secretfile.Judge(keyFile, secretfile.Secret)
	err := cmp.Or(keyErr, certErr)
	var cert tls.Certificate
	if err == nil {
		cert, err = tls.LoadX509KeyPair(certFile, keyFile)
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("reading the TLS certificate: %w", err)
	}
	return cert, nil
}

// Set makes connections that begin from now on see another certificate.
func (c *Certificate) Set(cert tls.Certificate) { c.current.Store(&cert) }

// Config returns what a listener needs. Set comes first.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: protocols,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}
