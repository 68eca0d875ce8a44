package pebble

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
)

func TestAPointerOfANewerVersionIsRefusedByName(t *testing.T) {
	record := pointer{kind: kindLive, createdAt: t0, userID: "u"}.encode()
	record[0] = 16
	if _, err := decodePointer(record); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Error(err)
	}
}

func TestANumberOfMoreThan64BitsIsDamage(t *testing.T) {
	d, err := newDecoder("a number", append([]byte{recordFormat}, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"...), recordFormat)
	if got := d.uvarint(); err != nil || got != math.MaxUint64 || d.end() != nil {
		t.Errorf("the largest: %d, %v, %v", got, err, d.end())
	}
	d, err = newDecoder("a number", append([]byte{recordFormat}, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"...), recordFormat)
	if d.uvarint(); err != nil || d.err() == nil {
		t.Errorf("a larger one is read")
	}
}

// FuzzDecodeRecords holds every other record to what FuzzDecodeRow holds a session's
// to: whatever the bytes, an error and never a panic, and what is read comes back.
func FuzzDecodeRecords(f *testing.F) {
	f.Add(encodeUser(rollcall.User{Version: 1, Generation: 2, GenerationAt: t0}))
	f.Add(encodeDocument(3, []byte("body")))
	f.Add(encodeEvent(rollcall.Event{ID: "evt", Type: rollcall.SessionCreated, At: t0, UserID: "u", Count: -1}))
	f.Add(pointer{kind: kindEnded, createdAt: t0, userID: "u"}.encode())
	var known uses
	known.init(1)
	r := newUseRecord(&known, rememberedTouches())
	r.seq = 2
	f.Add(r.encode())
	f.Add([]byte{})
	f.Add([]byte{recordFormat + 1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		same := func(first, again any, err error) {
			if diff := cmp.Diff(first, again, cmp.AllowUnexported(pointer{})); err != nil || diff != "" {
				t.Errorf("reads back otherwise: %v\n%s", err, diff)
			}
		}
		if r, err := decodeUses(&known, 2, b); err == nil {
			encoded := r.encode()
			again, err := decodeUses(&known, 2, encoded)
			if err == nil {
				again.size = r.size // a number may be spelled longer than it needs be
			}
			if !reflect.DeepEqual(r, again) || err != nil {
				t.Errorf("uses read back otherwise: %+v, %+v, %v", r, again, err)
			}
		}
		if u, err := decodeUser("u", b); err == nil {
			again, err := decodeUser("u", encodeUser(u))
			same(u, again, err)
		}
		if d, err := decodeDocument("d", b); err == nil {
			again, err := decodeDocument("d", encodeDocument(d.Version, d.Body))
			same(d, again, err)
		}
		if e, err := decodeEvent(b); err == nil {
			again, err := decodeEvent(encodeEvent(e))
			same(e, again, err)
		}
		if p, err := decodePointer(b); err == nil {
			again, err := decodePointer(p.encode())
			same(p, again, err)
		}
	})
}
