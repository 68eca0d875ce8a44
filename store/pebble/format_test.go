package pebble

import (
	"bytes"
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
	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
)

// writeFormat is for whoever introduces a new format: it writes what the format of today
// is remembered by.
var writeFormat = flag.Bool("write-format", false, "write testdata/format5 anew")

const format5 = "testdata/format5"

// formatSession has something in every field.
func formatSession(id string) rollcall.Session {
	s := aSession(id)
	s.Version, s.Generation = 1, rollcall.Generation{User: uint64(at.UnixMilli()) + 2, Everybody: 3}
	s.SecretHash, s.RequestDigest = rollcall.SecretHash{1, 2, 3}, [32]byte{4, 5}
	s.UpdatedAt, s.AuthenticatedAt, s.RenewedAt = at.Add(1e6), at.Add(2e6), at.Add(3e6)
	s.Lifetimes = rollcall.Lifetimes{Absolute: time.Hour, Idle: time.Minute}
	s.CookieMode = rollcall.Persistent
	s.Methods = []rollcall.Method{{Name: "mfa", Type: "otp", At: at}}
	s.Clients = []string{"web"}
	s.Metadata = []rollcall.MetadataEntry{{Key: "k", Value: "v"}}
	s.UsedKeys = []rollcall.KeyMark{{6, 7}}
	s.Initial = rollcall.Origin{IP: "192.0.2.1", UserAgent: "curl/8", ASN: "64496"}
	s.Last.Origin = rollcall.Origin{IP: "2001:db8::1", UserAgent: "curl/9", ASN: "64497"}
	return s
}

// formatEnded is the session whose row says that it ended.
func formatEnded() rollcall.Session {
	return formatSession("ended").Ended(rollcall.Ending{EndedAt: at.Add(time.Hour), EndReason: rollcall.ReasonRevoked, EndedBy: "console"})
}

// formatRow is a row with something in every field.
func formatRow() row { return row{session: formatEnded(), filed: at.Add(2 * time.Hour), mark: 300} }

// shortRow is a row that leaves out what can be: never changed, and used from where it
// began.
func shortRow() row {
	s := formatSession("s")
	s.RequestDigest, s.Last.Origin = [32]byte{}, s.Initial
	s.UpdatedAt, s.AuthenticatedAt, s.RenewedAt = s.CreatedAt, s.CreatedAt, s.CreatedAt
	return row{session: s, filed: at}
}

// formatEnd ends the session "unread", which lies behind its row.
func formatEnd() rollcall.End {
	return rollcall.End{
		At:     rollcall.At{ID: "unread", UserID: "u", CreatedAt: at},
		Ending: rollcall.Ending{EndedAt: at.Add(time.Minute), EndReason: rollcall.ReasonLogout, EndedBy: "u"},
		Last: rollcall.Interaction{
			At: at.Add(time.Second), IdleExpiresAt: at.Add(time.Hour), Origin: rollcall.Origin{IP: "192.0.2.7", UserAgent: "curl/7", ASN: "64498"},
		},
		FileAt: at.Add(48 * time.Hour),
	}
}

func formatUser() userRow {
	began := uint64(at.UnixMilli())
	return userRow{User: rollcall.User{
		ID: "u", Version: began + 3, Generation: began + 2, GenerationAt: at.Add(time.Second), GenerationReason: rollcall.ReasonOthers, GenerationBy: "console",
		TokenGeneration: began + 1, TokenGenerationAt: at.Add(time.Minute), Events: 3,
	}, latestEvent: 4}
}

func formatEverybody() everybodyRow {
	return everybodyRow{Everybody: rollcall.Everybody{
		Version: 1, Generation: 3, GenerationAt: at, GenerationBy: "console", Settings: 4, Clients: map[string]uint64{"app": 6, "web": 5},
	}}
}

func formatDocument() documentRow {
	return documentRow{Document: rollcall.Document{Name: "d", Version: 1, Body: []byte("body")}}
}

// formatEvent has something in every field.
func formatEvent() loggedEvent {
	return loggedEvent{number: 2, Event: rollcall.Event{
		ID: "evt_1", Type: rollcall.UserSessionsEnded, At: at, UserID: "u", SessionID: "full", Except: "a", ClientID: "web", Reason: rollcall.ReasonOthers,
		Count: -1, Generation: 7, TokenGeneration: 8, Actor: "console", IP: "192.0.2.1", UserAgent: "curl/8", CorrelationID: "c",
	}}
}

// formatTouches are uses of addresses of every form.
func formatTouches() []rollcall.Touch {
	var touches []rollcall.Touch
	for i, ip := range []string{"", "192.0.2.9", "2001:db8::9", "no address"} {
		at := at.Add(time.Duration(i+1) * time.Second)
		touches = append(touches, rollcall.Touch{UserID: "u", SessionID: formatIDs[i], Interaction: rollcall.Interaction{
			At: at, IdleExpiresAt: at.Add(time.Minute), Origin: rollcall.Origin{IP: ip, UserAgent: "curl/9", ASN: "64497"},
		}})
	}
	return touches
}

var formatIDs = []string{"full", "a", "b", "c"}

// writeFormat5 makes the store that the format is remembered by.
func writeFormat5(t *testing.T) {
	t.Helper()
	dir := filepath.Join(format5, "store")
	if err := errors.Join(os.RemoveAll(format5), os.MkdirAll(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	u, everybody := formatUser().User, formatEverybody().Everybody
	first, event := u, formatEvent().Event
	first.Version -= 3
	made := rollcall.Change{UserID: "u", User: &rollcall.PutUser{User: first}, Events: []rollcall.Event{{ID: "evt_0", Type: rollcall.SessionCreated, At: at, UserID: "u"}}}
	for _, id := range append(formatIDs, "unread") {
		made.Sessions = append(made.Sessions, rollcall.PutSession{Session: formatSession(id)})
	}
	moved := rollcall.Change{
		UserID: "u", User: &rollcall.PutUser{User: u, Replaces: first.Version}, Events: []rollcall.Event{event},
		Sessions: []rollcall.PutSession{{Session: formatEnded(), FileAt: at.Add(2 * time.Hour)}},
	}
	ended := rollcall.Change{
		UserID: "u", User: &rollcall.PutUser{User: u, Replaces: first.Version + 1}, Ends: []rollcall.End{formatEnd()},
	}
	last := rollcall.Change{UserID: "u", User: &rollcall.PutUser{User: u, Replaces: first.Version + 2}, Events: []rollcall.Event{event}}
	nobody := rollcall.Change{
		Everybody: &rollcall.PutEverybody{Everybody: everybody},
		Documents: []rollcall.PutDocument{{Name: "d", Body: formatDocument().Body}},
		Events:    []rollcall.Event{{ID: "evt_2", Type: rollcall.EverybodyEnded, At: at, Generation: 3}},
	}
	err = errors.Join(commit(s, made), commit(s, moved), s.db.Flush(), commit(s, ended), commit(s, nobody), commit(s, last),
		s.Touch(background, formatTouches()), s.Close())
	for name, record := range formatRecords() {
		err = errors.Join(err, os.WriteFile(filepath.Join(format5, name), []byte(record), 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func formatRecords() map[string]string {
	long, short, end, user := formatRow(), shortRow(), formatEnd(), formatUser()
	everybody, doc, event := formatEverybody(), formatDocument(), formatEvent()
	records := map[string]string{}
	for name, b := range map[string][]byte{
		"session.hex": long.encode(), "short.hex": short.encode(), "ending.hex": encodeEnding(&end), "user.hex": user.encode(),
		"everybody.hex": everybody.encode(), "document.hex": doc.encode(), "event.hex": event.encode(),
	} {
		records[name] = hex.EncodeToString(b) + "\n"
	}
	return records
}

func TestTheRecordsOfFormat5StayTheSame(t *testing.T) {
	if *writeFormat {
		writeFormat5(t)
	}
	for name, got := range formatRecords() {
		want, err := os.ReadFile(filepath.Join(format5, name))
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is written otherwise than format 5 says: that takes a new format\n%s", name, got)
		}
	}
}

// openFormat5 opens a copy of the store that the format is remembered by.
func openFormat5(t *testing.T) *Store {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(format5+"/store")); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{MinFree: -1})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { closeQuietly(s) })
	return s
}

func TestAStoreOfFormat5IsReadAsItWasWritten(t *testing.T) {
	s := openFormat5(t)
	standing := rollcall.Standing{User: formatUser().User, Everybody: formatEverybody().Everybody}
	isSession := func(want rollcall.Session) {
		t.Helper()
		got, st, err := s.Session(background, rollcall.At{ID: want.ID})
		if diff := cmp.Diff(want, got) + cmp.Diff(standing, st); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", want.ID, err, diff)
		}
	}
	for i, touch := range formatTouches() {
		used := formatSession(formatIDs[i])
		used.Last = touch.Interaction
		isSession(used)
	}
	isSession(formatEnded())
	end := formatEnd()
	unread := formatSession("unread").Ended(end.Ending)
	unread.Version, unread.Last = 2, end.Last
	isSession(unread)
	if n := s.uses.Len(); n != len(formatTouches()) {
		t.Errorf("the store holds the uses of %d sessions in its log", n)
	}
	if u, err := s.user("u"); err != nil || u != formatUser() {
		t.Errorf("the user's row: %+v, %v", u, err)
	}
	doc, err := s.Document(background, "d")
	if diff := cmp.Diff(formatDocument().Document, doc); err != nil || diff != "" {
		t.Errorf("document: %v\n%s", err, diff)
	}
	events, err := eventsAfter(s, "", 10)
	if err != nil || len(events) != 4 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	for i, number := range []uint64{1, 2, 0, 3} {
		if events[i].Number != number {
			t.Errorf("event %d has number %d", i, events[i].Number)
		}
	}
	if diff := cmp.Diff(formatEvent().Event, events[1].Event); diff != "" {
		t.Errorf("event:\n%s", diff)
	}
	filings, err := s.due(nil, at.AddDate(1, 0, 0), 99)
	if last := filingKey(end.FileAt, "unread"); err != nil || len(filings) != 7 || !bytes.Equal(filings[6], last) {
		t.Errorf("filings: %q, %v", filings, err)
	}
}

func TestAStoreOfAnotherFormatIsRefusedByName(t *testing.T) {
	for _, c := range []struct {
		stored []byte
		want   string
	}{{[]byte{4}, "format 4, this version reads 5"}, {[]byte{6}, "format 6, this version reads 5"}, {nil, "format 0, this version reads 5"}} {
		fs := vfs.NewMem()
		s := openInMemory(t, Options{FS: fs})
		err := s.db.Set(metaKey(metaFormat), c.stored, s.sync)
		if c.stored == nil {
			err = s.db.Delete(metaKey(metaFormat), s.sync)
		}
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := Open("store", Options{FS: fs}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("stored %v: %v", c.stored, err)
		}
	}
}

func TestARecordOfAnotherFormatIsRefusedByName(t *testing.T) {
	for _, other := range []byte{codec.Format - 1, codec.Format + 1} {
		for name, decode := range map[string]func(b []byte) error{
			"a session":       func(b []byte) error { _, err := decodeRow(b); return err },
			"a user":          func(b []byte) error { _, err := decodeUser("u", b); return err },
			"everybody's row": func(b []byte) error { _, err := decodeEverybody(b); return err },
			"a document":      func(b []byte) error { _, err := decodeDocument("d", b); return err },
			"an event":        func(b []byte) error { _, err := decodeEvent(b); return err },
		} {
			if err := decode([]byte{other, 0, 0}); err == nil || !strings.HasPrefix(err.Error(), name+" in the store has format ") {
				t.Errorf("%s of format %d: %v", name, other, err)
			}
		}
	}
}

func TestARowLeavesOutWhatItHasTwice(t *testing.T) {
	short := shortRow()
	long := short
	long.session.Last.Origin.UserAgent = strings.Repeat("a", len(short.session.Initial.UserAgent))
	if saved, want := len(long.encode())-len(short.encode()), len(short.session.Initial.UserAgent)+len(short.session.Initial.IP); saved < want {
		t.Errorf("the origin of the last use takes %d bytes, at least %d of them for nothing", saved, want)
	}
	for _, r := range []row{short, long, formatRow()} {
		r.session.EndedAt = at.Add(time.Hour)
		got, err := decodeRow(r.encode())
		if diff := cmp.Diff(r, got, cmp.AllowUnexported(row{})); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	}
}

// TestAGenerationTakesFewBytes: generations begin as milliseconds of a creation.
func TestAGenerationTakesFewBytes(t *testing.T) {
	r := row{session: typical("u", "s", at), filed: at}
	r.session.Generation.User = uint64(at.UnixMilli())
	first := len(r.encode())
	r.session.Generation.User -= 30 * 24 * uint64(time.Hour.Milliseconds()) // of a first session that was created so long before
	if more := len(r.encode()) - first; more > 4 {
		t.Errorf("%d bytes more a month later", more)
	}
	r.session.Generation.User++
	if again, err := decodeRow(r.encode()); err != nil || again.session.Generation != r.session.Generation {
		t.Errorf("%+v, %v", again.session.Generation, err)
	}
	u := userRow{User: rollcall.User{ID: "u", Version: uint64(at.UnixMilli()), Generation: uint64(at.UnixMilli()), TokenGeneration: uint64(at.UnixMilli())}}
	if n := len(u.encode()); n > 10 {
		t.Errorf("a user's first row takes %d bytes", n)
	}
}

func TestADamagedRecordIsAnErrorAndNeverAPanic(t *testing.T) {
	r := formatRow()
	record := r.encode()
	for n := range record {
		if _, err := decodeRow(record[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are read as a session", n, len(record))
		}
	}
	if _, err := decodeRow(append(bytes.Clone(record), 0)); err == nil {
		t.Error("a byte too many is read over")
	}
	end := formatEnd()
	ending := encodeEnding(&end)
	for n := range len(ending) - 1 {
		if _, err := decodeRow(append(bytes.Clone(record), ending[:n+1]...)); err == nil {
			t.Errorf("the first %d of %d bytes are read as an ending", n+1, len(ending))
		}
	}
}

func FuzzDecodeRow(f *testing.F) {
	r, short, end := formatRow(), shortRow(), formatEnd()
	f.Add(r.encode())
	f.Add(short.encode())
	f.Add(append(short.encode(), encodeEnding(&end)...))
	f.Add(append(append(short.encode(), 1, 2, 'a', 'b'), encodeEnding(&end)...))
	f.Add([]byte{codec.Format})
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
	r := formatRow()
	record := r.encode()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeRow(record); err != nil {
			b.Fatal(err)
		}
	}
}
