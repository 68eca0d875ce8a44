package recall

import (
	"slices"
	"unsafe"
)

// An arena is one piece of memory for the texts of a session that is decoded. The texts
// hold until the arena is used again.
type arena []byte

// grow makes room for n more bytes.
func (a *arena) grow(n int) { *a = slices.Grow(*a, n) }

// add copies b into the arena and returns the copy as a text.
func (a *arena) add(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	start := len(*a)
	*a = append(*a, b...)
	return unsafe.String(&(*a)[start], len(b))
}
