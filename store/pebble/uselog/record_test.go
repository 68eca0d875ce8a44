package uselog

import (
	"encoding/hex"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
)

// writeFormat is for whoever introduces a new format: it writes what the format of today
// is remembered by.
var writeFormat = flag.Bool("write-format", false, "write testdata/format5.hex anew")

func newIndex() *Index {
	var x Index
	x.init(1)
	return &x
}

// formatRecord has uses of addresses of every form, written anew.
func formatRecord(x *Index) *record {
	var touches []rollcall.Touch
	for i, ip := range []string{"", "192.0.2.9", "2001:db8::9", "no address"} {
		at := t0.Add(time.Duration(i+1) * time.Second)
		touches = append(touches, rollcall.Touch{UserID: "u", SessionID: []string{"full", "a", "b", "c"}[i], Interaction: rollcall.Interaction{
			At: at, IdleExpiresAt: at.Add(time.Minute), Origin: rollcall.Origin{IP: ip, UserAgent: "curl/9", ASN: "64497"},
		}})
	}
	r := newRecord(x, touches)
	r.bear(7)
	r.number = 9
	return r
}

func TestARecordOfFormat5StaysTheSame(t *testing.T) {
	const file = "testdata/format5.hex"
	x := newIndex()
	r := formatRecord(x)
	got := hex.EncodeToString(r.encode()) + "\n"
	if *writeFormat {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || got != string(want) {
		t.Errorf("a record is written otherwise than format 5 says: that takes a new format\n%s, %v", got, err)
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(want)))
	if err != nil {
		t.Fatal(err)
	}
	r.size = recordSize(b)
	if read, err := decodeRecord(x, 9, b); err != nil || !reflect.DeepEqual(read, r) {
		t.Errorf("%+v, want %+v, %v", read, r, err)
	}
}

func TestARecordOfAnotherFormatIsRefusedByName(t *testing.T) {
	for _, other := range []byte{codec.Format - 1, codec.Format + 1} {
		if _, err := decodeRecord(newIndex(), 1, []byte{other, 0, 0}); err == nil || !strings.HasPrefix(err.Error(), "a record of uses in the store has format ") {
			t.Errorf("format %d: %v", other, err)
		}
	}
}

// FuzzDecodeRecord: whatever the bytes, an error and never a panic, and what is read comes
// back.
func FuzzDecodeRecord(f *testing.F) {
	x := newIndex()
	r := formatRecord(x)
	f.Add(r.encode())
	r.further = 1
	for i := range r.uses {
		r.uses[i].further = []int32{1}
	}
	f.Add(r.encode())
	f.Add([]byte{codec.Format, 0, 3, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(x, 9, b)
		if err != nil {
			return
		}
		again, err := decodeRecord(x, 9, r.encode())
		if err == nil {
			again.size = r.size // a number may be spelled longer than it needs be
		}
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Errorf("reads back otherwise: %+v, %+v, %v", r, again, err)
		}
	})
}
