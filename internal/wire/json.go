package wire

import (
	"encoding/binary"
	"time"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendString appends s as JavaScript's JSON.stringify spells it: only quotes,
// backslashes and control characters are escaped. Invalid UTF-8 becomes U+FFFD.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	if isPlain(s) {
		return append(append(b, s...), '"')
	}
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		b = appendEscape(b, c)
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

// isPlain reports whether a text is spelled as it is, found out in words of eight bytes.
// Of shorter texts it knows nothing.
func isPlain(s string) bool {
	if len(s) < 8 {
		return false
	}
	marks := mark(s[len(s)-8:])
	for ; len(s) >= 8; s = s[8:] {
		marks |= mark(s)
	}
	return marks&0x8080808080808080 == 0
}

// mark sets the high bit of bytes that are not spelled as they are, control characters,
// quotes, backslashes, and what is not ASCII; perhaps those of others beside them.
func mark(s string) uint64 {
	const each = 0x0101010101010101
	word := binary.LittleEndian.Uint64([]byte(s[:8]))
	return word | (word - each*' ') | ((word ^ each*'"') - each) | ((word ^ each*'\\') - each)
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

const timeLayout = `"2006-01-02T15:04:05.000Z"`

// AppendTime appends an instant as the published API spells it: UTC with three
// fraction digits (docs/published-api.md P33).
func AppendTime(b []byte, t time.Time) []byte {
	const year0, year10000, day = -62167219200000, 253402300800000, 86400000 // in ms
	at := t.UnixMilli()
	if at < year0 || at >= year10000 {
		return t.UTC().AppendFormat(b, timeLayout)
	}
	at -= year0
	start := len(b)
	b = append(b, timeLayout...)
	text := (*[len(timeLayout)]byte)(b[start:])
	putDate(text, uint32(at/day))
	ms := uint32(at % day)
	putDigits(text[12:], ms/3600000)
	putDigits(text[15:], ms/60000%60)
	putDigits(text[18:], ms/1000%60)
	text[21] = '0' + byte(ms/100%10)
	putDigits(text[22:], ms%100)
	return b
}

// putDate writes the date that is so many days after 1 January of the year 0. It is
// Neri and Schneider's algorithm ("Euclidean affine functions and their application
// to calendar algorithms", 2022), which time.Time.Date has too, behind much else.
func putDate(text *[len(timeLayout)]byte, days uint32) {
	n := 4*(days+146097-60) + 3 // from 1 March of the year -400, in quarters
	century := n / 146097
	inCentury := 2939745 * uint64(n%146097|3)
	dayOfYear := uint32(inCentury) / 2939745 / 4
	inYear := 2141*dayOfYear + 197913
	year, month := 100*century+uint32(inCentury>>32)-400, inYear>>16
	if dayOfYear >= 306 {
		year, month = year+1, month-12
	}
	putDigits(text[1:], year/100)
	putDigits(text[3:], year%100)
	putDigits(text[6:], month)
	putDigits(text[9:], inYear&0xffff/2141+1)
}

// putDigits writes a number below a hundred as two digits.
func putDigits(b []byte, n uint32) { binary.LittleEndian.PutUint16(b, digits[n]) }

// digits are the numbers below a hundred, as two digits each.
var digits = func() (d [100]uint16) {
	for i := range d {
		d[i] = binary.LittleEndian.Uint16([]byte{'0' + byte(i/10), '0' + byte(i%10)})
	}
	return d
}()
