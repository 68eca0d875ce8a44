package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/secretfile"
	"github.com/rollcall-id/rollcall/internal/sink"
	"github.com/rollcall-id/rollcall/internal/tracing"
	"github.com/rollcall-id/rollcall/oauth"
	"github.com/rollcall-id/rollcall/server"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/pebble"
)

func newServe() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve until a signal says stop",
		Long: `Serve until SIGTERM or SIGINT. Then readiness goes first, requests under way are
finished, what is in memory is written, and the exit status is 0; a second signal
ends the process at once. SIGHUP reads keys, certificate, clients, issuers and the
log level anew.

Each flag can also be set as ROLLCALL_NAME in the environment, or as name in the
configuration file.`,
		Example: `  rollcall serve --data /var/lib/rollcall --config /etc/rollcall.yaml
  rollcall serve --tls-listen :443 --tls-cert cert.pem --tls-key key.pem --public-url https://sessions.example.com`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(c.Flags(), os.Environ())
			if err != nil {
				return err
			}
			return serve(c.Context(), cfg, newLogger(cfg), nil)
		},
	}
	addFlags(c.Flags())
	return c
}

// serve runs a server until ctx is done. ready, unless nil, is called once it
// listens, and ctx ends with it when it fails.
func serve(ctx context.Context, cfg *config, log *slog.Logger, ready func(context.Context, *running) error) (err error) {
	r, err := start(cfg, log)
	if err != nil {
		return err
	}
	defer r.traces.Stop() // when the store is closed: all that a kill meanwhile costs is spans
	defer func() { err = errors.Join(err, r.store.Close()) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	if ready == nil {
		done <- nil
	} else {
		go func() {
			err := ready(ctx, r)
			if err != nil {
				cancel()
			}
			done <- err
		}()
	}
	defer r.runLoops(context.WithoutCancel(ctx))()
	go r.reloadOnSignal(ctx, log)
	go supervised(ctx, log)
	served := server.Serve(ctx, r.listeners, r.doors, cfg.duration("drain_delay"))
	cancel()
	return errors.Join(served, <-done)
}

// A running server is everything that one is put together from.
type running struct {
	cfg       *config
	keys      *oauth.Keys
	issuer    *oauth.Issuer
	manager   *sessions.Manager
	store     rollcall.Store
	listeners server.Listeners
	doors     *server.Doors
	cert      server.Certificate
	metrics   *server.Metrics // nil when nobody can ask for them
	traces    *tracing.Traces // nil when the environment asks for none
	// loops run beside the server until it ends.
	loops []func(context.Context)
}

// runLoops starts what runs beside the server, and returns what ends it.
func (r *running) runLoops(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var loops sync.WaitGroup
	for _, run := range r.loops {
		loops.Go(func() { run(ctx) })
	}
	return func() { cancel(); loops.Wait() }
}

// start puts a server together, up to open sockets. What fails leaves nothing
// open.
func start(cfg *config, log *slog.Logger) (_ *running, err error) {
	r := &running{cfg: cfg}
	defer func() {
		if err == nil {
			return
		}
		err = errors.Join(err, r.listeners.Close())
		if r.store != nil {
			err = errors.Join(err, r.store.Close())
		}
		r.traces.Stop()
	}()
	if err = cfg.consistent(); err != nil {
		return nil, usage(err)
	}
	if r.traces, err = tracing.Open(version, log); err != nil {
		return nil, usage(err)
	}
	if r.keys, err = oauth.OpenKeys(keyDir(cfg)); err != nil {
		return nil, usage(err)
	}
	listening, err := listenOptions(cfg)
	if err != nil {
		return nil, usage(err)
	}
	if listening.Config, err = r.showCertificate(); err != nil {
		return nil, usage(err)
	}
	warnOfFewFiles(openFileLimit(), listening, log)
	if r.listeners, err = server.Listen(listening); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w: set listen, tls_listen to free addresses, or one of them to off", err)
		}
		return nil, usage(err)
	}
	if err = r.openTelemetry(log); err != nil {
		return nil, usage(err)
	}
	r.followCertificate(log)
	if r.issuer, err = newIssuer(cfg, r.keys, r.listeners.URLs(), log, r.traces); err != nil {
		return nil, usage(err)
	}
	if r.store, err = openStore(cfg, log); err != nil {
		return nil, err
	}
	// Once the embedded store is open, no other server can be using the directory. Nodes on
	// PostgreSQL have a directory each, which nothing locks.
	own := whereabouts{PublicURLs: r.issuer.PublicURLs(), URL: r.listeners.Nearest()}
	if err = own.write(cfg); err != nil {
		return nil, err
	}
	if err = compareKeys(r.store, keyDir(cfg), log); err != nil {
		return nil, fmt.Errorf("comparing the keys with those of other nodes: %w", err)
	}
	options := managerOptions(cfg, r.keys, log)
	if follow := limitMemory(2 * halfOfCache(cfg)); follow != nil {
		r.loops = append(r.loops, follow)
	}
	if options.Networks, err = r.openNetworks(log); err != nil {
		return nil, usage(err)
	}
	if r.manager, err = sessions.New(r.traces.Store(r.measured(r.store)), options); err != nil {
		return nil, usage(err)
	}
	if err = r.keys.Take(time.Now()); err != nil {
		log.Warn("older keys are kept", "error", err)
	}
	login, err := loginURL(cfg)
	if err != nil {
		return nil, usage(err)
	}
	for _, w := range cfg.warnings() {
		log.Warn("check the configuration", "warning", w)
	}
	r.doors = &server.Doors{
		Manager: r.manager, Issuer: r.issuer, Keys: r.keys, Cookie: cfg.cookie(), CORSOrigins: cfg.list("cors_origins"),
		TrustedProxies: listening.TrustedProxies, AddressHeader: cfg.text("client_address_header"), Backup: backups(r.store, cfg), Logger: log,
		Limit: callerLimit(cfg), SessionLimit: sessionLimit(cfg), LoginURL: login, ReturnOrigins: cfg.list("return_origins"), CheckClients: cfg.list("check_clients"),
		EndingAge:  cfg.duration("ending_max_age"),
		PageMemory: halfOfCache(cfg), Compress: cfg.flag("compression"), AccessLog: r.accessLog(log), Metrics: r.metrics, Profiling: cfg.flag("pprof"),
		Traces: r.traces, ProxyTraceparent: cfg.flag("proxy_traceparent"),
	}
	return r, nil
}

func keyDir(cfg *config) string { return filepath.Join(cfg.text("data"), "keys") }

// listenOptions are where the configuration listens, and for whom, without a certificate.
func listenOptions(cfg *config) (o server.ListenOptions, err error) {
	o = server.ListenOptions{
		HTTP: cfg.address("listen"), TLS: cfg.address("tls_listen"), Local: cfg.text("tls_cert") == "", BehindProxy: cfg.flag("behind_proxy"),
		MaxConnections: cfg.number("max_connections"), MaxOfAll: shareFiles(openFileLimit()).connections,
		MaxPerAddress: cfg.number("max_connections_per_address"),
	}
	for key, networks := range map[string]*[]netip.Prefix{
		"trusted_proxies": &o.TrustedProxies, "proxy_protocol_from": &o.HTTPProxies, "tls_proxy_protocol_from": &o.TLSProxies,
	} {
		if *networks, err = server.ParseProxies(cfg.list(key)); err != nil {
			return o, fmt.Errorf("%s: %w", key, err)
		}
	}
	return o, o.Check()
}

func callerLimit(cfg *config) server.CallerLimit {
	return server.CallerLimit{PerSecond: cfg.number("rate_limit"), Burst: cfg.number("rate_burst")}
}

func sessionLimit(cfg *config) server.CallerLimit {
	n := cfg.number("session_rate_limit")
	return server.CallerLimit{PerSecond: n, Burst: 4 * n}
}

func newIssuer(cfg *config, keys *oauth.Keys, ownURLs []string, log *slog.Logger, traces *tracing.Traces) (*oauth.Issuer, error) {
	urls := cfg.list("public_url")
	if len(urls) == 0 {
		urls = ownURLs
	}
	for i := range urls {
		urls[i] = strings.TrimSuffix(urls[i], "/")
	}
	return oauth.NewIssuer(oauth.Options{
		Keys: keys, PublicURLs: urls, Clients: cfg.clients, Issuers: cfg.issuers, Logger: log, Transport: traces.Transport,
	})
}

func openStore(cfg *config, log *slog.Logger) (rollcall.Store, error) {
	switch cfg.engine() {
	case engineMemory:
		log.Warn("the store is in memory: sessions do not outlive the process")
		return memory.New(), nil
	case enginePostgres:
		s, err := openPostgres(cfg, log)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	s, err := openPebble(cfg, log)
	if err != nil {
		return nil, err // and no store, not one that is nil inside
	}
	return s, nil
}

func storeDir(cfg *config) string { return filepath.Join(cfg.text("data"), "store") }

// openPebble opens the embedded store of the data directory, or makes one. A store that
// others reach, or whose owner is another user, is a usage error: files that this process
// would leave in it could keep that user's server from starting.
func openPebble(cfg *config, log *slog.Logger) (*pebble.Store, error) {
	dir := storeDir(cfg)
	if err := cfg.judge(dir, secretfile.Secret); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, usage(err)
	}
	s, err := pebble.Open(dir, pebble.Options{Logger: log, MinFree: minFree(cfg), MaxOpenFiles: shareFiles(openFileLimit()).store})
	if errors.Is(err, syscall.EAGAIN) { // from the lock of the directory
		return nil, fmt.Errorf("another process has the store in %s open: stop it, or name another directory with --data; in Kubernetes use a StatefulSet, or a Deployment with strategy Recreate", dir)
	}
	return s, err
}

// minFree is the floor of free disk space as the engine takes it, whose 0 is its own
// default.
func minFree(cfg *config) int64 {
	if n := cfg.number("min_free_disk"); n > 0 {
		return int64(n)
	}
	return -1
}

// maxActTimeout lets two waits of an act end before its answer can no longer be
// written.
const maxActTimeout = 14 * time.Second

func checkActTimeout(d time.Duration) error {
	if d <= 0 || d > maxActTimeout {
		return fmt.Errorf("act_timeout: must be more than 0 and at most %s", maxActTimeout)
	}
	return nil
}

func policy(cfg *config) rollcall.Policy {
	p := rollcall.DefaultPolicy()
	p.Persistent = rollcall.Lifetimes{Absolute: cfg.duration("session_lifetime"), Idle: cfg.duration("idle_session_lifetime")}
	p.NonPersistent = rollcall.Lifetimes{Absolute: cfg.duration("ephemeral_session_lifetime"), Idle: cfg.duration("idle_ephemeral_session_lifetime")}
	p.MaxSessionsPerUser = cfg.number("max_sessions_per_user")
	p.AtLimit = rollcall.AtLimit(cfg.text("at_session_limit"))
	if cfg.levels != nil {
		p.Levels = cfg.levels
	}
	return p
}

func managerOptions(cfg *config, keys *oauth.Keys, log *slog.Logger) sessions.Options {
	return sessions.Options{
		Policy: policy(cfg), DerivationKeys: keys.DerivationKeys(), Logger: log,
		TouchInterval: cfg.duration("touch_interval"), Retention: cfg.duration("retention"),
		Memory: halfOfCache(cfg), ActTimeout: cfg.duration("act_timeout"),
	}
}

// halfOfCache is half of cache_size, in bytes: one is for users' sessions, the other for
// spelled listings. Of a store that other nodes write to nothing is remembered.
func halfOfCache(cfg *config) int64 {
	if cfg.engine() == enginePostgres {
		return 0
	}
	return int64(cfg.number("cache_size")) / 2
}

// newLogger writes to stderr: lines of JSON, or text for people. Its level follows
// the configuration's.
func newLogger(cfg *config) *slog.Logger {
	cfg.level.Set(logLevel(cfg))
	return loggerOn(os.Stderr, cfg)
}

// loggerOn writes to w, in the form that is configured, without secrets and without what
// steers a terminal.
func loggerOn(w io.Writer, cfg *config) *slog.Logger {
	w = sink.Log(w)
	o := &slog.HandlerOptions{Level: &cfg.level}
	format := cfg.text("log_format")
	if format == "text" || format == "auto" && isTerminal(os.Stderr) {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

func logLevel(cfg *config) slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.text("log_level"))) // the table has checked it
	return level
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
