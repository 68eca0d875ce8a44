package rollcall_test

import (
	"os"
	"testing"
)

// cacheSize is what Managers under test remember. All tests run twice: with every
// read from the store, and with a cache.
var cacheSize int64

func TestMain(m *testing.M) {
	code := m.Run()
	cacheSize = 8 << 20
	os.Exit(max(code, m.Run()))
}
