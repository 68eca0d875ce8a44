package pebble

import (
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// A collector shows what the library measures, when it is asked.
type collector struct{ s *Store }

// Collector returns what shows the store's numbers to Prometheus. A closed store
// shows none.
func (s *Store) Collector() prometheus.Collector { return collector{s} }

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("rollcall_pebble_"+name, help, nil, nil)
}

var (
	fsyncDesc       = describe("wal_fsync_duration_seconds", "Time that syncs of the log take. Commits that come together share one.")
	diskDesc        = describe("disk_usage_bytes", "Disk space that the store takes.")
	freeDesc        = describe("disk_free_bytes", "Free disk space when a write last looked; below min_free_disk new sessions are refused.")
	compactionsDesc = describe("compactions_total", "Compactions since the start.")
	debtDesc        = describe("compaction_debt_bytes", "Estimate of what is to be compacted until the store is in shape.")
	flushesDesc     = describe("flushes_total", "Times that memory was written to a table since the start.")
	readAmpDesc     = describe("read_amplification", "Tables that a read may have to look at.")
	memoryDesc      = describe("memtable_bytes", "Memory that holds what is in the log and not yet in a table.")
	hitsDesc        = describe("block_cache_hits_total", "Blocks that were found in the cache.")
	missesDesc      = describe("block_cache_misses_total", "Blocks that were read from the disk.")
)

// Describe implements prometheus.Collector.
func (collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{fsyncDesc, diskDesc, freeDesc, compactionsDesc, debtDesc, flushesDesc, readAmpDesc, memoryDesc, hitsDesc, missesDesc} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	if c.s.last.err() != nil {
		return
	}
	m := c.s.db.Metrics()
	gauge := func(d *prometheus.Desc, v float64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	counter := func(d *prometheus.Desc, v int64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	gauge(diskDesc, float64(m.DiskSpaceUsage()))
	if free := c.s.free.Load(); free != math.MaxUint64 {
		gauge(freeDesc, float64(free))
	}
	counter(compactionsDesc, m.Compact.Count)
	gauge(debtDesc, float64(m.Compact.EstimatedDebt))
	counter(flushesDesc, m.Flush.Count)
	gauge(readAmpDesc, float64(m.ReadAmp()))
	gauge(memoryDesc, float64(m.MemTable.Size))
	counter(hitsDesc, m.BlockCache.Hits)
	counter(missesDesc, m.BlockCache.Misses)
	if h, ok := renamed(m.LogWriter.FsyncLatency); ok {
		to <- h
	}
}

// fsyncBuckets are those of the library's hundred buckets that are shown: from a
// tenth of a millisecond, in steps of it up to five, and from there to ten seconds.
var fsyncBuckets = []int{1, 2, 5, 10, 20, 30, 40, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 99}

// renamed shows the library's histogram of syncs, which has no name and counts in
// nanoseconds, under ours and in seconds.
func renamed(h prometheus.Histogram) (prometheus.Metric, bool) {
	var m dto.Metric
	if h == nil || h.Write(&m) != nil || m.Histogram == nil {
		return nil, false
	}
	buckets := map[float64]uint64{}
	for i, b := range m.Histogram.Bucket {
		if slices.Contains(fsyncBuckets, i) {
			buckets[b.GetUpperBound()/1e9] = b.GetCumulativeCount()
		}
	}
	shown, err := prometheus.NewConstHistogram(fsyncDesc, m.Histogram.GetSampleCount(), m.Histogram.GetSampleSum()/1e9, buckets)
	return shown, err == nil
}
