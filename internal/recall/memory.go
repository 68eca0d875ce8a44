package recall

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/hugepages"
)

// A Memory remembers what was read of users, of a store that no other process writes. See
// the package's comment for what it promises. Its methods may be called at once from many
// goroutines.
type Memory struct {
	epochs *epochs
	index  *index
	misses *misses
	shards []shard
	// bytes is the memory of all segments; each takes so many of the bytes.
	bytes   []byte
	segment int
	// handOver takes uses of blocks that go. It is called under the lock of a shard.
	handOver func(rollcall.Touch)

	// dictionaries are what blocks are made with. When they are full, all blocks go.
	dictionaries atomic.Pointer[dictionaries]
	beginning    sync.Mutex

	everybody atomic.Pointer[everybody]

	missed atomic.Uint64 // looks that were not answered
	warmed atomic.Bool   // Warm was called
}

// everybody is everybody's row, as it is at an epoch.
type everybody struct {
	rollcall.Everybody
	epoch uint64
}

// leastRecord is about the least that a record takes, in bytes.
const leastRecord = 128

// New returns a Memory of so many bytes for blocks; what finds blocks takes about a tenth
// more. handOver takes the uses of blocks that have to go: the caller holds them until they
// are written. handOver must not call the Memory.
func New(size int64, handOver func(rollcall.Touch)) *Memory {
	m := &Memory{
		epochs: newEpochs(), index: newIndex(int(size / leastRecord)), misses: newMisses(size), handOver: handOver,
	}
	m.dictionaries.Store(newDictionaries())
	shards := 1
	for shards < maxShards && int64(2*shards*shardSegments*minSegment) <= size {
		shards *= 2
	}
	segment := min(max(int(size)/shards/shardSegments, minSegment), maxSegment-1)
	m.shards = make([]shard, shards)
	m.bytes, m.segment = make([]byte, shards*shardSegments*segment), segment
	hugepages.Advise(m.bytes)
	for i := range m.shards {
		s := &m.shards[i]
		s.number, s.blocks = address(i)<<offsetBits, map[uint64]offset{}
		s.memory, s.dictionaries, s.uses.round = m, m.dictionaries.Load(), 1
	}
	// The first segments of all shards lie side by side, then the second ones, and so on:
	// the pages of segments that are not needed are never written.
	for i := range shards * shardSegments {
		m.shards[i%shards].segments[i/shards] = m.bytes[i*segment : i*segment : (i+1)*segment]
	}
	return m
}

// beginAgain drops all blocks and takes empty dictionaries, unless that was done since the
// old ones were found full.
func (m *Memory) beginAgain(old *dictionaries) {
	m.beginning.Lock()
	defer m.beginning.Unlock()
	if m.dictionaries.Load() != old {
		return
	}
	next := newDictionaries()
	m.dictionaries.Store(next)
	for i := range m.shards {
		m.shards[i].begin(next)
	}
}

// shard returns the shard of the user with the hash.
func (m *Memory) shard(user uint64) *shard { return &m.shards[user>>32%uint64(len(m.shards))] }

// rememberEverybody keeps everybody's row as read, or as a commit left it, since everybody's
// epoch was this one.
func (m *Memory) rememberEverybody(st *rollcall.Standing, epoch uint64) {
	if quiet(epoch) && m.epochs.everybody.Load() == epoch {
		m.keepEverybody(st, epoch)
	}
}

// keepEverybody keeps everybody's row for the time in which the epoch stands.
func (m *Memory) keepEverybody(st *rollcall.Standing, epoch uint64) {
	if known := m.everybody.Load(); known != nil && known.epoch == epoch {
		return
	}
	e := st.Everybody
	e.Clients = maps.Clone(e.Clients)
	m.everybody.Store(&everybody{e, epoch})
}

// knownEverybody is everybody's row, unless an act on everybody is under way or nothing
// was read since the latest.
func (m *Memory) knownEverybody() (*rollcall.Everybody, bool) {
	e := m.everybody.Load()
	if e == nil || e.epoch != m.epochs.everybody.Load() {
		return nil, false
	}
	return &e.Everybody, true
}

// Counts say how memory is doing.
type Counts struct {
	// Hits and Misses are looks that were answered from memory, and those after which
	// the store was read.
	Hits, Misses uint64
	// Uses are the records with a use that is not written yet.
	Uses int
}

// Counts counts. A nil Memory has none of anything.
func (m *Memory) Counts() (c Counts) {
	if m == nil {
		return c
	}
	c.Misses = m.missed.Load()
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		c.Hits += s.hits
		c.Uses += len(s.uses.used) + s.uses.writing
		s.mu.Unlock()
	}
	return c
}
