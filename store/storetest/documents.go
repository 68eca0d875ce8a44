package storetest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/rollcall-id/rollcall"
)

var documentClauses = []Clause{
	{"Document", "documents have versions", testDocuments},
	{"Document", "everybody's row has versions, and stands beside every user's", testEverybody},
	{"Document", "a change may put as many documents as its bounds allow", testLargeDocuments},
	{"Document", "racing acts on a document lose nothing", testRacingDocuments},
}

func testDocuments(t *testing.T, h Harness) {
	s := open(t, h)
	put := func(body string, replaces uint64) error {
		return s.tries(rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d", Body: []byte(body), Replaces: replaces}}})
	}
	s.fails("a version of what is absent", put("x", 1), rollcall.ErrConflict)
	s.fails("the first", put("one", 0), nil)
	s.fails("the first again", put("two", 0), rollcall.ErrConflict)
	s.fails("the second", put("two", 1), nil)
	s.fails("the second again", put("three", 1), rollcall.ErrConflict)
	s.same("the document", rollcall.Document{Name: "d", Version: 2, Body: []byte("two")}, s.document("d"))
	s.same("another", rollcall.Document{Name: "dd"}, s.document("dd"))
	s.fails("the third", put("", 2), nil)
	s.same("one without a body", rollcall.Document{Name: "d", Version: 3}, s.document("d"))
	s.same("everybody's row", rollcall.Everybody{}, s.everybody())
}

func testEverybody(t *testing.T, h Harness) {
	s := open(t, h)
	s.same("a row that was never put", rollcall.Everybody{}, s.everybody())
	s.create(newSession("u", sessionID(1), t0))
	put := func(e rollcall.Everybody, replaces uint64) rollcall.Change {
		return rollcall.Change{
			Everybody: &rollcall.PutEverybody{Everybody: e, Replaces: replaces}, Documents: []rollcall.PutDocument{{Name: "d", Replaces: replaces}},
			Events: []rollcall.Event{newEvent("", int(e.Generation))},
		}
	}
	s.conflicts("a version of what is absent", put(newEverybody(), 1))
	want := newEverybody()
	want.Generation = 1
	s.same("the standing left", rollcall.Standing{Everybody: version(want, 1)}, s.commit(put(want, 0)))
	s.conflicts("the first again", put(want, 0))
	for _, userID := range []string{"u", "nobody", ""} {
		s.same("beside "+userID, version(want, 1), s.standing(userID).Everybody)
	}
	_, st, err := s.Session(background, rollcall.At{ID: sessionID(1)})
	s.fails("Session", err, nil)
	s.same("beside a session", version(want, 1), st.Everybody)
	s.same("beside a commit of a user's", version(want, 1), s.commit(rollcall.Change{UserID: "u", User: movedAny("u")}).Everybody)

	bare := rollcall.Everybody{Generation: 2}
	s.commit(put(bare, 1))
	s.same("the next", version(bare, 2), s.everybody())
	s.conflicts("a version that has passed", put(want, 1))
	s.same("what conflicted changed nothing", version(bare, 2), s.everybody())
	s.same("nor the document", uint64(2), s.document("d").Version)
	s.same("the events", []string{"evt-1", "evt-2"}, s.eventIDs())
}

func version(e rollcall.Everybody, v uint64) rollcall.Everybody {
	e.Version = v
	return e
}

func testLargeDocuments(t *testing.T, h Harness) {
	s := open(t, h)
	var c rollcall.Change
	for i := range rollcall.MaxChangeDocuments {
		body := bytes.Repeat([]byte{byte(i), 0, 0xff, '\n'}, rollcall.MaxDocument/4)
		c.Documents = append(c.Documents, rollcall.PutDocument{Name: fmt.Sprintf("large/%d", i), Body: body})
	}
	s.commit(c)
	for _, d := range c.Documents {
		if got := s.document(d.Name); got.Version != 1 || !bytes.Equal(got.Body, d.Body) {
			t.Errorf("%s comes back as version %d with %d bytes", d.Name, got.Version, len(got.Body))
		}
	}
}

func testRacingDocuments(t *testing.T, h Harness) {
	s := open(t, h)
	const writers, writes = 3, 30
	whileReading(writers, writes, func() bool {
		s.retried(func() error {
			d, err := s.Document(background, "d")
			if err != nil {
				return err
			}
			return s.tries(rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d", Body: append(d.Body, 'x'), Replaces: d.Version}}})
		})
		s.retried(func() error {
			st, _, err := s.Sessions(background, rollcall.SessionsOf{})
			if err != nil {
				return err
			}
			next := st.Everybody
			next.Generation++
			return s.tries(rollcall.Change{Everybody: &rollcall.PutEverybody{Everybody: next, Replaces: next.Version}})
		})
		return !t.Failed()
	})
	d := s.document("d")
	s.same("every act on the document counts", writers*writes, len(d.Body))
	s.same("its version", uint64(writers*writes), d.Version)
	s.same("everybody's row", rollcall.Everybody{Version: writers * writes, Generation: writers * writes}, s.everybody())
}
