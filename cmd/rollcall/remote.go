package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rollcall-id/rollcall/internal/secretfile"
	"github.com/rollcall-id/rollcall/internal/sink"
	"github.com/rollcall-id/rollcall/server"
)

// A remoteServer is one that a command speaks to over HTTP.
type remoteServer struct {
	url    string
	token  string
	client *http.Client
}

// addRemoteFlags gives a command what it needs to find a server.
func addRemoteFlags(c *cobra.Command) {
	addServerFlags(c.PersistentFlags())
	addFlags(c.PersistentFlags(), "data", "store", "public_url", "listen", "tls_listen", "proxy_protocol_from", "tls_proxy_protocol_from")
}

// addServerFlags are those that the settings do not have.
func addServerFlags(flags *pflag.FlagSet) {
	flags.String("url", "", "the server's origin, or unix:/PATH (default: where the server of the data directory was last; ROLLCALL_URL)")
	flags.String("ca", "", "certificate of the CA to trust (default: the local CA of the data directory; ROLLCALL_CA)")
	flags.Bool("allow-http", false, "send tokens over plain http to other machines too: whoever is on the way can take them")
	flags.String("token-file", "", "file with a management token (default: ROLLCALL_TOKEN, or one minted with the keys of the data directory)")
}

// newRemote finds the server that a command means. With scopes, it finds or mints
// a token as well.
func newRemote(c *cobra.Command, scopes ...string) (*remoteServer, error) {
	cfg, err := loadConfig(c.Flags(), os.Environ())
	if err != nil {
		return nil, err
	}
	setting := func(flag, variable, otherwise string) string {
		if f := c.Flags().Lookup(flag); f.Changed {
			return f.Value.String()
		}
		if value := os.Getenv(variable); value != "" {
			return value
		}
		return otherwise
	}
	origin := setting("url", "ROLLCALL_URL", "")
	if origin == "" {
		found, err := findServer(cfg)
		if err != nil {
			return nil, usage(err)
		}
		origin = found.URL
	}
	r := &remoteServer{url: strings.TrimSuffix(origin, "/")}
	socket, overUnix := strings.CutPrefix(r.url, "unix:")
	if overUnix {
		r.url = "http://localhost"
	}
	if r.client, err = newHTTPClient(setting("ca", "ROLLCALL_CA", ""), server.CAFile(cfg.text("data"))); err != nil {
		return nil, usage(err)
	}
	if overUnix {
		r.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	if len(scopes) == 0 {
		return r, nil
	}
	if allowed, _ := c.Flags().GetBool("allow-http"); !allowed && !keepsSecrets(r.url) {
		return nil, usage(fmt.Errorf("a token would go to %s in the clear: use https, or say --allow-http", r.url))
	}
	switch file := setting("token-file", "ROLLCALL_TOKEN_FILE", ""); {
	case file != "":
		if err := cfg.judge(file, secretfile.Secret); err != nil {
			return nil, usage(err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, usage(err)
		}
		r.token = strings.TrimSpace(string(data))
	case os.Getenv("ROLLCALL_TOKEN") != "":
		r.token = os.Getenv("ROLLCALL_TOKEN")
	default:
		r.token, err = mint(cfg, scopes, time.Minute)
	}
	return r, err
}

// keepsSecrets reports whether what is sent to an origin can be read by nobody on the way:
// over TLS, and to this machine itself.
func keepsSecrets(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	if u.Scheme == "https" {
		return true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return u.Hostname() == "localhost"
	}
	own, _ := net.InterfaceAddrs() // without them only loopback is
	return addr.IsLoopback() || slices.ContainsFunc(own, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(addr.AsSlice())
	})
}

// newHTTPClient trusts the system's CAs and the one given; without one given, the
// local CA if there is one. It follows no redirect, which could take a token elsewhere.
func newHTTPClient(ca, localCA string) (*http.Client, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	file := ca
	if file == "" {
		file = localCA
	}
	if _, err := secretfile.Judge(file, secretfile.Decides); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	switch data, err := os.ReadFile(file); {
	case ca == "" && errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case !pool.AppendCertsFromPEM(data):
		return nil, fmt.Errorf("there is no certificate in %s", file)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: transport, Timeout: 30 * time.Second, CheckRedirect: stay}, nil
}

// do makes a request and decodes the answer into out, unless that is nil.
func (r *remoteServer) do(ctx context.Context, method, path string, out any) error {
	return r.send(ctx, method, path, nil, out)
}

// send is do with a body in JSON, nil for none.
func (r *remoteServer) send(ctx context.Context, method, path string, body io.Reader, out any) error {
	request, err := http.NewRequestWithContext(ctx, method, r.url+path, body)
	if err != nil {
		return usage(err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if r.token != "" {
		request.Header.Set("Authorization", "Bearer "+r.token)
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return fmt.Errorf("asking the server: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	if answer.StatusCode >= 300 {
		var refusal struct{ Message string }
		_ = json.Unmarshal(text, &refusal) // an answer that is not ours has its status
		return fmt.Errorf("%s %s: %s %s", method, path, sink.Line(answer.Status), sink.Line(refusal.Message))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

func newHealthcheck() *cobra.Command {
	c := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the server whether it is ready; exit 0 when it is",
		Example: `  rollcall healthcheck --data /var/lib/rollcall
  rollcall healthcheck --url https://sessions.example.com`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := newRemote(c)
			if err != nil {
				return err
			}
			return r.do(c.Context(), http.MethodGet, "/readyz", nil)
		},
	}
	addRemoteFlags(c)
	return c
}
