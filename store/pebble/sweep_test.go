package pebble

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
)

func withEvents(t *testing.T, fs vfs.FS, n int) *Store {
	t.Helper()
	s, err := Open("store", Options{FS: fs, MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := s.Commit(background, rollcall.Change{UserID: "u", Events: []rollcall.Event{{ID: fmt.Sprint(i), At: t0}}}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestBitesAtOnceCountEachRowOnceAndPositionsGoOn(t *testing.T) {
	const events, sessions = 60, 60
	fs := vfs.NewMem()
	s := withEvents(t, fs, events)
	for i := range sessions {
		userID := fmt.Sprintf("user-%d", i%7)
		session := typical(userID, fmt.Sprintf("session-%d", i), t0)
		if err := s.Commit(background, rollcall.Change{UserID: userID, Sessions: []rollcall.PutSession{{Session: session}}}); err != nil {
			t.Fatal(err)
		}
	}
	last, err := s.Events(background, "", events)
	if err != nil || len(last) != events {
		t.Fatalf("%d events, %v", len(last), err)
	}
	var mu sync.Mutex
	var total rollcall.Swept
	asked := map[string]int{}
	var all sync.WaitGroup
	for limit := 1; limit <= 8; limit++ {
		all.Go(func() {
			for more := true; more; {
				swept, err := s.Sweep(background, rollcall.Sweep{
					SessionsBefore: t0.Add(1000 * time.Hour), EventsBefore: t0.Add(time.Hour), Limit: limit,
					Decide: func(session rollcall.Session, _ rollcall.User) rollcall.Verdict {
						mu.Lock()
						defer mu.Unlock()
						asked[session.ID]++
						return rollcall.Verdict{}
					},
				})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				total.Removed, total.Events = total.Removed+swept.Removed, total.Events+swept.Events
				mu.Unlock()
				more = swept.More
			}
		})
	}
	all.Wait()
	if total.Removed != sessions || total.Events != events || len(asked) != sessions {
		t.Errorf("removed %d sessions and %d events, asked about %d", total.Removed, total.Events, len(asked))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = withEvents(t, fs, 1)
	defer closeQuietly(s)
	rest, err := s.Events(background, last[events-1].Position, 10)
	if err != nil || len(rest) != 1 {
		t.Errorf("read on after the last position: %d events, %v", len(rest), err)
	}
}

// TestABiteThatFailsMidwayLeavesNothingUndurableToRead damages the second of two
// rows: the event of the first is read only when it is durable.
func TestABiteThatFailsMidwayLeavesNothingUndurableToRead(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := withEvents(t, fs, 0)
	defer closeQuietly(s)
	for i := range 2 {
		session := typical("u", fmt.Sprint(i), t0.Add(time.Duration(i)*time.Hour))
		if err := s.Commit(background, rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: session}}}); err != nil {
			t.Fatal(err)
		}
	}
	damaged := typical("u", "1", t0.Add(time.Hour))
	if err := s.db.Set(sessionKey(kindLive, "u", damaged.Position()), []byte{recordFormat, 9}, s.sync); err != nil {
		t.Fatal(err)
	}
	_, err := s.Sweep(background, rollcall.Sweep{
		SessionsBefore: t0.Add(1000 * time.Hour), Limit: 10,
		Decide: func(s rollcall.Session, _ rollcall.User) rollcall.Verdict {
			return rollcall.Verdict{Event: &rollcall.Event{ID: "over-" + s.ID, At: t0}}
		},
	})
	if err == nil {
		t.Fatal("a damaged row is swept")
	}
	read, err := s.Events(background, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	after, err := Open("store", Options{FS: fs.CrashClone(vfs.CrashCloneCfg{}), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(after)
	if again, err := after.Events(background, "", 10); err != nil || len(read) != 1 || len(again) != 1 || again[0] != read[0] {
		t.Errorf("read %v, after a power loss %v, %v", read, again, err)
	}
}

func TestAFilingWhoseSessionIsGoneIsTakenAway(t *testing.T) {
	s := withEvents(t, vfs.NewMem(), 0)
	defer closeQuietly(s)
	if err := s.db.Set(filingKey(t0, "gone"), nil, s.sync); err != nil {
		t.Fatal(err)
	}
	bite := rollcall.Sweep{SessionsBefore: t0.Add(time.Hour), Limit: 1}
	if swept, err := s.Sweep(background, bite); err != nil || swept != (rollcall.Swept{}) {
		t.Errorf("%+v, %v", swept, err)
	}
	if left := filingsOf(t, s); len(left) != 0 {
		t.Errorf("it is still there: %q", left)
	}
}

func TestAFilingThatCannotBeDecidedIsPassedBy(t *testing.T) {
	s := withEvents(t, vfs.NewMem(), 0)
	defer closeQuietly(s)
	lost := typical("u", "lost", t0)
	err := errors.Join(
		s.db.Set(pointerKey(lost.ID), pointerTo(&lost).encode(), nil), // without its row
		s.db.Set(filingKey(t0, lost.ID), nil, nil),
		s.Commit(background, creation("v", 0, typical("v", "one", t0))),
	)
	if err != nil {
		t.Fatal(err)
	}
	bite := rollcall.Sweep{SessionsBefore: t0.Add(9000 * time.Hour), Limit: 1, Decide: func(rollcall.Session, rollcall.User) rollcall.Verdict { return rollcall.Verdict{} }}
	if swept, err := s.Sweep(background, bite); err != nil || swept.Removed != 1 {
		t.Errorf("%+v, %v", swept, err)
	}
}

func TestABiteLooksAtNoMoreThanItsShareOfWhatThereIsNothingToDecideOn(t *testing.T) {
	s := withEvents(t, vfs.NewMem(), 0)
	defer closeQuietly(s)
	const stale = 25
	for i := range stale {
		if err := s.db.Set(filingKey(t0, fmt.Sprintf("gone-%02d", i)), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Commit(background, creation("u", 0, typical("u", "one", t0))); err != nil {
		t.Fatal(err)
	}
	bite := rollcall.Sweep{SessionsBefore: t0.Add(9000 * time.Hour), Limit: 1, Decide: func(rollcall.Session, rollcall.User) rollcall.Verdict { return rollcall.Verdict{} }}
	var lefts []int
	for more := true; more; {
		swept, err := s.Sweep(background, bite)
		if err != nil {
			t.Fatal(err)
		}
		more = swept.More
		lefts = append(lefts, len(filingsOf(t, s)))
	}
	if want := []int{stale + 1 - sweepLooks, stale + 1 - 2*sweepLooks, 0, 0}; !slices.Equal(lefts, want) {
		t.Errorf("filings left after each bite: %d, want %d", lefts, want)
	}
}

func TestASessionHasOneFiling(t *testing.T) {
	s := withEvents(t, vfs.NewMem(), 0)
	defer closeQuietly(s)
	filings := func(want int) {
		t.Helper()
		if found, err := s.due(nil, rollcall.Sweep{SessionsBefore: t0.Add(1e6 * time.Hour)}, 10); err != nil || len(found) != want {
			t.Errorf("%d filings, want %d, %v", len(found), want, err)
		}
	}
	session := typical("u", "one", t0)
	put := func(replaces uint64) {
		t.Helper()
		if err := s.Commit(background, rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: session, Replaces: replaces}}}); err != nil {
			t.Fatal(err)
		}
		filings(1)
	}
	put(0)
	session.ExpiresAt = t0.Add(time.Hour)
	put(1)
	put(2) // under the same instant again
	session = session.Ended(t0, rollcall.ReasonLogout)
	put(3)
	sweep := func(v rollcall.Verdict) {
		t.Helper()
		bite := rollcall.Sweep{SessionsBefore: t0.Add(time.Minute), Limit: 10, Decide: func(rollcall.Session, rollcall.User) rollcall.Verdict { return v }}
		if _, err := s.Sweep(background, bite); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.db.Set(filingKey(t0.Add(-time.Hour), "one"), nil, s.sync); err != nil { // one too many
		t.Fatal(err)
	}
	sweep(rollcall.Verdict{FileAt: t0.Add(time.Minute)})
	filings(1)
	put(4)
	sweep(rollcall.Verdict{})
	filings(0)
}
