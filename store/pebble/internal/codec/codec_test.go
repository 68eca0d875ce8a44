package codec

import (
	"math"
	"testing"
)

func TestANumberOfMoreThan64BitsIsDamage(t *testing.T) {
	d, err := NewDecoder("a number", append([]byte{Format}, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"...))
	if got := d.Uvarint(); err != nil || got != math.MaxUint64 || d.End() != nil {
		t.Errorf("the largest: %d, %v, %v", got, err, d.End())
	}
	d, err = NewDecoder("a number", append([]byte{Format}, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"...))
	if d.Uvarint(); err != nil || d.Err() == nil {
		t.Errorf("a larger one is read")
	}
}

func TestFieldsEndWhereNoNumberOfAFieldStands(t *testing.T) {
	for _, c := range []struct{ rest, fields string }{
		{"", ""}, {"\x01\x00", "\x01\x00"}, {"\x7f\x02ab\x01\x01c", "\x7f\x02ab\x01\x01c"}, {"\x01\x01a\xff\x00", "\x01\x01a"}, {"\x00", ""},
	} {
		d, err := NewDecoder("a record", append([]byte{Format}, c.rest...))
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Fields(); got != c.fields || d.Err() != nil || d.More() != (len(c.rest) > len(c.fields)) {
			t.Errorf("of %q: %q, %v", c.rest, got, d.Err())
		}
	}
	for _, damaged := range []string{"\x01", "\x01\x02a", "\x01\x00\x02"} {
		d, err := NewDecoder("a record", append([]byte{Format}, damaged...))
		if d.Fields(); err != nil || d.Err() == nil {
			t.Errorf("%q is read", damaged)
		}
	}
}

func TestWhatIsAboveAnotherComesBack(t *testing.T) {
	for _, n := range []uint64{0, 1, 1_772_000_000_000, math.MaxInt64, math.MaxUint64} {
		for _, base := range []uint64{0, 5, 1_772_000_000_001, math.MaxUint64} {
			d, err := NewDecoder("a number", AppendAbove([]byte{Format}, n, base))
			if got := d.Above(base); err != nil || got != n || d.End() != nil {
				t.Errorf("%d above %d comes back as %d, %v, %v", n, base, got, err, d.End())
			}
		}
	}
}
