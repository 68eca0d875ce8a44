package server

import (
	"runtime"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rollcall-id/rollcall/sessions"
)

// Metrics are what a server counts and times, in Prometheus form. Labels hold no
// secrets and nothing about users, and what they can be is bounded. Its methods may
// be called at once from many goroutines.
type Metrics struct {
	registry *prometheus.Registry
	requests requestMetrics
	store    storeMetrics
	sweep    sweepMetrics
}

// NewMetrics returns metrics of a program of this version and commit.
func NewMetrics(version, commit string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.requests.init()
	m.store.init()
	m.sweep.init()
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "rollcall_build_info", Help: "Always 1; the labels say what runs.",
	}, []string{"version", "commit", "go"})
	build.WithLabelValues(version, commit, runtime.Version()).Set(1)
	m.registry.MustRegister(
		build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests.total, m.requests.seconds, m.store.seconds, m.store.failures, m.store.conflicts,
		m.sweep.removed, m.sweep.ended, m.sweep.events, m.sweep.last,
	)
	return m
}

// Register adds what somebody else measures.
func (m *Metrics) Register(c prometheus.Collector) { m.registry.MustRegister(c) }

// Counter adds a number that somebody else counts and that only grows; labels may
// be nil.
func (m *Metrics) Counter(name, help string, labels map[string]string, read func() uint64) {
	m.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, func() float64 { return float64(read()) }))
}

// WatchCertificate adds when a certificate ends.
func (m *Metrics) WatchCertificate(c *Certificate) {
	m.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rollcall_tls_certificate_end_timestamp_seconds", Help: "When the TLS certificate ends, or the first of its chain.",
	}, func() float64 { return float64(c.Ends().Unix()) }))
}

// watchCache adds the numbers of looks in memory.
func (m *Metrics) watchCache(lookups func() (hits, misses uint64)) {
	const name, help = "rollcall_cache_lookups_total", "Looks for a session, a user's sessions or a page in memory, by whether it was there."
	m.Counter(name, help, map[string]string{"result": "hit"}, func() uint64 { hits, _ := lookups(); return hits })
	m.Counter(name, help, map[string]string{"result": "miss"}, func() uint64 { _, misses := lookups(); return misses })
}

// cacheLookups is how often something was looked for in memory, and found or not. A page
// that is not found does not count: the look for its sessions, which follows, does.
func (d *Doors) cacheLookups() (hits, misses uint64) {
	hits, misses = d.Manager.MemoryLookups()
	if d.published != nil {
		pages, _ := d.published.PageLookups()
		hits += pages
	}
	return hits, misses
}

// limitedConnections is how many connections a limit has closed.
func (d *Doors) limitedConnections() (n uint64) {
	for _, c := range d.listening {
		n += c.places.closed.Load()
	}
	return n
}

// watch adds the numbers that the Manager and the Issuer keep of themselves.
func (m *Metrics) watch(d *Doors) {
	m.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rollcall_touches_pending", Help: "Uses of sessions that are recorded and not yet written, one per session.",
	}, func() float64 { return float64(d.Manager.PendingTouches()) }))
	m.Register(liveSessions{d.Manager})
	if d.Manager.Remembers() {
		m.watchCache(d.cacheLookups)
	}
	if d.checks != nil {
		m.Counter("rollcall_check_several_cookies_total", "Checks that were refused because the request had several session cookies, and nobody could tell which is the browser's own.", nil, d.checks.SeveralCookies)
	}
	m.Counter("rollcall_connections_limited_total", "Connections that were closed because a limit of connections was reached.", nil, d.limitedConnections)
	counts := d.Issuer.Counts()
	const verifications = "rollcall_token_verifications_total"
	const help = "Management tokens that requests came with: verified by their signature, remembered from an earlier verification, or refused."
	for result, n := range map[string]*atomic.Uint64{"verified": &counts.Verified, "remembered": &counts.Remembered, "refused": &counts.Refused} {
		m.Counter(verifications, help, map[string]string{"result": result}, n.Load)
	}
	m.Counter("rollcall_token_attempts_failed_total", "Requests under /oauth with an unknown client, or a wrong secret or assertion, that were answered 401.", nil, counts.FailedAttempts.Load)
	m.Counter("rollcall_token_attempts_limited_total", "Those that were answered 429, after too many failures of the address.", nil, counts.LimitedAttempts.Load)
}

// liveSessions shows how many sessions are live, once they have been counted.
type liveSessions struct{ manager *sessions.Manager }

var liveDesc = prometheus.NewDesc("rollcall_sessions_live",
	"Live sessions, an estimate: counted in the background at the start and every hour, and moved by each creation and ending. "+
		"Those that come to their own end leave it with the next count. Nodes that share a store all show the number of the whole store.", nil, nil)

// Describe implements prometheus.Collector.
func (liveSessions) Describe(to chan<- *prometheus.Desc) { to <- liveDesc }

// Collect implements prometheus.Collector.
func (l liveSessions) Collect(to chan<- prometheus.Metric) {
	if n, known := l.manager.Live(); known {
		to <- prometheus.MustNewConstMetric(liveDesc, prometheus.GaugeValue, float64(n))
	}
}
