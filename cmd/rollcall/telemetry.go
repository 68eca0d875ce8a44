package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/server"
)

// openTelemetry opens the telemetry listener, if there is to be one. That somebody
// else has the default address is no reason not to serve.
func (r *running) openTelemetry(log *slog.Logger) (err error) {
	address := r.cfg.address("telemetry_listen")
	if address == "" {
		if r.cfg.flag("pprof") {
			return fmt.Errorf("pprof without a telemetry_listen: set one, or leave pprof out")
		}
		return nil
	}
	if r.listeners.Telemetry, err = server.ListenTelemetry(address); err != nil {
		if r.cfg.sources["telemetry_listen"] != "default" {
			return fmt.Errorf("telemetry_listen: %w", err)
		}
		log.Warn("serving without metrics: set telemetry_listen to a free address, or to off", "error", err)
		return nil
	}
	r.metrics = server.NewMetrics(version, commit)
	return nil
}

// followCertificate takes the certificate of the TLS listener anew when it is renewed, and
// shows when it ends.
func (r *running) followCertificate(log *slog.Logger) {
	if r.listeners.TLS == nil {
		return
	}
	r.loops = append(r.loops, func(ctx context.Context) { r.cert.Run(ctx, log) })
	if r.metrics != nil {
		r.metrics.WatchCertificate(&r.cert)
	}
}

// measured returns the store to work with: one that is timed, when somebody can
// ask how long it took.
func (r *running) measured(store rollcall.Store) rollcall.Store {
	if r.metrics == nil {
		return store
	}
	if engine, ok := store.(interface{ Collector() prometheus.Collector }); ok {
		r.metrics.Register(engine.Collector())
	}
	return r.metrics.Store(store)
}

// accessLog returns what takes the lines about requests.
func (r *running) accessLog(log *slog.Logger) *slog.Logger {
	if !r.cfg.flag("access_log") {
		return slog.New(slog.DiscardHandler)
	}
	lines := newLineBuffer(os.Stderr)
	r.loops = append(r.loops, func(ctx context.Context) { lines.run(ctx, log) })
	if r.metrics != nil {
		r.metrics.Counter("rollcall_access_log_lines_lost_total", "Lines about requests that were lost because nobody read stderr.", nil, lines.lostLines)
	}
	return loggerOn(lines, r.cfg)
}
