package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"syscall"
	"time"

	"github.com/rollcall-id/rollcall/oauth"
)

// reloadable are the settings that a reload takes over, beside clients and issuers.
// The others wait for a start.
var reloadable = []string{"tls_cert", "tls_key", "log_level"}

// reloadOnSignal reloads at each SIGHUP until ctx is done. What was served goes on
// being served, and after an error everything is as it was.
func (r *running) reloadOnSignal(ctx context.Context, log *slog.Logger) {
	if r.cfg.again == nil {
		return
	}
	hups := make(chan os.Signal, 1)
	signal.Notify(hups, syscall.SIGHUP)
	defer signal.Stop(hups)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hups:
		}
		done := reloading(log)
		if err := r.reload(log); err != nil {
			log.Error("nothing was reloaded", "error", err)
		}
		done()
	}
}

// reload reads everything first and takes it over then, or nothing.
func (r *running) reload(log *slog.Logger) error {
	fresh, err := r.cfg.again()
	if err != nil {
		return err
	}
	var waiting []string
	for _, k := range keys() {
		if !slices.Contains(reloadable, k.name) && !reflect.DeepEqual(fresh.values[k.name], r.cfg.values[k.name]) {
			waiting = append(waiting, k.name)
			fresh.values[k.name] = r.cfg.values[k.name]
		}
	}
	if !reflect.DeepEqual(fresh.levels, r.cfg.levels) {
		waiting = append(waiting, levelsKey)
	}
	// What is safe to listen with was decided at the start.
	if (fresh.text("tls_cert") == "") != (r.cfg.text("tls_cert") == "") {
		return errors.New("tls_cert cannot be added or taken away while serving: start anew")
	}
	files, err := certificateFiles(fresh)
	if err != nil {
		return err
	}
	var cert tls.Certificate
	if r.listeners.TLS != nil {
		if cert, err = files.Read(time.Now()); err != nil {
			return err
		}
	}
	if err := r.issuer.Reload(oauth.Callers{Clients: fresh.clients, Issuers: fresh.issuers}); err != nil {
		return err
	}
	if err := r.manager.SetDerivationKeys(r.keys.DerivationKeys()...); err != nil {
		return err
	}
	if err := r.keys.Take(time.Now()); err != nil {
		log.Warn("older keys are kept", "error", err)
	}
	if r.listeners.TLS != nil {
		r.cert.Set(cert, files)
	}
	r.cfg.level.Set(logLevel(fresh))
	if len(waiting) > 0 {
		log.Warn("some settings that have changed wait for the next start", "settings", waiting)
	}
	log.Info("reloaded", "clients", len(fresh.clients), "issuers", len(fresh.issuers))
	return nil
}
