//go:build amd64 || arm64

package prefetch

import "unsafe"

// near asks for the lines that the n bytes from p on lie in, at least one. It is no
// harm if nothing is there.
//
//go:noescape
func near(p unsafe.Pointer, n int)
