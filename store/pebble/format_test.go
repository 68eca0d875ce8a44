package pebble

import (
	"bytes"
	"context"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
)

// writeFormat is for whoever introduces a new format, before they do: it writes
// what the format of today is remembered by.
var writeFormat = flag.Bool("write-format", false, "write testdata/format1 anew")

const format1 = "testdata/format1"

func format1Session() rollcall.Session {
	s := aSession("session-of-format-1")
	s.Version, s.Generation = 1, rollcall.Generation{User: 2, Everybody: 3}
	s.SecretHash, s.RequestDigest = rollcall.SecretHash{1, 2, 3}, [32]byte{4, 5}
	s.UpdatedAt, s.AuthenticatedAt, s.RenewedAt = at.Add(1e6), at.Add(2e6), at.Add(3e6)
	s.Lifetimes = rollcall.Lifetimes{Absolute: time.Hour, Idle: time.Minute}
	s.CookieMode = rollcall.Persistent
	s.Methods = []rollcall.Method{{Name: "mfa", Type: "otp", At: at}}
	s.Clients = []string{"web"}
	s.Metadata = []rollcall.MetadataEntry{{Key: "k", Value: "v"}}
	s.UsedKeys = []rollcall.KeyMark{{6, 7}}
	s.Initial = rollcall.Origin{IP: "192.0.2.1", UserAgent: "curl/8", ASN: "64496"}
	return s
}

func format1Event() rollcall.Event {
	return rollcall.Event{ID: "evt_1", Type: rollcall.SessionCreated, At: at, UserID: "u", SessionID: "session-of-format-1", Count: -1, Actor: "web"}
}

func TestAStoreOfFormat1IsRead(t *testing.T) {
	if *writeFormat {
		writeFormat1(t)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(format1+"/store")); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{MinFree: -1})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer closeQuietly(s)
	got, user, err := s.Session(context.Background(), "session-of-format-1")
	if diff := cmp.Diff(format1Session(), got); err != nil || diff != "" {
		t.Errorf("session: %v\n%s", err, diff)
	}
	if diff := cmp.Diff(rollcall.User{ID: "u", Version: 1, Generation: 2, GenerationAt: at}, user); diff != "" {
		t.Errorf("user:\n%s", diff)
	}
	events, err := s.Events(context.Background(), "", 10)
	if err != nil || len(events) != 1 || events[0].Event != format1Event() {
		t.Errorf("events: %+v, %v", events, err)
	}
	d, err := s.Document(context.Background(), "d")
	if diff := cmp.Diff(rollcall.Document{Name: "d", Version: 1, Body: []byte("body")}, d); err != nil || diff != "" {
		t.Errorf("document: %v\n%s", err, diff)
	}
}

func TestTheRecordOfFormat1StaysTheSame(t *testing.T) {
	want, err := os.ReadFile(format1 + "/session.hex")
	if err != nil {
		t.Fatal(err)
	}
	r := row{session: format1Session(), filed: at}
	if got := hex.EncodeToString(r.encode()); got != strings.TrimSpace(string(want)) {
		t.Errorf("a session is written otherwise than format 1 says: that takes a new format\n%s", got)
	}
}

func writeFormat1(t *testing.T) {
	t.Helper()
	dir := filepath.Join(format1, "store")
	if err := os.RemoveAll(format1); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []rollcall.Change{
		{
			UserID: "u", User: &rollcall.PutUser{User: rollcall.User{ID: "u", Generation: 2, GenerationAt: at}},
			Sessions: []rollcall.PutSession{{Session: format1Session()}}, Events: []rollcall.Event{format1Event()},
		},
		{Documents: []rollcall.PutDocument{{Name: "d", Body: []byte("body")}}},
	} {
		if err := s.Commit(context.Background(), c); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r := row{session: format1Session(), filed: at}
	if err := os.WriteFile(format1+"/session.hex", []byte(hex.EncodeToString(r.encode())+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestWhatANewerVersionWroteIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	s, err := Open("store", Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	r := row{session: aSession("x"), filed: at}
	record := r.encode()
	record[0] = recordFormat + 1
	if _, err := decodeRow(record); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("a newer record: %v", err)
	}
	if err := s.db.Set(metaKey("format"), []byte{storeFormat + 1}, s.sync); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err = Open("store", Options{FS: fs}); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("a newer store: %v", err)
	}
}

func TestADamagedRecordIsAnErrorAndNeverAPanic(t *testing.T) {
	r := row{session: format1Session(), filed: at}
	record := r.encode()
	for n := range record {
		if _, err := decodeRow(record[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are read as a session", n, len(record))
		}
	}
	if _, err := decodeRow(append(bytes.Clone(record), 0)); err == nil {
		t.Error("a byte too many is read over")
	}
}

func FuzzDecodeRow(f *testing.F) {
	r := row{session: format1Session(), filed: at}
	f.Add(r.encode())
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		decoded, err := decodeRow(b)
		if err != nil {
			return
		}
		again, err := decodeRow(decoded.encode())
		if diff := cmp.Diff(decoded, again, cmp.AllowUnexported(row{})); err != nil || diff != "" {
			t.Errorf("reads back otherwise: %v\n%s", err, diff)
		}
	})
}

func BenchmarkDecodeRow(b *testing.B) {
	r := row{session: format1Session(), filed: at}
	record := r.encode()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeRow(record); err != nil {
			b.Fatal(err)
		}
	}
}
