package pebble

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
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

// writeFormat is for whoever introduces a new format: it writes what the format of today
// is remembered by.
var writeFormat = flag.Bool("write-format", false, "write testdata/format4 anew")

const (
	format1 = "testdata/format1"
	format2 = "testdata/format2"
	format3 = "testdata/format3"
	format4 = "testdata/format4"
)

func format1Session() rollcall.Session { return rememberedSession("session-of-format-1") }

// rememberedSession has something in every field that is remembered.
func rememberedSession(id string) rollcall.Session {
	s := aSession(id)
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

// openFormat opens a copy of a store that an earlier version wrote.
func openFormat(t *testing.T, of string) *Store {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(of+"/store")); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{MinFree: -1})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { closeQuietly(s) })
	return s
}

func TestAStoreOfFormat1IsRead(t *testing.T) {
	s := openFormat(t, format1)
	if format, err := s.meta("format"); err != nil || format != storeFormat {
		t.Errorf("an older version would take it for its own: format %d, %v", format, err)
	}
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

func TestASessionOfFormat1IsReadAndTakesUses(t *testing.T) {
	s := openFormat(t, format1)
	later := rollcall.Interaction{At: at.Add(time.Second), IdleExpiresAt: at.Add(time.Minute)}
	if err := s.Touch(background, []rollcall.Touch{{UserID: "u", SessionID: "session-of-format-1", Interaction: later}}); err != nil {
		t.Fatal(err)
	}
	want := format1Session()
	want.Last = later
	got, _, err := s.Session(background, "session-of-format-1")
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	isTheRow(t, format1, row{session: format1Session(), filed: at})
}

// isTheRow holds the row that is remembered of a format to what was written.
func isTheRow(t *testing.T, of string, want row) {
	t.Helper()
	record, err := os.ReadFile(of + "/session.hex")
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(record)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeRow(b)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// rememberedRow is the row that formats are remembered by.
func rememberedRow() row {
	return row{session: rememberedSession("session-of-format-2"), filed: at, mark: 300}
}

// rememberedTouches are uses in the stores of formats 2 and 3: of addresses of every form.
func rememberedTouches() []rollcall.Touch {
	var touches []rollcall.Touch
	for i, ip := range []string{"", "192.0.2.9", "2001:db8::9", "no address"} {
		at := at.Add(time.Duration(i+1) * time.Second)
		touches = append(touches, rollcall.Touch{UserID: "u", SessionID: formatID(i), Interaction: rollcall.Interaction{
			At: at, IdleExpiresAt: at.Add(time.Minute), Origin: rollcall.Origin{IP: ip, UserAgent: "curl/9", ASN: "64497"},
		}})
	}
	return touches
}

func formatID(i int) string { return []string{"session-of-format-2", "a", "b", "c"}[i] }

func TestStoresOfFormats2And3AreRead(t *testing.T) {
	for _, format := range []string{format2, format3} {
		s := openFormat(t, format)
		for i, touch := range rememberedTouches() {
			want := rememberedSession(formatID(i))
			want.Last = touch.Interaction
			got, _, err := s.Session(background, formatID(i))
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: %v\n%s", format, err, diff)
			}
		}
		if s.useLog.uses.count != len(rememberedTouches()) {
			t.Errorf("%s: the store holds the uses of %d sessions in its log", format, s.useLog.uses.count)
		}
		isTheRow(t, format, rememberedRow())
	}
}

func TestTheRecordsOfFormat3StayTheSame(t *testing.T) {
	for name, got := range format3Records() {
		want, err := os.ReadFile(format3 + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is written otherwise than format 3 says: that takes a new format\n%s", name, got)
		}
	}
}

func format3Records() map[string]string {
	r, short := rememberedRow(), shortRow()
	var known uses
	known.init(1)
	u := newUseRecord(&known, rememberedTouches())
	u.number(7)
	u.seq = 9 // as if it were written anew
	return map[string]string{
		"session.hex": hex.EncodeToString(r.encode()) + "\n",
		"short.hex":   hex.EncodeToString(short.encode()) + "\n",
		"uses.hex":    hex.EncodeToString(u.encode()) + "\n",
	}
}

// shortRow is a row that leaves out what can be: never changed, and used from where it
// began.
func shortRow() row {
	s := rememberedSession("s")
	s.RequestDigest, s.EndedAt, s.Last.Origin = [32]byte{}, time.Time{}, s.Initial
	s.UpdatedAt, s.AuthenticatedAt, s.RenewedAt = s.CreatedAt, s.CreatedAt, s.CreatedAt
	return row{session: s, filed: at}
}

// endedUnread is the session of format 4 that has an ending behind its row.
func endedUnread() rollcall.Session {
	s := rememberedSession("session-of-format-4")
	s.EndedAt, s.EndReason = time.Time{}, ""
	return s
}

func TestAStoreOfFormat4IsRead(t *testing.T) {
	if *writeFormat {
		writeFormat4(t)
	}
	s := openFormat(t, format4)
	want := endedUnread().Ended(at.Add(time.Hour), rollcall.ReasonRevoked)
	want.Version, want.Last = 2, rememberedTouches()[1].Interaction
	got, user, err := s.Session(background, want.ID)
	if diff := cmp.Diff(want, got); err != nil || diff != "" || user.Version != 2 {
		t.Errorf("%+v, %v\n%s", user, err, diff)
	}
	if _, live, err := s.Sessions(background, "u", rollcall.Position{}, 9); err != nil || len(live) != 1 || live[0].ID != "another" {
		t.Errorf("listed: %+v, %v", live, err)
	}
	ending, err := os.ReadFile(format4 + "/ending.hex")
	if got := hex.EncodeToString(encodeEnding(&want)) + "\n"; err != nil || got != string(ending) {
		t.Errorf("an ending is written otherwise than format 4 says: that takes a new format\n%s", got)
	}
}

func writeFormat4(t *testing.T) {
	t.Helper()
	dir := filepath.Join(format4, "store")
	if err := errors.Join(os.RemoveAll(format4), os.MkdirAll(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	made, ended := creation("u", 0, endedUnread(), aSession("another")), endedUnread().Ended(at.Add(time.Hour), rollcall.ReasonRevoked)
	ended.Last = rememberedTouches()[1].Interaction
	err = errors.Join(s.Commit(background, made), s.db.Flush(), s.Commit(background, unread("u", 1, ended)), s.Close(),
		os.WriteFile(filepath.Join(format4, "ending.hex"), []byte(hex.EncodeToString(encodeEnding(&ended))+"\n"), 0o644))
	if err != nil {
		t.Fatal(err)
	}
}

func TestARowLeavesOutWhatItHasTwice(t *testing.T) {
	short := shortRow()
	long := short
	long.session.Last.Origin.UserAgent = strings.Repeat("a", len(short.session.Initial.UserAgent))
	if saved, want := len(long.encode())-len(short.encode()), len(short.session.Initial.UserAgent)+len(short.session.Initial.IP); saved < want {
		t.Errorf("the origin of the last use takes %d bytes, at least %d of them for nothing", saved, want)
	}
	for _, r := range []row{short, long, rememberedRow()} {
		r.session.EndedAt = at.Add(time.Hour)
		got, err := decodeRow(r.encode())
		if diff := cmp.Diff(r, got, cmp.AllowUnexported(row{})); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
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
	record[0] = rowFormat + 1
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
	s := endedUnread().Ended(at, rollcall.ReasonLogout)
	ending := encodeEnding(&s)
	for n := range len(ending) - 1 {
		if _, err := decodeRow(append(bytes.Clone(record), ending[:n+1]...)); err == nil {
			t.Errorf("the first %d of %d bytes are read as an ending", n+1, len(ending))
		}
	}
}

func FuzzDecodeRow(f *testing.F) {
	r := row{session: format1Session(), filed: at}
	f.Add(r.encode())
	short := shortRow()
	f.Add(short.encode())
	ended := endedUnread().Ended(at, rollcall.ReasonLogout)
	f.Add(append(short.encode(), encodeEnding(&ended)...))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		decoded, err := decodeRow(b)
		if err != nil {
			return
		}
		again, err := decodeRow(decoded.encode())
		decoded.filedBefore = time.Time{} // a row that is written whole is filed once
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
