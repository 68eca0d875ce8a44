package server

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2"
)

// However the server's frames are cut into writes, the client gets the same bytes: all frames as
// they are, but for a reset on a stream that has no answer yet.
func TestFramesPassAsTheyAreHoweverTheyAreCut(t *testing.T) {
	reset := func(b []byte, stream uint32, code byte) []byte {
		return appendFrame(b, http2.FrameRSTStream, 0, stream, []byte{0, 0, 0, code})
	}
	long := bytes.Repeat([]byte{byte(http2.FrameRSTStream)}, 5000)
	before := appendFrame(nil, http2.FrameSettings, 0, 0, nil)
	before = appendFrame(before, http2.FrameHeaders, http2.FlagHeadersEndHeaders, 3, []byte("fields"))
	before = appendFrame(before, http2.FrameData, 0, 3, long)
	before = reset(before, 3, byte(http2.ErrCodeProtocol)) // its answer has begun
	before = reset(before, 5, byte(http2.ErrCodeCancel))
	refused := reset(nil, 7, byte(http2.ErrCodeProtocol))
	behind := reset(nil, 5, byte(http2.ErrCodeProtocol)) // of an older stream: it may have begun
	behind = appendFrame(behind, http2.FrameData, http2.FlagDataEndStream, 3, long)
	behind = appendFrame(behind, http2.FrameGoAway, 0, 0, make([]byte, 8))
	all := append(append(bytes.Clone(before), refused...), behind...)
	want := append(append(bytes.Clone(before), malformed(7)...), behind...)
	for _, size := range []int{1, 2, 3, 5, 8, 9, 12, 13, 14, 100, 4096, len(all)} {
		var got bytes.Buffer
		count := 0
		c := &http2Connection{write: got.Write, refused: func() { count++ }}
		for rest := all; len(rest) > 0; {
			part := rest[:min(size, len(rest))]
			rest = rest[len(part):]
			if n, err := c.Write(part); n != len(part) || err != nil {
				t.Fatalf("in writes of %d: %d, %v", size, n, err)
			}
		}
		if count != 1 || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("in writes of %d: %d answers, %d bytes, want %d", size, count, got.Len(), len(want))
		}
	}
}
