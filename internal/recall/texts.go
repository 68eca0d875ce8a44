package recall

import (
	"slices"
	"unsafe"
)

// gathered is one piece of memory for many texts. They hold until it is used again.
type gathered []byte

func (g *gathered) grow(n int) { *g = slices.Grow(*g, n) }

// add returns a text that is a part of what is gathered.
func (g *gathered) add(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	start := len(*g)
	*g = append(*g, b...)
	return unsafe.String(&(*g)[start], len(b))
}
