package pebble

import (
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
)

// A field of a later version: number 77, and what it holds.
const laterField = "\x4d\x05later"

// withFurther adds the field to the record under a key.
func withFurther(t *testing.T, s *Store, key []byte) {
	t.Helper()
	value, closer, err := s.db.Get(key)
	if err != nil {
		t.Fatalf("%q: %v", key, err)
	}
	record := append([]byte(nil), value...)
	closeQuietly(closer)
	if err := s.db.Set(key, append(record, laterField...), s.sync); err != nil {
		t.Fatal(err)
	}
}

// rowIsFurther fails unless the record under a key is a session's that has the field.
func rowIsFurther(t *testing.T, s *Store, what string, key []byte) {
	t.Helper()
	l := latest{db: s.db}
	defer l.close()
	value, err := l.get(key)
	if err != nil || value == nil {
		t.Fatalf("%s: nothing lies at %q, %v", what, key, err)
	}
	if r, ok, err := rowOf(value); err != nil || !ok || r.further != laterField {
		t.Errorf("%s: the field is lost: %q, %v", what, r.further, err)
	}
}

func TestFieldsOfALaterVersionAreKeptWhateverIsDoneToASession(t *testing.T) {
	begun := func() (*Store, rollcall.Session, []byte) {
		s := openInMemory(t, Options{tidyEvery: 2})
		t.Cleanup(func() { closeQuietly(s) })
		session := typical("u", "one", t0)
		if err := commit(s, silent("u", session)); err != nil { // the user's version is 1
			t.Fatal(err)
		}
		key := pointerTo(&session).row("one")
		withFurther(t, s, key)
		return s, session, key
	}
	ended := func(s rollcall.Session) (rollcall.Session, []byte) {
		s = s.Ended(rollcall.Ending{EndedAt: t0.Add(time.Hour), EndReason: rollcall.ReasonLogout})
		return s, pointerTo(&s).row("one")
	}
	acts := map[string]func(s *Store, session rollcall.Session, key []byte) (at []byte, err error){
		"a put of what was read": func(s *Store, session rollcall.Session, key []byte) ([]byte, error) {
			read, _, err := s.Session(background, rollcall.At{ID: "one"})
			if err != nil {
				return nil, err
			}
			return key, commit(s, put(read, 1))
		},
		"a put that ends": func(s *Store, session rollcall.Session, _ []byte) ([]byte, error) {
			session, at := ended(session)
			return at, commit(s, put(session, 1))
		},
		"an end unread": func(s *Store, session rollcall.Session, key []byte) ([]byte, error) {
			session, _ = ended(session)
			return key, commit(s, unread("u", 1, session))
		},
		"an end unread that is moved": func(s *Store, session rollcall.Session, _ []byte) ([]byte, error) {
			session, at := ended(session)
			if err := commit(s, unread("u", 1, session)); err != nil {
				return nil, err
			}
			withFurther(t, s, userKey("u"))
			if err := commit(s, rollcall.Change{UserID: "u", User: userAt("u", 2)}); err != nil {
				return nil, err
			}
			return at, commit(s, rollcall.Change{UserID: "u", User: userAt("u", 3)})
		},
		"a use that goes to the row": func(s *Store, _ rollcall.Session, key []byte) ([]byte, error) {
			touchAll(t, s, useAt("u", "one", t0.Add(time.Minute)))
			s.drain(t)
			return key, nil
		},
		"a verdict that files": func(s *Store, _ rollcall.Session, key []byte) ([]byte, error) {
			_, err := s.Sweep(background, rollcall.Sweep{SessionsBefore: t0.AddDate(1, 0, 0), Limit: 1, Decide: refiled(t0.AddDate(2, 0, 0))})
			return key, err
		},
		"a verdict that ends": func(s *Store, session rollcall.Session, _ []byte) ([]byte, error) {
			_, at := ended(session)
			_, err := s.Sweep(background, rollcall.Sweep{UserID: "u", Limit: 1, Decide: func(rollcall.Walked) rollcall.Verdict {
				return rollcall.Verdict{FileAt: t0.AddDate(2, 0, 0), Ending: &rollcall.Ending{EndedAt: t0, EndReason: rollcall.ReasonIdle}}
			}})
			return at, err
		},
	}
	for name, act := range acts {
		s, session, key := begun()
		at, err := act(s, session, key)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rowIsFurther(t, s, name, at)
	}
}

func TestFieldsOfALaterVersionAreKeptInAllOtherRows(t *testing.T) {
	fs := vfs.NewMem()
	s := openInMemory(t, Options{FS: fs})
	nobody := func(replaces uint64) rollcall.Change {
		return rollcall.Change{
			Everybody: &rollcall.PutEverybody{Replaces: replaces}, Documents: []rollcall.PutDocument{{Name: "d", Body: []byte("body"), Replaces: replaces}},
		}
	}
	event := rollcall.Event{ID: "evt", UserID: "u", At: t0}
	if err := commit(s, creation("u", 0, typical("u", "one", t0))); err != nil {
		t.Fatal(err)
	}
	if err := commit(s, nobody(0)); err != nil {
		t.Fatal(err)
	}
	keys := [][]byte{userKey("u"), {spaceEverybody}, documentKey("d"), eventKey(1)}
	for _, key := range keys {
		withFurther(t, s, key)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openInMemory(t, Options{FS: fs})
	defer closeQuietly(s)
	for i, c := range []rollcall.Change{
		{UserID: "u", User: userAt("u", 1)},
		{UserID: "u", User: userAt("u", rollcall.AnyVersion)},
		{UserID: "u", User: &rollcall.PutUser{User: rollcall.User{ID: "u", Generation: 1}, Replaces: rollcall.AnyVersion, NextGeneration: true}},
		{UserID: "u", Events: []rollcall.Event{event}},
		nobody(1),
	} {
		if err := commit(s, c); err != nil {
			t.Fatalf("change %d: %v", i, err)
		}
	}
	if _, err := s.Sweep(background, rollcall.Sweep{UserID: "u", Limit: 1, Decide: func(rollcall.Walked) rollcall.Verdict {
		return rollcall.Verdict{FileAt: t0, Ending: &rollcall.Ending{EndedAt: t0}, Event: &event}
	}}); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		value, closer, err := s.db.Get(key)
		if err != nil || !strings.HasSuffix(string(value), laterField) {
			t.Errorf("%q: %q, %v", key, value, err)
			continue
		}
		closeQuietly(closer)
	}
	events, err := eventsAfter(s, "", 9)
	if err != nil || len(events) != 3 || events[2].Number != 3 {
		t.Errorf("%+v, %v", events, err)
	}
	doc, err := s.Document(background, "d")
	if err != nil || string(doc.Body) != "body" || doc.Version != 2 {
		t.Errorf("%+v, %v", doc, err)
	}
}
