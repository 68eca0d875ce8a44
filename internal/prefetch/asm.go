//go:build amd64 || arm64

package prefetch

import "unsafe"

// near asks for all lines from p on that begin within n bytes of it. It is no harm if
// nothing is there.
//
//go:noescape
func near(p unsafe.Pointer, n int)
