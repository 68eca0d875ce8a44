package pebble

import (
	"math"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/storetest"
)

func TestStoreKeepsTheContract(t *testing.T) { keepsTheContract(t, Options{}) }

// TestStoreKeepsTheContractWhileUsesAreRetired is the same with so little room for
// uses that nearly every touch writes some anew and some to their rows.
func TestStoreKeepsTheContractWhileUsesAreRetired(t *testing.T) {
	for name, o := range map[string]Options{
		"for want of memory": {useSessions: 2},
		"for want of disk":   {useBytes: 300},
	} {
		t.Run(name, func(t *testing.T) { keepsTheContract(t, o) })
	}
}

// TestStoreKeepsTheContractWhileSessionsAreMoved moves sessions that have ended with each
// second act on their user.
func TestStoreKeepsTheContractWhileSessionsAreMoved(t *testing.T) {
	keepsTheContract(t, Options{tidyEvery: 2})
}

func keepsTheContract(t *testing.T, o Options) {
	t.Helper()
	o.MinFree = -1
	onDisk := func(t *testing.T, dir string, o Options) rollcall.Store {
		t.Helper()
		s, err := Open(dir, o)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		return s
	}
	closed := func(t *testing.T, s rollcall.Store) vfs.FS {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		return s.(*Store).fs
	}
	storetest.Run(t, storetest.Harness{
		Open: func(t *testing.T) rollcall.Store {
			o := o
			o.FS = vfs.NewMem()
			return onDisk(t, "store", o)
		},
		Reopen: func(t *testing.T, s rollcall.Store) rollcall.Store {
			o := o
			o.FS = closed(t, s)
			return onDisk(t, s.(*Store).dir, o)
		},
		OpenHeld: func(t *testing.T, hold func(rollcall.Change)) rollcall.Store {
			o := o
			o.FS, o.hold = vfs.NewMem(), hold
			return onDisk(t, "store", o)
		},
		Copy: func(t *testing.T, s rollcall.Store) rollcall.Store {
			if err := s.(*Store).Backup(background, "copy"); err != nil {
				t.Fatal(err)
			}
			o := o
			o.FS = closed(t, s)
			return onDisk(t, "copy", o)
		},
		OpenFull: func(t *testing.T) (rollcall.Store, func(storetest.Room)) {
			var free atomic.Uint64
			free.Store(math.MaxInt64)
			o := o
			o.FS, o.MinFree = fullDisk{vfs.NewMem(), &free}, DefaultMinFree
			s := onDisk(t, "store", o)
			return s, func(room storetest.Room) {
				free.Store(map[storetest.Room]uint64{
					storetest.RoomForAll: DefaultMinFree, storetest.RoomForEndings: DefaultMinFree - 1, storetest.RoomForNothing: lastReserve - 1,
				}[room])
				s.(*Store).looked.Store(0) // as if a second had gone by
			}
		},
	})
}
