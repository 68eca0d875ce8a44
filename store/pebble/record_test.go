package pebble

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
)

func TestAPointerToAnotherKindOfRowIsDamage(t *testing.T) {
	for _, kind := range []byte{kindUser, kindEnded + 1, 16} {
		if p, err := decodePointer(pointer{kind: kind, createdAt: t0, userID: "u"}.encode()); err == nil {
			t.Errorf("%+v", p)
		}
	}
}

// FuzzDecodeRecords holds every other record to what FuzzDecodeRow holds a session's
// to: whatever the bytes, an error and never a panic, and what is read comes back.
func FuzzDecodeRecords(f *testing.F) {
	u, everybody, doc, event := formatUser(), formatEverybody(), formatDocument(), formatEvent()
	f.Add(u.encode())
	f.Add(everybody.encode())
	f.Add(doc.encode())
	f.Add(event.encode())
	f.Add(pointer{kind: kindEnded, createdAt: t0, userID: "u"}.encode())
	f.Add([]byte{})
	f.Add([]byte{codec.Format + 1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		same := func(first, again any, err error) {
			if diff := cmp.Diff(first, again, cmp.AllowUnexported(pointer{}, userRow{}, everybodyRow{}, documentRow{}, loggedEvent{})); err != nil || diff != "" {
				t.Errorf("reads back otherwise: %v\n%s", err, diff)
			}
		}
		if u, err := decodeUser("u", b); err == nil {
			again, err := decodeUser("u", u.encode())
			same(u, again, err)
		}
		if e, err := decodeEverybody(b); err == nil {
			again, err := decodeEverybody(e.encode())
			same(e, again, err)
		}
		if d, err := decodeDocument("d", b); err == nil {
			again, err := decodeDocument("d", d.encode())
			same(d, again, err)
		}
		if e, err := decodeEvent(b); err == nil {
			again, err := decodeEvent(e.encode())
			same(e, again, err)
		}
		if p, err := decodePointer(b); err == nil {
			again, err := decodePointer(p.encode())
			same(p, again, err)
		}
	})
}
