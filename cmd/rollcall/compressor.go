package main

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	"github.com/pierrec/lz4/v4"
)

// pageCompressor makes remembered pages smaller, to about a sixth, as blocks of LZ4, since
// they are read far more often than written. The length of the text is before the block.
type pageCompressor struct{}

const (
	lengthBytes = 4
	// longestText is the longest that is compressed.
	longestText = 8 << 20
)

var (
	errLongText = errors.New("the text is too long to be compressed")
	errNoText   = errors.New("not what a text was compressed to")

	compressors = sync.Pool{New: func() any { return new(lz4.Compressor) }}
)

// Compress fails for more than 8 MiB.
func (pageCompressor) Compress(b, text []byte) ([]byte, error) {
	if len(text) > longestText {
		return nil, errLongText
	}
	c := compressors.Get().(*lz4.Compressor)
	defer compressors.Put(c)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	room := lz4.CompressBlockBound(len(text))
	b = slices.Grow(b, room)
	n, err := c.CompressBlock(text, b[len(b):len(b)+room])
	return b[:len(b)+n], err
}

func (pageCompressor) Decompress(b, compressed []byte) ([]byte, error) {
	if len(compressed) < lengthBytes {
		return nil, errNoText
	}
	length := binary.LittleEndian.Uint32(compressed)
	if length > longestText {
		return nil, errNoText
	}
	n := int(length)
	b = slices.Grow(b, n)
	got, err := lz4.UncompressBlock(compressed[lengthBytes:], b[len(b):len(b)+n])
	if err == nil && got != n {
		err = errNoText
	}
	return b[:len(b)+got], err
}
