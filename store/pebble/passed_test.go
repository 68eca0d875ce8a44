package pebble

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
)

// A logged is a store with ten users of one session each, filed in their order, and what
// the store has logged.
type logged struct {
	*Store
	log bytes.Buffer
}

func openLogged(t *testing.T) *logged {
	t.Helper()
	l := &logged{}
	l.Store = openInMemory(t, Options{FS: vfs.NewMem(), Logger: slog.New(slog.NewTextHandler(&l.log, nil))})
	t.Cleanup(func() { closeQuietly(l.Store) })
	for i := range 10 {
		if err := commit(l.Store, silent(benchUser(i), l.session(i))); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func (*logged) session(i int) rollcall.Session {
	return typical(benchUser(i), benchID(i), t0.Add(time.Duration(i)*time.Second))
}

// damage puts a record under a key that no version writes, and returns what was there.
func (l *logged) damage(t *testing.T, key []byte) (before []byte) {
	t.Helper()
	value, closer, err := l.db.Get(key)
	if err != nil {
		t.Fatal(err)
	}
	before = bytes.Clone(value)
	closeQuietly(closer)
	l.set(t, key, append([]byte{codec.Format}, "203.0.113.77"...))
	return before
}

func (l *logged) set(t *testing.T, key, value []byte) {
	t.Helper()
	if err := l.db.Set(key, value, l.sync); err != nil {
		t.Fatal(err)
	}
}

func (l *logged) row(i int) []byte {
	s := l.session(i)
	return pointerTo(&s).row(s.ID)
}

// lines returns what was logged since the last call, and fails the test when a record's
// content is in that.
func (l *logged) lines(t *testing.T) int {
	t.Helper()
	if text := l.log.String(); strings.Contains(text, "203.0.113") {
		t.Errorf("the content is logged: %s", text)
	}
	n := strings.Count(l.log.String(), "\n")
	l.log.Reset()
	return n
}

func TestASweepPassesOverWhatCannotBeRead(t *testing.T) {
	for name, key := range map[string]func(*logged) []byte{
		"session": func(l *logged) []byte { return l.row(0) },
		"user":    func(*logged) []byte { return userKey(benchUser(0)) },
		"pointer": func(*logged) []byte { return pointerKey(benchID(0)) },
	} {
		t.Run(name, func(t *testing.T) {
			l := openLogged(t)
			before := l.damage(t, key(l))
			bound := t0.Add(1000 * time.Hour)
			sweep := func(at time.Time) rollcall.Swept {
				t.Helper()
				swept, err := l.Sweep(background, rollcall.Sweep{SessionsBefore: at, Limit: 2, Decide: removed})
				if err != nil {
					t.Fatal(err)
				}
				return swept
			}
			removedInAll, lines := 0, 0
			for more := true; more; {
				swept := sweep(bound)
				removedInAll, more, lines = removedInAll+swept.Removed, swept.More, lines+l.lines(t)
			}
			if removedInAll != 9 || lines != 1 {
				t.Errorf("removed %d of 9 rows, with %d lines of log", removedInAll, lines)
			}
			if left := filingsOf(t, l.Store); len(left) != 1 || !bytes.Equal(left[0], filingKey(bound.Add(postponed), benchID(0))) {
				t.Errorf("filed under %q", left)
			}
			if sweep(bound); l.lines(t) != 0 {
				t.Error("the row is looked at again before its day is over")
			}
			// A day later the row is legible again, and gets its own filing back.
			l.set(t, key(l), before)
			bound = bound.Add(postponed + time.Hour)
			if swept := sweep(bound); swept.Removed != 0 {
				t.Errorf("%+v", swept)
			}
			s := l.session(0)
			if left := filingsOf(t, l.Store); len(left) != 1 || !bytes.Equal(left[0], filingKey(s.OverAt(), s.ID)) {
				t.Errorf("filed under %q, want %v", left, s.OverAt())
			}
			if swept := sweep(bound); swept.Removed != 1 || len(filingsOf(t, l.Store)) != 0 {
				t.Errorf("%+v", swept)
			}
		})
	}
}

func TestASweepOfOneUserPassesOverWhatCannotBeRead(t *testing.T) {
	l := openLogged(t)
	for i := range 3 {
		s := typical("u", benchID(10+i), t0.Add(time.Duration(i)*time.Second))
		if err := commit(l.Store, silent("u", s)); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			l.damage(t, pointerTo(&s).row(s.ID))
		}
	}
	swept, err := l.Sweep(background, rollcall.Sweep{UserID: "u", Limit: 10, Decide: removed})
	if lines := l.lines(t); err != nil || swept.Removed != 2 || lines != 1 {
		t.Errorf("%+v, %v, %d lines", swept, err, lines)
	}
}

func TestAWalkPassesOverWhatCannotBeRead(t *testing.T) {
	l := openLogged(t)
	second := typical(benchUser(3), "second", t0.Add(-time.Hour))
	if err := commit(l.Store, silent(benchUser(3), second)); err != nil {
		t.Fatal(err)
	}
	l.damage(t, l.row(3))              // and the user has another session
	l.damage(t, l.row(6))              // and the user has none
	l.damage(t, userKey(benchUser(8))) // and with it all sessions
	var want, got []string
	for i := range 10 {
		if i != 3 && i != 6 && i != 8 {
			want = append(want, benchID(i))
		}
	}
	want = append(want, "second")
	next, err := l.Walk(background, "", func(w rollcall.Walked) bool {
		// Everybody's row moves, so that the walk reads the next user twice.
		if err := commit(l.Store, everybodyChange(uint64(len(got)), 1)); err != nil {
			t.Error(err)
		}
		got = append(got, w.Session.ID)
		return true
	})
	slices.Sort(want)
	slices.Sort(got)
	if err != nil || next != "" || !slices.Equal(got, want) {
		t.Errorf("%q, %v: visited %q, want %q", next, err, got, want)
	}
	if text := l.log.String(); !strings.Contains(text, "rows=3") || l.lines(t) != 1 {
		t.Errorf("logged %q", text)
	}
	if _, _, err := l.Session(background, rollcall.At{ID: benchID(6)}); err == nil || errors.Is(err, rollcall.ErrNoSession) {
		t.Errorf("a read of the row itself: %v", err)
	}
}
