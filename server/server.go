// Package server puts the doors behind listeners: http and https, with bounds on
// everything that a client can make last or grow, and a stop that loses nothing.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-id/rollcall/internal/request"
)

// Bounds on what one connection may take. The body's bound is the doors'.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10
	stopTimeout       = 20 * time.Second
)

// Listeners are the open sockets of a server. Either may be nil.
type Listeners struct {
	HTTP net.Listener
	TLS  net.Listener
	// Telemetry serves health, metrics and, if asked for, pprof over plain http.
	Telemetry net.Listener

	own []*connections // of HTTP and TLS, those that Listen has opened
}

// ListenOptions say where to listen, and what makes it safe.
type ListenOptions struct {
	// HTTP and TLS are addresses; "" is none. Cases:
	//
	//   - 127.0.0.1:8443: of a network; port 0 takes a free one
	//   - unix:/run/rollcall.sock, unix:/run/rollcall.sock|0660: a Unix socket, with its mode
	//   - systemd:NAME: a socket that systemd hands over (LISTEN_FDS) under that name
	HTTP, TLS string
	// HTTPProxies and TLSProxies, unless empty, are the networks whose connections to the
	// listener must begin with a PROXY protocol header; all others are closed. Who comes over a
	// Unix socket is in the list.
	HTTPProxies, TLSProxies []netip.Prefix
	// Config is the TLS listener's; Local is true when it is the local CA's.
	Config *tls.Config
	Local  bool
	// BehindProxy says that a proxy on the way in speaks TLS.
	BehindProxy bool
	// MaxConnections bounds each listener's open connections. MaxOfAll bounds those of both
	// together, and each listener has its part of them: no listener is shut out by another's
	// connections. 0 is no bound.
	MaxConnections, MaxOfAll int
	// MaxPerAddress bounds the connections of one address (IPv6: of one /64) to a listener; 0
	// is no bound. It excepts TrustedProxies.
	MaxPerAddress  int
	TrustedProxies []netip.Prefix
}

// Check refuses what would put secrets on a network in the clear, or in the keeping
// of a certificate that nobody can check.
func (o ListenOptions) Check() error {
	if o.HTTP == "" && o.TLS == "" {
		return errors.New("there is no address to listen on: set listen or tls_listen")
	}
	for _, address := range []string{o.HTTP, o.TLS} {
		if err := checkAddress(address); address != "" && err != nil {
			return err
		}
	}
	if o.HTTP != "" {
		if err := o.checkHTTP(o.HTTP); err != nil {
			return err
		}
	}
	if o.TLS != "" {
		return o.checkTLS(o.TLS)
	}
	return nil
}

// OnNetwork reports whether a listener has an address of a network, from which URLs follows. A
// socket that is handed over may have none.
func (o ListenOptions) OnNetwork() bool {
	return slices.ContainsFunc([]string{o.HTTP, o.TLS}, func(address string) bool {
		_, _, err := net.SplitHostPort(address)
		return err == nil && !isUnix(address) && !isHanded(address)
	})
}

// checkHTTP refuses plain http where others than this machine's programs could read along.
func (o ListenOptions) checkHTTP(address string) error {
	if !o.BehindProxy && !staysHere(address) {
		return fmt.Errorf("plain http on %s would put tokens on the network in the clear: listen on a loopback address, or set behind_proxy when a proxy in front speaks TLS", address)
	}
	return nil
}

// checkTLS refuses the local CA's certificate where others than this machine's programs come.
func (o ListenOptions) checkTLS(address string) error {
	if o.Local && !staysHere(address) {
		return fmt.Errorf("https on %s needs a certificate: set tls_cert and tls_key (the local CA is for loopback alone)", address)
	}
	return nil
}

// Listen opens the sockets, when Check has nothing against it.
func Listen(o ListenOptions) (l Listeners, err error) {
	if err := o.Check(); err != nil {
		return Listeners{}, err
	}
	if l.HTTP, err = l.listen(o.HTTP, o, o.HTTPProxies, o.checkHTTP); err != nil {
		return Listeners{}, err
	}
	if l.TLS, err = l.listen(o.TLS, o, o.TLSProxies, o.checkTLS); err != nil {
		return Listeners{}, errors.Join(err, l.Close())
	}
	if l.TLS != nil {
		l.TLS = tls.NewListener(l.TLS, o.Config)
	}
	return l, nil
}

// listen opens one of the two listeners, unless address is "". check judges where it turns out
// to listen.
func (l *Listeners) listen(address string, o ListenOptions, proxies []netip.Prefix, check func(address string) error) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	c, err := listen(address, o.places())
	if err != nil {
		return nil, err
	}
	if at, ok := c.Addr().(*net.TCPAddr); ok {
		if err := check(at.String()); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	if len(proxies) > 0 {
		c.proxies = &request.Addresses{Trusted: proxies}
	}
	l.own = append(l.own, c)
	return c, nil
}

// Share is a listener's part of the connections that both listeners together may have; 0 is no
// bound.
func (o ListenOptions) Share(ofAll int) int {
	if o.HTTP != "" && o.TLS != "" && ofAll > 0 {
		return max(1, ofAll/2)
	}
	return ofAll
}

// places are those of one listener.
func (o ListenOptions) places() *places {
	most := o.Share(o.MaxOfAll)
	if o.MaxConnections > 0 && (most == 0 || o.MaxConnections < most) {
		most = o.MaxConnections
	}
	return newPlaces(most, o.MaxPerAddress, request.Addresses{Trusted: o.TrustedProxies}.Trust)
}

func listen(address string, p *places) (*connections, error) {
	l, err := open(address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", address, err)
	}
	return newConnections(l, p), nil
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// Close closes the sockets. It is for listeners that Serve was not given.
func (l Listeners) Close() error {
	var err error
	for _, listener := range []net.Listener{l.HTTP, l.TLS, l.Telemetry} {
		if listener != nil {
			err = errors.Join(err, listener.Close())
		}
	}
	return err
}

// URLs are the origins under which clients on this machine reach the server.
func (l Listeners) URLs() []string { return Origins(addressOf(l.HTTP), addressOf(l.TLS)) }

// Nearest is the origin at which programs on this machine reach the server, as NearestOrigin
// says it.
func (l Listeners) Nearest() string {
	avoidPlain := len(l.own) == 2 && l.own[0].proxies != nil && l.own[1].proxies == nil
	return NearestOrigin(addressOf(l.HTTP), addressOf(l.TLS), avoidPlain)
}

// addressOf is where a listener listens, as it could be configured; "" for none.
func addressOf(l net.Listener) string {
	if l == nil {
		return ""
	}
	if socket, ok := l.Addr().(*net.UnixAddr); ok {
		return unixAddress + socket.Name
	}
	return l.Addr().String()
}

// Serve answers requests on the listeners and runs the Manager's loops, until ctx
// is done. Then readiness goes first; after drain no new request is taken, those
// under way are finished, and the last interactions are written. It returns nil
// when all that went well.
func Serve(ctx context.Context, l Listeners, d *Doors, drain time.Duration) error {
	loops, stopLoops := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLoops()
	servers, failed := errgroup.WithContext(ctx)
	handler := d.Handler()
	d.listening = l.own
	for _, c := range l.own {
		c.log, c.places.log = d.Logger, d.Logger
	}
	var running []*http.Server
	for _, listener := range []net.Listener{l.HTTP, l.TLS} {
		if listener == nil {
			continue
		}
		s := newServer(handler, d.Logger)
		if err := answerMalformed(s, d.countMalformed); err != nil {
			return err
		}
		running = append(running, s)
		servers.Go(func() error {
			if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serving on %s: %w", listener.Addr(), err)
			}
			return nil
		})
		d.Logger.Info("listening", "address", listener.Addr().String(), "tls", listener == l.TLS)
	}
	stopTelemetry := d.serveTelemetry(l.Telemetry)
	defer stopTelemetry()
	var manager sync.WaitGroup
	var managerErr error
	manager.Go(func() { managerErr = d.Manager.Run(loops) })
	manager.Go(func() { d.Issuer.Run(loops) })

	<-failed.Done()
	d.draining.Store(true)
	d.Logger.Info("stopping")
	if ctx.Err() != nil && drain > 0 {
		d.Logger.Info("not ready any more, draining", "for", drain)
		time.Sleep(drain)
	}
	stopErr := stop(running)
	err := servers.Wait()
	stopLoops()
	manager.Wait()
	return errors.Join(err, stopErr, managerErr)
}

func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    2 * maxHeaderBytes, // hasOversizedHeader answers up to there
		ConnState:         noteState,
		ErrorLog:          stdlog.New(complaints{log}, "", 0),
	}
}

// countMalformed counts a request that was answered before any handler saw it.
func (d *Doors) countMalformed() {
	if d.Metrics != nil {
		d.Metrics.requests.observe("", "", http.StatusBadRequest, 0)
	}
}

// complaints take what the http server says of its connections. Nearly all of it is
// about clients and interests nobody; that no more connections can be taken is the
// operator's to know. The server tries again, once a second at most.
type complaints struct{ log *slog.Logger }

// Write logs one complaint.
func (c complaints) Write(line []byte) (int, error) {
	if text := strings.TrimSpace(string(line)); strings.HasPrefix(text, "http: Accept error: ") {
		c.log.Warn("no connection can be taken", "error", strings.TrimPrefix(text, "http: Accept error: "))
	} else {
		c.log.Debug(text)
	}
	return len(line), nil
}

// stop takes no new requests and waits for those under way, within bounds.
func stop(running []*http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var all errgroup.Group
	for _, s := range running {
		all.Go(func() error { return errors.Join(s.Shutdown(ctx), s.Close()) })
	}
	return all.Wait()
}
