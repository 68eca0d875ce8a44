package wire

import (
	"net/http"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// MinCompressed is the size in bytes of the smallest body that is compressed: smaller ones
// travel in a few packets either way.
const MinCompressed = 4 << 10

// AppendGzip appends what a text of at least MinCompressed bytes is compressed to.
func AppendGzip(b, text []byte) []byte {
	z := compressors.Get().(*compressor)
	defer compressors.Put(z)
	z.out = b
	z.gzip.Reset(z)
	_, _ = z.gzip.Write(text) // a slice takes all
	_ = z.gzip.Close()
	b, z.out = z.out, nil
	return b
}

// A compressor writes into a slice.
type compressor struct {
	gzip *gzip.Writer
	out  []byte
}

// Write appends to the slice.
func (z *compressor) Write(b []byte) (int, error) {
	z.out = append(z.out, b...)
	return len(b), nil
}

var compressors = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // a level that there is
	return &compressor{gzip: w}
}}

// IsGzip reports whether a body is compressed. No JSON begins as one that is.
func IsGzip(body []byte) bool { return len(body) > 1 && body[0] == 0x1f && body[1] == 0x8b }

// SayCoding puts into the header how a body is coded, and that another client may get it
// otherwise (RFC 9110 8.4, 12.5.5).
func SayCoding(h http.Header, body []byte) {
	switch {
	case IsGzip(body):
		h["Content-Encoding"], h["Vary"] = codingGzip, varyCoding
	case len(body) >= MinCompressed:
		h["Vary"] = varyCoding
	}
}

var (
	codingGzip = []string{"gzip"}
	varyCoding = []string{"Accept-Encoding"}
)
