package sessions_test

import (
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/pebble"
	"github.com/rollcall-id/rollcall/store/postgres/postgrestest"
)

// An engine is a kind of store that the promises are held against.
type engine struct {
	name string
	// start, unless nil, prepares the test binary for open; outside of any bubble.
	start func(t testing.TB)
	// open opens a new store, which is closed when the test ends.
	open func(t *testing.T) rollcall.Store
	// openForDays is open for a test in a bubble that waits for days of its time.
	openForDays func(t *testing.T) rollcall.Store
	// another is the store of another node, over what a store of open or openForDays keeps:
	// that same store, for an engine that one process owns.
	another func(t *testing.T, store rollcall.Store) rollcall.Store
	// shared is Traits.Shared: a Manager may have no memory.
	shared bool
}

func openMemory(*testing.T) rollcall.Store { return memory.New() }

func openPebble(t *testing.T) rollcall.Store {
	store, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, store)
	return store
}

// closeAtEnd closes a store when the test ends.
func closeAtEnd(t *testing.T, store rollcall.Store) {
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

func engines() []engine {
	same := func(_ *testing.T, store rollcall.Store) rollcall.Store { return store }
	return []engine{
		{name: "memory", open: openMemory, openForDays: openMemory, another: same},
		{name: "pebble", open: openPebble, openForDays: openDozing, another: same},
		{
			name: "postgres", start: postgrestest.Start, open: openPostgres, openForDays: openPostgres, another: anotherPostgres,
			shared: true,
		},
	}
}

// many is n, or a fourth of it for an engine whose every commit is a round trip: a number
// of sessions of a test that makes thousands.
func (e engine) many(n int) int {
	if e.shared {
		return n / 4
	}
	return n
}

// eachEngine runs a test on each engine, as a subtest.
func eachEngine(t *testing.T, test func(t *testing.T, e engine)) {
	t.Helper()
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			if e.start != nil {
				e.start(t)
			}
			test(t, e)
		})
	}
}

// eachEngineAndMemory is eachEngine for one Manager that alone writes to its store: with
// and, unless the engine is shared, without memory. size is its Options.Memory in bytes.
func eachEngineAndMemory(t *testing.T, test func(t *testing.T, e engine, size int64)) {
	t.Helper()
	eachEngine(t, func(t *testing.T, e engine) {
		t.Run("without memory", func(t *testing.T) { test(t, e, 0) })
		if !e.shared {
			t.Run("with memory", func(t *testing.T) { test(t, e, 8<<20) })
		}
	})
}
