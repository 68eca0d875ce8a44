package main

import "github.com/minio/minlz"

// pageCompressor makes remembered pages smaller, to about a sixth. They are read far more
// often than written, and MinLZ's fastest level is quickest to read.
type pageCompressor struct{}

// Compress fails for more than 8 MiB.
func (pageCompressor) Compress(b, text []byte) ([]byte, error) {
	return minlz.AppendEncoded(b, text, minlz.LevelFastest)
}

func (pageCompressor) Decompress(b, compressed []byte) ([]byte, error) {
	return minlz.AppendDecoded(b, compressed)
}
