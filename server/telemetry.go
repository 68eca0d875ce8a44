package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rollcall-id/rollcall/internal/wire"
)

const (
	// telemetryWriteTimeout leaves a profile the minute that it may take.
	telemetryWriteTimeout = 2 * time.Minute
	// telemetryStopTimeout is how long a stop waits for a scrape.
	telemetryStopTimeout = time.Second
	// maxScrapes bounds how many scrapes are answered at once.
	maxScrapes = 4
	// telemetryConnections bounds the listener's open connections.
	telemetryConnections = 64
)

// ListenTelemetry opens the socket for health, metrics and pprof. Whoever reaches
// it may ask: it knows no callers.
func ListenTelemetry(address string) (net.Listener, error) {
	l, err := listen(address, newPlaces(telemetryConnections, 0, nil))
	if err != nil {
		return nil, err // and no listener, not one that is nil inside
	}
	return l, nil
}

// serveTelemetry serves on the listener, unless it is nil, and returns what ends
// that. It goes on while requests are drained: that is when somebody looks.
func (d *Doors) serveTelemetry(l net.Listener) (stop func()) {
	if l == nil {
		return func() {}
	}
	s := newServer(d.telemetry(), d.Logger)
	s.WriteTimeout = telemetryWriteTimeout
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	d.Logger.Info("serving telemetry", "address", l.Addr().String(), "pprof", d.Profiling)
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), telemetryStopTimeout)
		defer cancel()
		// A profile that is being taken is cut: it is no reason to stop late.
		if s.Shutdown(ctx) != nil {
			_ = s.Close()
		}
		if err := <-done; err != http.ErrServerClosed {
			d.Logger.Error("the telemetry listener failed", "error", fmt.Errorf("serving on %s: %w", l.Addr(), err))
		}
	}
}

// telemetry is what the telemetry listener serves.
func (d *Doors) telemetry() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /readyz", d.readyz)
	if d.Metrics != nil {
		d.Metrics.watch(d)
		mux.Handle("GET /metrics", promhttp.HandlerFor(d.Metrics.registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}))
	}
	if d.Profiling {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	mux.HandleFunc("/", wire.NotFound)
	return mux
}
