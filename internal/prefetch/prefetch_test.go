package prefetch

import (
	"bytes"
	"testing"
)

// What is near cannot be told, only that asking for it changes nothing and ends, also
// beyond what there is.
func TestAskingForMemoryChangesNothing(t *testing.T) {
	text := bytes.Repeat([]byte("rollcall"), 100)
	same := bytes.Clone(text)
	for at := range text {
		for _, n := range []int{-1, 0, 1, 63, 64, 65, len(text), 4 * len(text)} {
			Bytes(&text[at], n)
		}
		Line(&text[at])
	}
	for _, n := range []int{-1, 0, 100} {
		Bytes(nil, n)
	}
	Line[byte](nil)
	if !bytes.Equal(text, same) {
		t.Error("memory has changed")
	}
}
