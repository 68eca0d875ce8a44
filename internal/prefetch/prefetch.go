// Package prefetch asks the processor to bring memory near that is about to be read, so
// that it is on its way while something else is done. Where that is not written for a
// processor, it does nothing.
package prefetch

import "unsafe"

// Line brings the line near that a value begins in.
func Line[T any](p *T) { near(unsafe.Pointer(p), 1) }

// Bytes brings so many bytes near, from the first one on. There need not be so many.
func Bytes(first *byte, n int) {
	if n > 0 {
		near(unsafe.Pointer(first), n)
	}
}
