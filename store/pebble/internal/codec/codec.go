// Package codec writes and reads the records of the embedded store in their flat form:
// numbers as varints, texts with their length before them, instants as milliseconds.
package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-id/rollcall"
)

// AppendTexts appends texts, each behind its length in bytes.
func AppendTexts(b []byte, texts ...string) []byte {
	for _, t := range texts {
		b = binary.AppendUvarint(b, uint64(len(t)))
		b = append(b, t...)
	}
	return b
}

// AppendTimes writes instants as milliseconds since 1970; the zero time comes
// back as the zero time.
func AppendTimes(b []byte, times ...time.Time) []byte {
	for _, t := range times {
		b = binary.AppendVarint(b, t.UnixMilli())
	}
	return b
}

// AppendOrigin appends an origin.
func AppendOrigin(b []byte, o rollcall.Origin) []byte {
	return AppendTexts(b, o.IP, o.UserAgent, o.ASN)
}

// AppendLater appends instants, each as the milliseconds that it is later than the one
// before it.
func AppendLater(b []byte, before int64, times ...time.Time) []byte {
	for _, t := range times {
		ms := t.UnixMilli()
		b = binary.AppendVarint(b, ms-before)
		before = ms
	}
	return b
}

// AppendAbove appends a number as what it is above another, which is often little.
func AppendAbove(b []byte, n, base uint64) []byte {
	return binary.AppendVarint(b, int64(n-base))
}

// Format is the first byte of every record but a pointer, and the format of the key
// space as a whole. A store or record of another format is refused, since guessing would
// lose what it holds.
const Format = 5

// An unreadable is the error of a record that this version cannot read. The error says
// nothing that is in the record.
type unreadable string

func (e unreadable) Error() string { return string(e) }

// IsUnreadable reports that an error is of a record that is damaged or of another format.
func IsUnreadable(err error) bool {
	var e unreadable
	return errors.As(err, &e)
}

// Corrupt is the error of a record that says what no version of this format writes.
func Corrupt(what string) error { return unreadable(what + " in the store is damaged") }

// A Decoder reads a record. After the first thing that is not there everything
// else reads as zero, and End reports the damage.
type Decoder struct {
	what string
	rest string
	bad  bool
}

// NewDecoder reads the record's format. The record is copied once; the texts that are
// read are parts of the copy.
func NewDecoder(what string, b []byte) (Decoder, error) {
	if len(b) == 0 {
		return Decoder{}, Corrupt(what)
	}
	if b[0] != Format {
		return Decoder{}, unreadable(fmt.Sprintf("%s in the store has format %d, this version reads %d", what, b[0], Format))
	}
	return Decoder{what: what, rest: string(b[1:])}, nil
}

// More reports whether something is left to read.
func (d *Decoder) More() bool { return d.rest != "" }

// Part reads a text that is a record in itself, without a format.
func (d *Decoder) Part() Decoder { return Decoder{what: d.what, rest: d.Text()} }

// Fail notes that the record is damaged: nothing more is read of it.
func (d *Decoder) Fail() { d.bad, d.rest = true, "" }

// Flags reads a byte of which only known bits may be set.
func (d *Decoder) Flags(known byte) byte {
	b := d.Byte()
	if b&^known != 0 {
		d.Fail()
	}
	return b
}

// Bytes reads so many bytes.
func (d *Decoder) Bytes(n int) string {
	if n < 0 || n > len(d.rest) {
		d.Fail()
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

// Byte reads one byte.
func (d *Decoder) Byte() byte {
	if b := d.Bytes(1); b != "" {
		return b[0]
	}
	return 0
}

// Number reads a number below a bound.
func (d *Decoder) Number(bound int) int32 {
	n := d.Uvarint()
	if n >= uint64(bound) {
		d.Fail()
		return 0
	}
	return int32(n)
}

// Text is the inverse of AppendTexts, for one text.
func (d *Decoder) Text() string { return d.Bytes(int(min(d.Uvarint(), uint64(len(d.rest))+1))) }

// Uvarint reads a number of up to 64 bits.
func (d *Decoder) Uvarint() uint64 {
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
	d.Fail()
	return 0
}

// Varint reads a number with a sign.
func (d *Decoder) Varint() int64 {
	u := d.Uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// Time is the inverse of AppendTimes, for one instant.
func (d *Decoder) Time() time.Time { return Milli(d.Varint()) }

// Later is the inverse of AppendLater.
func (d *Decoder) Later(before int64, times ...*time.Time) {
	for _, t := range times {
		before += d.Varint()
		*t = Milli(before)
	}
}

// Above is the inverse of AppendAbove.
func (d *Decoder) Above(base uint64) uint64 { return base + uint64(d.Varint()) }

// Origin is the inverse of AppendOrigin.
func (d *Decoder) Origin() rollcall.Origin {
	return rollcall.Origin{IP: d.Text(), UserAgent: d.Text(), ASN: d.Text()}
}

// Count reads how many items follow. Each takes at least a byte, so a damaged
// Count cannot ask for more than the record's size.
func (d *Decoder) Count() int {
	n := d.Uvarint()
	if n > uint64(len(d.rest)) {
		d.Fail()
		return 0
	}
	return int(n)
}

// Err reports damage.
func (d *Decoder) Err() error {
	if d.bad {
		return Corrupt(d.what)
	}
	return nil
}

// End reports damage, or bytes that nothing has read.
func (d *Decoder) End() error {
	if len(d.rest) > 0 {
		return Corrupt(d.what)
	}
	return d.Err()
}

// A record ends with fields: each a number of one byte, from 1 to 127, a length and so
// many bytes. A later version may add fields without a new format;
// whoever does not know a field keeps it whenever the record is written anew, and reads
// the record as if it were not there.
//
// Numbers that are taken, of an event: 1 the actor's kind. Of a session: 1 IdP (issuer, sid, sub), 2 kind, 3 policy,
// 4 country of the first use, 5 country of the last use, 6 tokens.
const maxField = 0x7f

// Fields reads the fields that stand next. A byte that is no field's number ends them.
func (d *Decoder) Fields() string {
	from := d.rest
	for d.rest != "" && d.rest[0] > 0 && d.rest[0] <= maxField {
		d.Byte()
		d.Text()
	}
	return from[:len(from)-len(d.rest)]
}

// AppendField appends a field of a record.
func AppendField(b []byte, number byte, value string) []byte {
	return AppendTexts(append(b, number), value)
}

// Field returns one of the fields that Fields has read, "" when it is not among them.
func Field(fields string, number byte) string {
	d := Decoder{rest: fields}
	for d.rest != "" {
		if found, value := d.Byte(), d.Text(); found == number {
			return value
		}
	}
	return ""
}

// Milli is the instant of so many milliseconds since 1970.
func Milli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
