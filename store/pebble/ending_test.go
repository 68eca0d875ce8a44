package pebble

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
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
		if err := commit(s, rollcall.Change{UserID: userID, User: userAt(userID, version)}); err != nil {
			t.Fatalf("at version %d: %v", version, err)
		}
	}
}

func TestAListPassesByFewSessionsThatHaveEnded(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	kept := typical("u", "kept", t0)
	if err := commit(s, creation("u", 0, kept)); err != nil {
		t.Fatal(err)
	}
	version, most := uint64(1), 0
	for i := range 2 * defaultTidyEvery {
		session := typical("u", fmt.Sprintf("session-%d", i), t0.Add(time.Duration(i)*time.Second))
		ended := session.Ended(rollcall.Ending{EndedAt: t0.Add(time.Hour), EndReason: rollcall.ReasonLogout})
		if err := errors.Join(commit(s, creation("u", version, session)), commit(s, unread("u", version+1, ended))); err != nil {
			t.Fatal(err)
		}
		version += 2
		most = max(most, len(liveRows(t, s, "u")))
	}
	if most > defaultTidyEvery/2+2 || most < defaultTidyEvery/4 {
		t.Errorf("a list passes by %d rows", most)
	}
	for _, id := range []string{"session-0", fmt.Sprintf("session-%d", 2*defaultTidyEvery-1)} {
		got, _, err := s.Session(background, rollcall.At{ID: id})
		if err != nil || !got.EndedAt.Equal(t0.Add(time.Hour)) || got.Version != 2 || got.EndReason != rollcall.ReasonLogout {
			t.Errorf("%s: %+v, %v", id, got, err)
		}
	}
	// Each has the filing of its ending, and those that have not been moved the one from before.
	atRow, n := liveRows(t, s, "u"), 2*defaultTidyEvery
	if filings := filingsOf(t, s); len(filings) != n+len(atRow) {
		t.Errorf("%d filings of %d sessions, %d of them not moved", len(filings), n+1, len(atRow)-1)
	}
	if live := countLive(t, s); live != 1 {
		t.Errorf("%d sessions are live", live)
	}
	bite := rollcall.Sweep{SessionsBefore: t0.Add(2 * time.Hour), Limit: n, Decide: func(w rollcall.Walked) rollcall.Verdict {
		if w.Session.ID == "session-7" {
			return rollcall.Verdict{FileAt: t0.Add(3 * time.Hour)}
		}
		return rollcall.Verdict{}
	}}
	if swept, err := s.Sweep(background, bite); err != nil || swept.Removed != n-1 || swept.Looked != n {
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
	ended := session.Ended(rollcall.Ending{EndedAt: t0.Add(time.Hour), EndReason: rollcall.ReasonLogout})
	err := errors.Join(commit(s, creation("u", 0, session)), commit(s, unread("u", 1, ended)))
	if err != nil {
		t.Fatal(err)
	}
	acts(t, s, "u", 2, defaultTidyEvery-1)
	_, _, err = s.Session(background, rollcall.At{ID: "one"}) // what a put needs of it is known then
	session.ExpiresAt = t0.Add(2 * time.Hour)
	err = errors.Join(err, commit(s, rollcall.Change{
		UserID: "u", User: userAt("u", defaultTidyEvery-1),
		Sessions: []rollcall.PutSession{{Session: session, Replaces: 2}}, // live again
	}))
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := s.Session(background, rollcall.At{ID: "one"})
	_, listed, listErr := s.Sessions(background, rollcall.SessionsOf{UserID: "u", Limit: 9})
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
		commit(s, creation("u", 0, newest, good, bad)),
		commit(s, unread("u", 1, newest.Ended(rollcall.Ending{EndedAt: t0.Add(2 * time.Hour), EndReason: rollcall.ReasonLogout}))),
		s.db.Set(pointerTo(&bad).row("bad"), []byte{codec.Format, 0xff}, s.sync),
	)
	if err != nil {
		t.Fatal(err)
	}
	acts(t, s, "u", 2, 7)
	if err := commit(s, unread("u", 7, good.Ended(rollcall.Ending{EndedAt: t0.Add(2 * time.Hour), EndReason: rollcall.ReasonRevoked}))); err != nil {
		t.Errorf("the ending of another session of the user: %v", err)
	}
	for _, id := range []string{"newest", "good"} {
		if got, _, err := s.Session(background, rollcall.At{ID: id}); err != nil || got.EndedAt.IsZero() {
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
	version := uint64(0)
	for few := range slices.Chunk(all, rollcall.MaxChange) {
		if err := commit(s, creation("u", version, few...)); err != nil {
			t.Fatal(err)
		}
		version++
	}
	for _, i := range []int{tidyRows, tidyRows - 1} { // the oldest is one too many to look at
		if err := commit(s, unread("u", version, all[i].Ended(rollcall.Ending{EndedAt: t0.Add(time.Hour), EndReason: rollcall.ReasonLogout}))); err != nil {
			t.Fatal(err)
		}
		version++
	}
	acts(t, s, "u", version, version+1)
	if rows := liveRows(t, s, "u"); len(rows) != tidyRows || slices.Contains(rows, all[tidyRows-1].ID) {
		t.Errorf("%d rows are left, want all but the one that ended among the newest", len(rows))
	}
}

func TestASessionThatIsMovedOutOfTheWayStaysFiledWhereItWas(t *testing.T) {
	s := openInMemory(t, Options{tidyEvery: 4})
	defer closeQuietly(s)
	one := typical("u", "one", t0)
	err := errors.Join(
		commit(s, creation("u", 0, one)),
		commit(s, unread("u", 1, one.Ended(rollcall.Ending{EndedAt: t0.Add(time.Hour), EndReason: rollcall.ReasonLogout}))),
	)
	if err != nil {
		t.Fatal(err)
	}
	sweep := func(before, fileAt time.Duration) rollcall.Swept {
		t.Helper()
		swept, err := s.Sweep(background, rollcall.Sweep{SessionsBefore: t0.Add(before), Limit: 9, Decide: func(rollcall.Walked) rollcall.Verdict {
			return rollcall.Verdict{FileAt: t0.Add(fileAt)}
		}})
		if err != nil {
			t.Fatal(err)
		}
		return swept
	}
	if swept := sweep(2*time.Hour, 9*time.Hour); swept.Looked != 1 || swept.Removed != 0 {
		t.Fatalf("%+v", swept)
	}
	acts(t, s, "u", 2, 4)
	if rows := liveRows(t, s, "u"); len(rows) != 0 {
		t.Errorf("%v are not moved", rows)
	}
	if swept := sweep(9*time.Hour, 10*time.Hour); swept != (rollcall.Swept{}) {
		t.Errorf("before it is due: %+v", swept)
	}
	if swept := sweep(9*time.Hour+time.Millisecond, 10*time.Hour); swept.Looked != 1 || swept.Removed != 0 {
		t.Errorf("when it is due: %+v", swept)
	}
}

// TestAnUnreadEndingThatIsNotTrueBringsNothingBack breaks the word that callers give.
func TestAnUnreadEndingThatIsNotTrueBringsNothingBack(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	one, gone := typical("u", "one", t0), typical("u", "gone", t0)
	first := one.Ended(rollcall.Ending{EndedAt: t0.Add(time.Hour), EndReason: rollcall.ReasonLogout})
	first.Last.At = t0.Add(-time.Hour)
	err := errors.Join(
		commit(s, creation("u", 0, one)),
		commit(s, unread("u", 1, first)),
		commit(s, unread("u", 2, one.Ended(rollcall.Ending{EndedAt: t0.Add(2 * time.Hour), EndReason: rollcall.ReasonRevoked}))),
		commit(s, unread("u", 3, gone.Ended(rollcall.Ending{EndedAt: t0.Add(time.Hour), EndReason: rollcall.ReasonLogout}))),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"as it was put", "when the tables are merged"} {
		if got, _, err := s.Session(background, rollcall.At{ID: "one"}); err != nil || got.Version != 2 || got.EndReason != rollcall.ReasonLogout || got.Last != one.Last {
			t.Errorf("%s: ended twice: %+v, %v", when, got, err)
		}
		for _, look := range []func() error{
			func() error { _, _, err := s.Session(background, rollcall.At{ID: "gone"}); return err },
			func() error {
				_, _, err := s.Session(background, rollcall.At{ID: "gone", UserID: "u", CreatedAt: t0})
				return err
			},
		} {
			if err := look(); !errors.Is(err, rollcall.ErrNoSession) {
				t.Errorf("%s: there never was: %v", when, err)
			}
		}
		if _, listed, err := s.Sessions(background, rollcall.SessionsOf{UserID: "u", Limit: 9}); err != nil || len(listed) != 0 {
			t.Errorf("%s: listed %+v, %v", when, listed, err)
		}
		if n := countLive(t, s); n != 0 {
			t.Errorf("%s: walked by %d", when, n)
		}
		if err := s.Compact(background); err != nil {
			t.Fatal(err)
		}
	}
	bite := rollcall.Sweep{SessionsBefore: t0.Add(9000 * time.Hour), Limit: 1, Decide: func(rollcall.Walked) rollcall.Verdict { return rollcall.Verdict{} }}
	if swept, err := s.Sweep(background, bite); err != nil || swept.Removed != 1 {
		t.Errorf("swept: %+v, %v", swept, err)
	}
	standing, _, err := s.Sessions(background, rollcall.SessionsOf{UserID: "u", Limit: 0})
	if err := errors.Join(err, commit(s, creation("u", standing.User.Version, gone))); err != nil {
		t.Errorf("its id is free: %v", err)
	}
	if got, _, err := s.Session(background, rollcall.At{ID: "gone"}); err != nil || !got.EndedAt.IsZero() {
		t.Errorf("created after its ending: %+v, %v", got, err)
	}
}

func TestAnEndingDoesNotRepeatAnOriginThatItsRowHas(t *testing.T) {
	const most = 50 // bytes: no user agent
	began := shortRow()
	began.session.Initial.UserAgent = strings.Repeat("b", 100)
	began.session.Last.Origin = began.session.Initial
	elsewhere := began.session
	elsewhere.Last.Origin.UserAgent = strings.Repeat("a", 100)
	nowhere := began.session
	nowhere.Last.Origin = rollcall.Origin{}
	for name, session := range map[string]rollcall.Session{"where it began": began.session, "elsewhere": elsewhere, "nowhere": nowhere} {
		session.Last.At = session.Last.At.Add(time.Minute)
		want := session.Ended(rollcall.Ending{EndedAt: at.Add(time.Hour), EndReason: rollcall.ReasonLogout, EndedBy: "u"})
		want.Version++
		e := endOf(want)
		ending := encodeEnding(&e)
		if n := len(ending); n > most && name != "elsewhere" {
			t.Errorf("used from %s: the ending takes %d bytes", name, n)
		}
		got, err := decodeRow(append(began.encode(), ending...))
		if diff := cmp.Diff(want, got.session); err != nil || diff != "" {
			t.Errorf("used from %s: %v\n%s", name, err, diff)
		}
	}
}
