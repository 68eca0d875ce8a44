package server

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// unknownRoute is the label of everything that no route takes.
const unknownRoute = "unknown"

// latencyBuckets are the bounds of the latency histograms, in seconds.
var latencyBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}

// requestMetrics count requests by route, method and status. What a request needs
// is found without locks and without making anything: each route, and each status
// of it, is resolved once.
type requestMetrics struct {
	total   *prometheus.CounterVec
	seconds *prometheus.HistogramVec

	routes   atomic.Pointer[map[string]*routeMetrics] // by pattern; copied to be changed
	changing sync.Mutex
}

// A routeMetrics is one route's.
type routeMetrics struct {
	name    string
	seconds prometheus.Observer
	methods [len(methodNames)]atomic.Pointer[statusCounters]
}

// statusCounters are a route's and a method's, by status less 100.
type statusCounters [500]atomic.Pointer[prometheus.Counter]

// methodNames are what the label can be.
var methodNames = [...]string{"other", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

func (m *requestMetrics) init() {
	m.total = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_http_requests_total", Help: "Requests answered, by route, method and status.",
	}, []string{"route", "method", "code"})
	m.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "rollcall_http_request_duration_seconds", Help: "Time from a request's header to the end of its answer, by route.",
		Buckets: latencyBuckets,
	}, []string{"route"})
	m.routes.Store(&map[string]*routeMetrics{})
}

// observe counts a request that a route's pattern has taken, "" or "/" for none.
func (m *requestMetrics) observe(pattern, method string, status int, took time.Duration) {
	if !isRoute(pattern) {
		pattern = unknownRoute
	}
	route := (*m.routes.Load())[pattern]
	if route == nil {
		route = m.add(pattern)
	}
	route.seconds.Observe(took.Seconds())
	if status < 100 || status > 599 {
		status = http.StatusOK // nothing was written, and net/http answers for the handler
	}
	at := methodIndex(method)
	counters := route.methods[at].Load()
	if counters == nil {
		route.methods[at].CompareAndSwap(nil, &statusCounters{})
		counters = route.methods[at].Load()
	}
	counter := counters[status-100].Load()
	if counter == nil {
		c := m.total.WithLabelValues(route.name, methodNames[at], strconv.Itoa(status))
		counter = &c
		counters[status-100].Store(counter)
	}
	(*counter).Inc()
}

// add resolves a route. Patterns come from the program alone, so there are few.
func (m *requestMetrics) add(pattern string) *routeMetrics {
	m.changing.Lock()
	defer m.changing.Unlock()
	known := *m.routes.Load()
	if route := known[pattern]; route != nil {
		return route
	}
	name := routeName(pattern)
	route := &routeMetrics{name: name, seconds: m.seconds.WithLabelValues(name)}
	changed := maps.Clone(known)
	changed[pattern] = route
	m.routes.Store(&changed)
	return route
}

// isRoute reports whether a pattern is that of a route, and not of all that no route takes.
func isRoute(pattern string) bool { return pattern != "" && pattern != "/" }

// routeName is a pattern without its method, which has a label of its own.
func routeName(pattern string) string {
	for i := range len(pattern) {
		if pattern[i] == ' ' {
			return pattern[i+1:]
		}
	}
	return pattern
}

func methodIndex(method string) int {
	for i, name := range methodNames {
		if i > 0 && name == method {
			return i
		}
	}
	return 0
}
