package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-id/rollcall/internal/secretfile"
)

var protocols = []string{"h2", "http/1.1"}

// CertificateFiles say where a certificate comes from.
type CertificateFiles struct {
	// Cert has the certificate with its chain, Key its key (PEM).
	Cert, Key string
	// LocalCA, in the place of both, is the data directory whose local CA signs. Listen is
	// the loopback address that is listened on.
	LocalCA, Listen string
}

// Read reads the certificate, or lets the local CA make one that is near its end anew.
func (f CertificateFiles) Read(now time.Time) (tls.Certificate, error) {
	if f.LocalCA == "" {
		return ReadCertificate(f.Cert, f.Key)
	}
	if err := os.MkdirAll(f.LocalCA, 0o700); err != nil {
		return tls.Certificate{}, err
	}
	if listen, err := netip.ParseAddrPort(f.Listen); err == nil && listen.Addr().IsLoopback() {
		return LocalCertificate(f.LocalCA, now, listen.Addr())
	}
	return LocalCertificate(f.LocalCA, now)
}

// ReadCertificate reads a certificate, with its chain, and its key. Files that others could
// replace are refused, and so is a key that others can read.
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

// A Certificate is what a TLS listener shows. It can be exchanged while connections live:
// new ones see the new one.
type Certificate struct {
	current atomic.Pointer[tls.Certificate]

	mu    sync.Mutex
	files CertificateFiles
	seen  [2]fileStamp // of the files as they were when current was read, or could not be
}

// Set makes connections that begin from now on see another certificate, which was read from
// these files.
func (c *Certificate) Set(cert tls.Certificate, files CertificateFiles) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files, c.seen = files, files.stamps()
	c.current.Store(&cert)
}

// Config returns what a listener needs. Set comes first.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: protocols,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}

// Ends is when the certificate ends, or the first of its chain; zero before Set.
func (c *Certificate) Ends() time.Time {
	cert := c.current.Load()
	if cert == nil {
		return time.Time{}
	}
	return ends(*cert)
}

func ends(cert tls.Certificate) time.Time {
	var end time.Time
	for _, der := range cert.Certificate {
		if parsed, err := x509.ParseCertificate(der); err == nil && (end.IsZero() || parsed.NotAfter.Before(end)) {
			end = parsed.NotAfter
		}
	}
	return end
}

// certificateNotice is how long before its end a certificate is warned of; of one that lives
// shortly, a quarter of its life.
const certificateNotice = 14 * 24 * time.Hour

// CertificateWarnings says what is wrong with a certificate that can be shown nevertheless:
// its time, and hosts that it is not for.
func CertificateWarnings(cert tls.Certificate, hosts []string, now time.Time) (warnings []string) {
	leaf, end := cert.Leaf, ends(cert)
	const form = time.RFC3339
	switch notice := min(certificateNotice, leaf.NotAfter.Sub(leaf.NotBefore)/4); {
	case !now.Before(end):
		warnings = append(warnings, fmt.Sprintf("the TLS certificate, or one of its chain, has been over since %s: clients refuse it", end.UTC().Format(form)))
	case now.Before(leaf.NotBefore):
		warnings = append(warnings, fmt.Sprintf("the TLS certificate counts from %s on only: until then clients refuse it", leaf.NotBefore.UTC().Format(form)))
	case !now.Add(notice).Before(end):
		warnings = append(warnings, fmt.Sprintf("the TLS certificate, or one of its chain, ends at %s: renew it", end.UTC().Format(form)))
	}
	for _, host := range hosts {
		if err := leaf.VerifyHostname(host); err != nil {
			warnings = append(warnings, fmt.Sprintf("the TLS certificate is not for %s, which public_url names: clients refuse it there", host))
		}
	}
	return warnings
}

const (
	// certificatePoll is how often Run looks whether the files have changed.
	certificatePoll = 2 * time.Second
	// certificateReminder is how often Run warns of an end that is near.
	certificateReminder = 24 * time.Hour
	// localCAPoll is how often Run has the local CA look at its end.
	localCAPoll = time.Hour
)

// Run takes the certificate anew when its files change, has the local CA make its own anew
// before the end, and warns of an end once a day, until ctx is done.
func (c *Certificate) Run(ctx context.Context, log *slog.Logger) { c.run(ctx, log, certificatePoll) }

func (c *Certificate) run(ctx context.Context, log *slog.Logger, poll time.Duration) {
	t := time.NewTicker(poll)
	defer t.Stop()
	reminded := time.Now() // the start has warned
	looked := reminded     // at the local CA
	var before [2]fileStamp
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			local := now.Sub(looked) >= localCAPoll
			if local {
				looked = now
			}
			before = c.follow(before, local, now, log)
			if cert := c.current.Load(); now.Sub(reminded) >= certificateReminder {
				reminded = now
				for _, w := range CertificateWarnings(*cert, nil, now) {
					log.Warn(w)
				}
			}
		}
	}
}

// follow reads the files if they are others than those that were read, and the same as when
// follow looked before: two files are seldom replaced at once. Each state of the files is read
// once.
func (c *Certificate) follow(before [2]fileStamp, local bool, now time.Time, log *slog.Logger) (stamps [2]fileStamp) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamps = c.files.stamps()
	if !(local && c.files.LocalCA != "") && (stamps == c.seen || stamps != before) {
		return stamps
	}
	c.seen = stamps
	cert, err := c.files.Read(now)
	if err != nil {
		log.Warn("the TLS certificate has changed and is not taken: the one before stays in use", "error", err)
		return stamps
	}
	c.seen = c.files.stamps()
	if old := c.current.Swap(&cert); !old.Leaf.Equal(cert.Leaf) {
		log.Info("took a new TLS certificate", "serial", cert.Leaf.SerialNumber.Text(16), "ends", cert.Leaf.NotAfter)
		for _, w := range CertificateWarnings(cert, nil, now) {
			log.Warn(w)
		}
	}
	return stamps
}

// A fileStamp tells states of a file apart. The zero stamp is no file.
type fileStamp struct {
	changed time.Time
	size    int64
}

func (f CertificateFiles) stamps() (s [2]fileStamp) {
	for i, path := range []string{f.Cert, f.Key} {
		if info, err := os.Stat(path); path != "" && err == nil {
			s[i] = fileStamp{info.ModTime(), info.Size()}
		}
	}
	return s
}
