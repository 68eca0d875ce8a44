package postgres

import "github.com/prometheus/client_golang/prometheus"

// A collector shows what the pool counts, when it is asked.
type collector struct{ s *Store }

// Collector returns what shows the numbers of the store's connections to Prometheus.
func (s *Store) Collector() prometheus.Collector { return collector{s} }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("rollcall_postgres_"+name, help, labels, nil)
}

var (
	connectionsDesc = describe("connections", "Connections to PostgreSQL, by what they do.", "state")
	mostDesc        = describe("connections_max", "Connections to PostgreSQL that this node opens at most.")
	waitsDesc       = describe("connection_waits_total", "Calls that waited because every connection was in use.")
	waitedDesc      = describe("connection_wait_seconds_total", "Time that calls waited for a connection.")
)

// Describe implements prometheus.Collector.
func (collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connectionsDesc, mostDesc, waitsDesc, waitedDesc} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	pool := c.s.pool.Stat()
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	send(connectionsDesc, prometheus.GaugeValue, float64(pool.AcquiredConns()), "used")
	send(connectionsDesc, prometheus.GaugeValue, float64(pool.IdleConns()), "idle")
	send(mostDesc, prometheus.GaugeValue, float64(pool.MaxConns()))
	send(waitsDesc, prometheus.CounterValue, float64(pool.EmptyAcquireCount()))
	send(waitedDesc, prometheus.CounterValue, pool.EmptyAcquireWaitTime().Seconds())
}
