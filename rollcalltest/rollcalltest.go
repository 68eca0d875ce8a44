// Package rollcalltest runs a real server within a test: https on a free port of
// loopback, everything in memory, and a clock that can be moved.
//
//	srv := rollcalltest.New(t)
//	signedIn, err := srv.Client.Create(ctx, client.NewSession{UserID: "ada", Methods: []client.Method{{Name: "pwd"}}})
package rollcalltest

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/client"
	"github.com/rollcall-id/rollcall/internal/request"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/oauth"
	"github.com/rollcall-id/rollcall/server"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

// ClientID is the id of the client that a server knows, with every scope.
const ClientID = "test"

// Options change what a server is like. The zero value is that of New.
type Options struct {
	// Policy is the limits; one without lifetimes stands for the default.
	Policy rollcall.Policy
	// CookieName, CookieDomain and CookieSameSite are the settings of those names; CookieDomain
	// shares the session cookie with sub-domains.
	CookieName     string
	CookieDomain   string
	CookieSameSite http.SameSite
	// EndingAge is how lately users must have been authenticated to end sessions of
	// their own; 0 asks for nothing.
	EndingAge time.Duration
	// TrustedProxies may say where users are; nil trusts loopback, where the
	// application under test runs, and an empty list nobody.
	TrustedProxies []string
	// CheckClients are the applications that a check of a trusted proxy may name.
	CheckClients []string
	// Logger takes the server's log; nil discards it.
	Logger *slog.Logger
}

// A Server is one that runs until its test ends.
type Server struct {
	// URL is the server's origin, such as https://127.0.0.1:40123.
	URL string
	// CA vouches for the server's certificate, CAFile is its file in PEM, for programs
	// that a test starts.
	CA     *x509.CertPool
	CAFile string
	// ClientSecret is that of the client ClientID, which has every scope.
	ClientSecret string
	// Client is that client.
	Client *client.Client
	// Manager acts on the sessions directly.
	Manager *sessions.Manager

	http   *http.Client
	offset atomic.Int64
	stop   func() error
}

// New runs a server until the test ends. What fails, fails the test.
func New(t testing.TB) *Server {
	t.Helper()
	return Start(t, Options{})
}

// Start is New with options.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{}
	if err := s.start(t, o); err != nil {
		t.Fatalf("rollcalltest: %v", err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("rollcalltest: stopping: %v", err)
		}
	})
	return s
}

// Now is the server's clock: the machine's, moved by what Advance has said.
func (s *Server) Now() time.Time { return time.Now().Add(time.Duration(s.offset.Load())) }

// Advance moves the server's clock. Sessions and management tokens grow older by
// it; certificates do not.
func (s *Server) Advance(d time.Duration) { s.offset.Add(int64(d)) }

// HTTPClient returns a new client that trusts the server and follows no redirect. Its
// connections are closed with the server's end.
func (s *Server) HTTPClient() *http.Client {
	c := *s.http
	return &c
}

// Stop ends the server before its test does, as an outage would. It may be called
// more than once.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.stop(); err != nil {
		t.Errorf("rollcalltest: stopping: %v", err)
	}
}

// secrets are made once for all servers of a process: making them takes longer than
// most tests do.
type secrets struct {
	keys *oauth.Keys
	tls  *tls.Config
	ca   []byte
}

var made = sync.OnceValues(func() (made secrets, err error) {
	dir, err := os.MkdirTemp("", "rollcalltest-")
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if made.keys, err = oauth.OpenKeys(dir + "/keys"); err != nil {
		return made, err
	}
	if made.tls, err = server.LocalTLS(dir, time.Now()); err != nil {
		return made, err
	}
	made.ca, err = os.ReadFile(server.CAFile(dir))
	return made, err
})

func (s *Server) start(t testing.TB, o Options) error {
	made, err := made()
	if err != nil {
		return fmt.Errorf("making keys: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.TrustedProxies == nil {
		o.TrustedProxies = []string{"127.0.0.0/8", "::1"}
	}
	trusted, err := server.ParseProxies(o.TrustedProxies)
	if err != nil {
		return err
	}
	if s.Manager, err = sessions.New(memory.New(), sessions.Options{
		Policy: o.Policy, DerivationKeys: made.keys.DerivationKeys(), Clock: s.Now, Logger: o.Logger, TouchInterval: 20 * time.Millisecond,
	}); err != nil {
		return err
	}
	l, err := server.Listen(server.ListenOptions{TLS: "127.0.0.1:0", Config: made.tls, Local: true})
	if err != nil {
		return err
	}
	s.URL = l.URLs()[1]
	cookie := wire.Cookie{Cookie: request.CookieOptions{Name: o.CookieName, Domain: o.CookieDomain, SameSite: o.CookieSameSite}.Cookie()}
	d := &server.Doors{
		Manager: s.Manager, Keys: made.keys, Cookie: cookie, EndingAge: o.EndingAge,
		TrustedProxies: trusted, CheckClients: o.CheckClients, Logger: o.Logger,
	}
	secret, _ := oauth.NewClientSecret()
	s.ClientSecret = secret
	if err = s.issuer(d, l.URLs()); err == nil {
		err = s.clients(t, made.ca)
	}
	if err != nil {
		return errors.Join(err, l.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l, d, 0) }()
	s.stop = sync.OnceValue(func() error {
		s.http.CloseIdleConnections()
		cancel()
		return <-done
	})
	return nil
}

func (s *Server) issuer(d *server.Doors, urls []string) (err error) {
	d.Issuer, err = oauth.NewIssuer(oauth.Options{
		Keys: d.Keys, PublicURLs: urls, Clock: s.Now, Logger: d.Logger,
		Clients: []oauth.Client{{ID: ClientID, SecretHashes: [][32]byte{sha256.Sum256([]byte(s.ClientSecret))}, Scopes: rollcall.Scopes()}},
	})
	return err
}

// clients makes what calls the server.
func (s *Server) clients(t testing.TB, ca []byte) (err error) {
	s.CAFile = t.TempDir() + "/ca.pem"
	if err := os.WriteFile(s.CAFile, ca, 0o600); err != nil {
		return err
	}
	s.CA = x509.NewCertPool()
	s.CA.AppendCertsFromPEM(ca)
	s.http = &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.CA}, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 16},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s.Client, err = client.New(client.Options{BaseURL: s.URL, ClientID: ClientID, ClientSecret: s.ClientSecret, HTTPClient: s.http})
	return err
}
