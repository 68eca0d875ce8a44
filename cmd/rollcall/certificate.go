package main

import (
	"crypto/tls"
	"errors"
	"net/url"
	"time"

	"github.com/rollcall-id/rollcall/server"
)

// showCertificate reads what the TLS listener shows; nil without one.
func (r *running) showCertificate() (*tls.Config, error) {
	files, err := certificateFiles(r.cfg)
	if err != nil || files == (server.CertificateFiles{}) {
		return nil, err
	}
	cert, err := files.Read(time.Now())
	if err != nil {
		return nil, err
	}
	r.cert.Set(cert, files)
	return r.cert.Config(), nil
}

// certificateFiles are those of what the TLS listener shows: the configured certificate, or
// without one the local CA's; zero without a TLS listener.
func certificateFiles(cfg *config) (files server.CertificateFiles, err error) {
	certFile, keyFile := cfg.text("tls_cert"), cfg.text("tls_key")
	switch {
	case (certFile == "") != (keyFile == ""):
		return files, errors.New("tls_cert and tls_key go together: one of them is missing")
	case cfg.address("tls_listen") == "":
		return files, nil
	case certFile != "":
		return server.CertificateFiles{Cert: certFile, Key: keyFile}, nil
	}
	return server.CertificateFiles{LocalCA: cfg.text("data"), Listen: cfg.address("tls_listen")}, nil
}

// certificateWarnings are those of a certificate that is configured. The local CA sees to
// its own.
func (c *config) certificateWarnings() []string {
	files, err := certificateFiles(c)
	if err != nil || files.Cert == "" {
		return nil
	}
	cert, err := files.Read(time.Now())
	if err != nil {
		return nil // consistent says so
	}
	var hosts []string
	for _, text := range c.list("public_url") {
		if u, err := url.Parse(text); err == nil && u.Scheme == "https" && !c.flag("behind_proxy") {
			hosts = append(hosts, u.Hostname())
		}
	}
	return server.CertificateWarnings(cert, hosts, time.Now())
}
