package pebble

import (
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
	onDisk := func(t *testing.T, o Options) rollcall.Store {
		t.Helper()
		s, err := Open("store", o)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		return s
	}
	storetest.Run(t, storetest.Harness{
		Open: func(t *testing.T) rollcall.Store {
			o := o
			o.FS = vfs.NewMem()
			return onDisk(t, o)
		},
		Reopen: func(t *testing.T, s rollcall.Store) rollcall.Store {
			if err := s.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
			o := o
			o.FS = s.(*Store).fs
			return onDisk(t, o)
		},
		OpenHeld: func(t *testing.T, hold func(rollcall.Change)) rollcall.Store {
			o := o
			o.FS, o.hold = vfs.NewMem(), hold
			return onDisk(t, o)
		},
	})
}
