package pebble

import (
	"testing"

	"github.com/rollcall-id/rollcall"
)

func TestCompactingKeepsWhatThereIsAndGivesTheRestBack(t *testing.T) {
	s, err := Open(t.TempDir(), Options{MinFree: -1, memTableSize: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	const users = 200
	for u := range users {
		if err := commit(s, creation(benchUser(u), 0, typical(benchUser(u), benchID(u), t0))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Compact(background); err != nil {
		t.Fatal(err)
	}
	full := tableBytes(s)
	events := head(t, s)
	for more := true; more; {
		swept, err := s.Sweep(background, rollcall.Sweep{
			SessionsBefore: t0.AddDate(50, 0, 0), EventsUpTo: events, Limit: users / 2,
			Decide: func(w rollcall.Walked) rollcall.Verdict {
				if w.Session.ID == benchID(0) {
					return rollcall.Verdict{FileAt: t0.AddDate(50, 0, 0)}
				}
				return rollcall.Verdict{}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		more = swept.More
	}
	if err := s.Compact(background); err != nil {
		t.Fatal(err)
	}
	if left := tableBytes(s); full == 0 || left > full/2 {
		t.Errorf("%d bytes of tables with %d sessions, %d with one", full, users, left)
	}
	got, _, err := s.Session(background, rollcall.At{ID: benchID(0)})
	if err != nil || got.UserID != benchUser(0) {
		t.Errorf("the session that was to stay: %v, %v", got.UserID, err)
	}
}

// tableBytes is the size of the tables that are in use.
func tableBytes(s *Store) (n int64) {
	for _, level := range s.db.Metrics().Levels {
		n += level.TablesSize
	}
	return n
}
