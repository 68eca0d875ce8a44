package pebble

import (
	"encoding/binary"
	"time"

	"github.com/rollcall-id/rollcall"
)

func appendTexts(b []byte, texts ...string) []byte {
	for _, t := range texts {
		b = binary.AppendUvarint(b, uint64(len(t)))
		b = append(b, t...)
	}
	return b
}

// appendTimes writes instants as milliseconds since 1970; the zero time comes
// back as the zero time.
func appendTimes(b []byte, times ...time.Time) []byte {
	for _, t := range times {
		b = binary.AppendVarint(b, t.UnixMilli())
	}
	return b
}

func appendOrigin(b []byte, o rollcall.Origin) []byte {
	return appendTexts(b, o.IP, o.UserAgent, o.ASN)
}

// A decoder reads a record. After the first thing that is not there everything
// else reads as zero, and end reports it.
type decoder struct {
	what   string
	format byte
	rest   string
	bad    bool
}

// newDecoder reads the record's format, which is known up to the one given. It
// copies the record once; the texts that are read are parts of the copy.
func newDecoder(what string, b []byte, known byte) (decoder, error) {
	if len(b) == 0 {
		return decoder{}, errCorrupt(what)
	}
	if b[0] > known {
		return decoder{}, errNewer(what, b[0], known)
	}
	if b[0] == 0 {
		return decoder{}, errCorrupt(what)
	}
	return decoder{what: what, format: b[0], rest: string(b[1:])}, nil
}

func (d *decoder) bytes(n int) string {
	if n < 0 || n > len(d.rest) {
		d.bad, d.rest = true, ""
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) byte() byte {
	if b := d.bytes(1); b != "" {
		return b[0]
	}
	return 0
}

// number reads a number below a bound.
func (d *decoder) number(bound int) int32 {
	n := d.uvarint()
	if n >= uint64(bound) {
		d.bad, d.rest = true, ""
		return 0
	}
	return int32(n)
}

func (d *decoder) text() string { return d.bytes(int(min(d.uvarint(), uint64(len(d.rest))+1))) }

func (d *decoder) uvarint() uint64 {
	var v uint64
	for i := 0; i < len(d.rest) && i < binary.MaxVarintLen64; i++ {
		c := d.rest[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break // more than 64 bits
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.rest = d.rest[i+1:]
			return v
		}
	}
	d.bad, d.rest = true, ""
	return 0
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *decoder) time() time.Time { return time.UnixMilli(d.varint()).UTC() }

func (d *decoder) origin() rollcall.Origin {
	return rollcall.Origin{IP: d.text(), UserAgent: d.text(), ASN: d.text()}
}

// count reads how many items follow. Each takes at least a byte, so a damaged
// count cannot ask for more than the record's size.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.bad, d.rest = true, ""
		return 0
	}
	return int(n)
}

func (d *decoder) err() error {
	if d.bad {
		return errCorrupt(d.what)
	}
	return nil
}

// end reports damage, or bytes that nothing has read.
func (d *decoder) end() error {
	if len(d.rest) > 0 {
		return errCorrupt(d.what)
	}
	return d.err()
}
