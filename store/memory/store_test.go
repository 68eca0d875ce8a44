package memory_test

import (
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/storetest"
)

func TestStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Open:     func(*testing.T) rollcall.Store { return memory.New() },
		Volatile: true,
		Serial:   true,
	})
}
