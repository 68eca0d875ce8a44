package pages

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	"github.com/pierrec/lz4/v4"
)

// A compressed text is its length, in four bytes, and a block of LZ4: pages are read far
// more often than written. Listings come down to about a sixth.
const (
	lengthBytes = 4
	// maxText is the length of the longest text that is compressed.
	maxText = 8 << 20
)

var (
	errTooLong       = errors.New("the text is too long to be compressed")
	errNotCompressed = errors.New("not what a text was compressed to")

	compressors = sync.Pool{New: func() any { return new(lz4.Compressor) }}
)

// compress appends to b what decompress makes the text of. Errors: errTooLong for more than
// 8 MiB, those of LZ4.
func compress(b, text []byte) ([]byte, error) {
	if len(text) > maxText {
		return nil, errTooLong
	}
	c := compressors.Get().(*lz4.Compressor)
	defer compressors.Put(c)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	room := lz4.CompressBlockBound(len(text))
	b = slices.Grow(b, room)
	n, err := c.CompressBlock(text, b[len(b):len(b)+room])
	return b[:len(b)+n], err
}

// decompress appends the text to b. Errors: errNotCompressed, those of LZ4.
func decompress(b, compressed []byte) ([]byte, error) {
	if len(compressed) < lengthBytes {
		return nil, errNotCompressed
	}
	length := binary.LittleEndian.Uint32(compressed)
	if length > maxText {
		return nil, errNotCompressed
	}
	n := int(length)
	b = slices.Grow(b, n+1) // LZ4 crashes on a nil destination
	got, err := lz4.UncompressBlock(compressed[lengthBytes:], b[len(b):len(b)+n])
	if err == nil && got != n {
		err = errNotCompressed
	}
	return b[:len(b)+got], err
}
