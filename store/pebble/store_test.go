package pebble

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/storetest"
)

func TestStoreKeepsTheContract(t *testing.T) {
	onDisk := func(t *testing.T, o Options) rollcall.Store {
		t.Helper()
		o.MinFree = -1
		s, err := Open("store", o)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		return s
	}
	storetest.Run(t, storetest.Harness{
		Open: func(t *testing.T) rollcall.Store { return onDisk(t, Options{FS: vfs.NewMem()}) },
		Reopen: func(t *testing.T, s rollcall.Store) rollcall.Store {
			if err := s.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
			return onDisk(t, Options{FS: s.(*Store).fs})
		},
		OpenHeld: func(t *testing.T, hold func(rollcall.Change)) rollcall.Store {
			return onDisk(t, Options{FS: vfs.NewMem(), hold: hold})
		},
	})
}
