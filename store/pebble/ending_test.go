package pebble

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

// liveRows are the ids of the rows that a list of the user's sessions looks at.
func liveRows(t *testing.T, s *Store, userID string) (ids []string) {
	t.Helper()
	v, err := s.view()
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	err = v.each(userID, rollcall.Position{}, func(r *row) (bool, error) {
		ids = append(ids, r.session.ID)
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// acts commits changes of the user's row alone until it has a version.
func acts(t *testing.T, s *Store, userID string, from, to uint64) {
	t.Helper()
	for version := from; version < to; version++ {
		if err := s.Commit(background, rollcall.Change{UserID: userID, User: &rollcall.PutUser{User: rollcall.User{ID: userID}, Replaces: version}}); err != nil {
			t.Fatalf("at version %d: %v", version, err)
		}
	}
}

func TestAListPassesByFewSessionsThatHaveEnded(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	kept := typical("u", "kept", t0)
	if err := s.Commit(background, creation("u", 0, kept)); err != nil {
		t.Fatal(err)
	}
	version, most := uint64(1), 0
	for i := range 2 * defaultTidyEvery {
		session := typical("u", fmt.Sprintf("session-%d", i), t0.Add(time.Duration(i)*time.Second))
		ended := session.Ended(t0.Add(time.Hour), rollcall.ReasonLogout)
		if err := errors.Join(s.Commit(background, creation("u", version, session)), s.Commit(background, unread("u", version+1, ended))); err != nil {
			t.Fatal(err)
		}
		version += 2
		most = max(most, len(liveRows(t, s, "u")))
	}
	if most > defaultTidyEvery/2+2 || most < defaultTidyEvery/4 {
		t.Errorf("a list passes by %d rows", most)
	}
	for _, id := range []string{"session-0", fmt.Sprintf("session-%d", 2*defaultTidyEvery-1)} {
		got, _, err := s.Session(background, id)
		if err != nil || !got.EndedAt.Equal(t0.Add(time.Hour)) || got.Version != 2 || got.EndReason != rollcall.ReasonLogout {
			t.Errorf("%s: %+v, %v", id, got, err)
		}
	}
	// Each has the filing of its ending, and those that have not been moved the one from before.
	atRow, n := liveRows(t, s, "u"), 2*defaultTidyEvery
	if filings := filingsOf(t, s); len(filings) != n+len(atRow) {
		t.Errorf("%d filings of %d sessions, %d of them not moved", len(filings), n+1, len(atRow)-1)
	}
	if n, err := s.CountSessions(background, func(*rollcall.Session, *rollcall.User) bool { return true }); n != 1 || err != nil {
		t.Errorf("%d sessions are live, %v", n, err)
	}
	bite := rollcall.Sweep{SessionsBefore: t0.Add(2 * time.Hour), Limit: n, Decide: func(session rollcall.Session, _ rollcall.User) rollcall.Verdict {
		if session.ID == "session-7" {
			return rollcall.Verdict{FileAt: t0.Add(3 * time.Hour)}
		}
		return rollcall.Verdict{}
	}}
	if swept, err := s.Sweep(background, bite); err != nil || swept.Removed != n-1 || swept.Refiled != 1 {
		t.Errorf("%+v, %v", swept, err)
	}
	if filings := filingsOf(t, s); len(filings) != 2 {
		t.Errorf("%d filings of two sessions are left", len(filings))
	}
	if got := liveRows(t, s, "u"); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("rows of %v are left", got)
	}
}

func TestASessionIsMovedOutOfTheWayAndPutAtOnce(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	session := typical("u", "one", t0)
	ended := session.Ended(t0.Add(time.Hour), rollcall.ReasonLogout)
	err := errors.Join(s.Commit(background, creation("u", 0, session)), s.Commit(background, unread("u", 1, ended)))
	if err != nil {
		t.Fatal(err)
	}
	acts(t, s, "u", 2, defaultTidyEvery-1)
	_, _, err = s.Session(background, "one") // what a put needs of it is known then
	session.ExpiresAt = t0.Add(2 * time.Hour)
	err = errors.Join(err, s.Commit(background, rollcall.Change{
		UserID: "u", User: &rollcall.PutUser{User: rollcall.User{ID: "u"}, Replaces: defaultTidyEvery - 1},
		Sessions: []rollcall.PutSession{{Session: session, Replaces: 2}}, // live again
	}))
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := s.Session(background, "one")
	_, listed, listErr := s.Sessions(background, "u", rollcall.Position{}, 9)
	if errors.Join(err, listErr) != nil || !got.EndedAt.IsZero() || got.Version != 3 || len(listed) != 1 {
		t.Errorf("%+v, %d listed, %v, %v", got, len(listed), err, listErr)
	}
	if filings := filingsOf(t, s); len(filings) != 1 {
		t.Errorf("%d filings", len(filings))
	}
}

func TestADamagedSessionStopsNoActOnItsUser(t *testing.T) {
	s := openInMemory(t, Options{tidyEvery: 8})
	defer closeQuietly(s)
	newest, good, bad := typical("u", "newest", t0.Add(time.Hour)), typical("u", "good", t0), typical("u", "bad", t0)
	err := errors.Join(
		s.Commit(background, creation("u", 0, newest, good, bad)),
		s.Commit(background, unread("u", 1, newest.Ended(t0.Add(2*time.Hour), rollcall.ReasonLogout))),
		s.db.Set(pointerTo(&bad).row("bad"), []byte{rowFormat, 0xff}, s.sync),
	)
	if err != nil {
		t.Fatal(err)
	}
	acts(t, s, "u", 2, 7)
	if err := s.Commit(background, unread("u", 7, good.Ended(t0.Add(2*time.Hour), rollcall.ReasonRevoked))); err != nil {
		t.Errorf("the ending of another session of the user: %v", err)
	}
	for _, id := range []string{"newest", "good"} {
		if got, _, err := s.Session(background, id); err != nil || got.EndedAt.IsZero() {
			t.Errorf("%s: %+v, %v", id, got, err)
		}
	}
	if value, _, err := s.db.Get(pointerTo(&newest).row("newest")); !errors.Is(err, pebbledb.ErrNotFound) {
		t.Errorf("what lies before the damage has not been moved: %q, %v", value, err)
	}
}

func TestAnActOfAUserWithManySessionsLooksAtFew(t *testing.T) {
	s := openInMemory(t, Options{tidyEvery: 2})
	defer closeQuietly(s)
	var all []rollcall.Session
	for i := range tidyRows + 1 {
		all = append(all, typical("u", fmt.Sprintf("session-%d", i), t0.Add(-time.Duration(i)*time.Hour)))
	}
	if err := s.Commit(background, creation("u", 0, all...)); err != nil {
		t.Fatal(err)
	}
	for version, i := range []int{tidyRows, tidyRows - 1} { // the oldest is one too many to look at
		if err := s.Commit(background, unread("u", uint64(version+1), all[i].Ended(t0.Add(time.Hour), rollcall.ReasonLogout))); err != nil {
			t.Fatal(err)
		}
	}
	acts(t, s, "u", 3, 4)
	if rows := liveRows(t, s, "u"); len(rows) != tidyRows || slices.Contains(rows, all[tidyRows-1].ID) {
		t.Errorf("%d rows are left, want all but the one that ended among the newest", len(rows))
	}
}

func TestASessionThatIsMovedOutOfTheWayStaysFiledWhereItWas(t *testing.T) {
	s := openInMemory(t, Options{tidyEvery: 4})
	defer closeQuietly(s)
	one := typical("u", "one", t0)
	err := errors.Join(
		s.Commit(background, creation("u", 0, one)),
		s.Commit(background, unread("u", 1, one.Ended(t0.Add(time.Hour), rollcall.ReasonLogout))),
	)
	if err != nil {
		t.Fatal(err)
	}
	sweep := func(before, fileAt time.Duration) rollcall.Swept {
		t.Helper()
		swept, err := s.Sweep(background, rollcall.Sweep{SessionsBefore: t0.Add(before), Limit: 9, Decide: func(rollcall.Session, rollcall.User) rollcall.Verdict {
			return rollcall.Verdict{FileAt: t0.Add(fileAt)}
		}})
		if err != nil {
			t.Fatal(err)
		}
		return swept
	}
	if swept := sweep(2*time.Hour, 9*time.Hour); swept.Refiled != 1 {
		t.Fatalf("%+v", swept)
	}
	acts(t, s, "u", 2, 4)
	if rows := liveRows(t, s, "u"); len(rows) != 0 {
		t.Errorf("%v are not moved", rows)
	}
	if swept := sweep(9*time.Hour, 10*time.Hour); swept != (rollcall.Swept{}) {
		t.Errorf("before it is due: %+v", swept)
	}
	if swept := sweep(9*time.Hour+time.Millisecond, 10*time.Hour); swept.Refiled != 1 {
		t.Errorf("when it is due: %+v", swept)
	}
}

// TestAnUnreadEndingThatIsNotTrueBringsNothingBack breaks the word that callers give.
func TestAnUnreadEndingThatIsNotTrueBringsNothingBack(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	one, gone := typical("u", "one", t0), typical("u", "gone", t0)
	first := one.Ended(t0.Add(time.Hour), rollcall.ReasonLogout)
	first.Last.At = t0.Add(-time.Hour)
	err := errors.Join(
		s.Commit(background, creation("u", 0, one)),
		s.Commit(background, unread("u", 1, first)),
		s.Commit(background, unread("u", 2, one.Ended(t0.Add(2*time.Hour), rollcall.ReasonRevoked))),
		s.Commit(background, unread("u", 3, gone.Ended(t0.Add(time.Hour), rollcall.ReasonLogout))),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"as it was put", "when the tables are merged"} {
		if got, _, err := s.Session(background, "one"); err != nil || got.Version != 2 || got.EndReason != rollcall.ReasonLogout || got.Last != one.Last {
			t.Errorf("%s: ended twice: %+v, %v", when, got, err)
		}
		for _, look := range []func() error{
			func() error { _, _, err := s.Session(background, "gone"); return err },
			func() error { _, _, err := s.SessionAt(background, "gone", "u", t0); return err },
		} {
			if err := look(); !errors.Is(err, rollcall.ErrNoSession) {
				t.Errorf("%s: there never was: %v", when, err)
			}
		}
		if _, listed, err := s.Sessions(background, "u", rollcall.Position{}, 9); err != nil || len(listed) != 0 {
			t.Errorf("%s: listed %+v, %v", when, listed, err)
		}
		if n, err := s.CountSessions(background, func(*rollcall.Session, *rollcall.User) bool { return true }); err != nil || n != 0 {
			t.Errorf("%s: counted %d, %v", when, n, err)
		}
		if err := s.Compact(background); err != nil {
			t.Fatal(err)
		}
	}
	bite := rollcall.Sweep{SessionsBefore: t0.Add(9000 * time.Hour), Limit: 1, Decide: func(rollcall.Session, rollcall.User) rollcall.Verdict { return rollcall.Verdict{} }}
	if swept, err := s.Sweep(background, bite); err != nil || swept.Removed != 1 {
		t.Errorf("swept: %+v, %v", swept, err)
	}
	user, _, err := s.Sessions(background, "u", rollcall.Position{}, 0)
	if err := errors.Join(err, s.Commit(background, creation("u", user.Version, gone))); err != nil {
		t.Errorf("its id is free: %v", err)
	}
	if got, _, err := s.Session(background, "gone"); err != nil || !got.EndedAt.IsZero() {
		t.Errorf("created after its ending: %+v, %v", got, err)
	}
}
