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

	places []*places // of HTTP and TLS
}

// ListenOptions say where to listen, and what makes it safe.
type ListenOptions struct {
	// HTTP and TLS are addresses; "" is none. Port 0 takes a free one.
	HTTP, TLS string
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
		if _, _, err := net.SplitHostPort(address); address != "" && err != nil {
			return fmt.Errorf("%q is no address such as 127.0.0.1:8443: %w", address, err)
		}
	}
	if o.HTTP != "" && !o.BehindProxy && !isLoopback(o.HTTP) {
		return fmt.Errorf("plain http on %s would put tokens on the network in the clear: listen on a loopback address, or set behind_proxy when a proxy in front speaks TLS", o.HTTP)
	}
	if o.TLS != "" && o.Local && !isLoopback(o.TLS) {
		return fmt.Errorf("https on %s needs a certificate: set tls_cert and tls_key (the local CA is for loopback alone)", o.TLS)
	}
	return nil
}

// Listen opens the sockets, when Check has nothing against it.
func Listen(o ListenOptions) (l Listeners, err error) {
	if err := o.Check(); err != nil {
		return Listeners{}, err
	}
	l.places = []*places{o.places(), o.places()}
	if l.HTTP, err = listen(o.HTTP, l.places[0]); err != nil {
		return Listeners{}, err
	}
	if l.TLS, err = listen(o.TLS, l.places[1]); err != nil {
		return Listeners{}, errors.Join(err, l.Close())
	}
	if l.TLS != nil {
		l.TLS = tls.NewListener(l.TLS, o.Config)
	}
	return l, nil
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

func listen(address string, p *places) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
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

// Nearest is the origin at which programs on this machine reach the server.
func (l Listeners) Nearest() string { return NearestOrigin(addressOf(l.HTTP), addressOf(l.TLS)) }

func addressOf(l net.Listener) string {
	if l == nil {
		return ""
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
	d.places = l.places
	for _, p := range l.places {
		p.log = d.Logger
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
