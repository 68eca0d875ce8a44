package sessions_test

import (
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/pebble"
)

// An engine is a kind of store that the promises are held against.
type engine struct {
	name string
	// open opens a new store, which is closed when the test ends.
	open func(t *testing.T) rollcall.Store
	// openForDays is open for a test in a bubble that waits for days of its time.
	openForDays func(t *testing.T) rollcall.Store
}

func openMemory(*testing.T) rollcall.Store { return memory.New() }

func engines() []engine {
	return []engine{
		{"memory", openMemory, openMemory},
		{"pebble", func(t *testing.T) rollcall.Store {
			store, err := pebble.Open(t.TempDir(), pebble.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := store.Close(); err != nil {
					t.Error(err)
				}
			})
			return store
		}, openDozing},
	}
}

// eachEngine runs a test on each engine, as a subtest.
func eachEngine(t *testing.T, test func(t *testing.T, e engine)) {
	t.Helper()
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) { test(t, e) })
	}
}

// eachEngineAndMemory is eachEngine for one Manager that alone writes to its store: with
// and without memory. size is its Options.Memory in bytes.
func eachEngineAndMemory(t *testing.T, test func(t *testing.T, e engine, size int64)) {
	t.Helper()
	eachEngine(t, func(t *testing.T, e engine) {
		t.Run("without memory", func(t *testing.T) { test(t, e, 0) })
		t.Run("with memory", func(t *testing.T) { test(t, e, 8<<20) })
	})
}
