// Package outbound makes the HTTP clients for requests that leave the server. What
// they may connect to is decided when they connect, on the address that a name
// has led to, so a name that changes its mind leads nowhere else.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// ErrInternal is returned for an address that is not on the public internet.
var ErrInternal = errors.New("an internal address, which the configuration does not allow")

// maxHeader bounds an answer's header, in bytes.
const maxHeader = 64 << 10

// Options say what a client may do.
type Options struct {
	// Timeout bounds a request from the first packet to the last.
	Timeout time.Duration
	// AllowInternal lets it connect to internal addresses, and speak plain http to
	// loopback.
	AllowInternal bool
	// Transport, unless nil, wraps what makes the requests.
	Transport func(http.RoundTripper) http.RoundTripper
}

// NewClient returns a client that follows no redirect, asks no proxy, and keeps no
// connection open. It may be used at once from many goroutines.
func NewClient(o Options) *http.Client {
	dialer := &net.Dialer{Timeout: o.Timeout, Control: control(func(addr netip.Addr) bool {
		return o.AllowInternal || !IsInternal(addr)
	})}
	plain := &net.Dialer{Timeout: o.Timeout, Control: control(func(addr netip.Addr) bool {
		return o.AllowInternal && addr.Unmap().IsLoopback()
	})}
	var requests http.RoundTripper = &schemes{https: transport(dialer), http: transport(plain)}
	if o.Transport != nil {
		requests = o.Transport(requests)
	}
	return &http.Client{
		Timeout:       o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     requests,
	}
}

func transport(d *net.Dialer) *http.Transport {
	return &http.Transport{
		DialContext: d.DialContext, DisableKeepAlives: true, DisableCompression: true,
		MaxResponseHeaderBytes: maxHeader, ForceAttemptHTTP2: true,
	}
}

// schemes holds plain http to what its dialer allows.
type schemes struct{ https, http *http.Transport }

// RoundTrip makes one request.
func (s *schemes) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "https" {
		return s.https.RoundTrip(r)
	}
	return s.http.RoundTrip(r)
}

// control refuses addresses before anything is sent to them. It sees each address
// that is tried, after its name was looked up.
func control(allowed func(netip.Addr) bool) func(network, address string, c syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("connecting to %q: %w", address, err)
		}
		if !allowed(to.Addr()) {
			return fmt.Errorf("%s: %w", to.Addr(), ErrInternal)
		}
		return nil
	}
}

// CheckURL reports what is wrong with the address of a request, if anything: it is
// https, or with allowInternal plain http to a loopback address.
func CheckURL(text string, allowInternal bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("it is an address such as https://login.example.com/jwks.json")
	case u.Scheme == "https":
		return nil
	case !allowInternal || !isLoopbackName(u.Hostname()):
		return errors.New("it is https; plain http goes to loopback alone, when internal addresses are allowed")
	}
	return nil
}

func isLoopbackName(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// Get fetches a document of at most limit bytes. Any status but 200 is an error.
func Get(ctx context.Context, c *http.Client, address string, limit int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	answer, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %d, not 200", answer.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("the answer is larger than %d bytes", limit)
	}
	return data, nil
}
