package pebble

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
)

func withEvents(t *testing.T, fs vfs.FS, n int) *Store {
	t.Helper()
	s, err := Open("store", Options{FS: fs, MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := commit(s, rollcall.Change{UserID: "u", User: userAt("u", rollcall.AnyVersion), Events: []rollcall.Event{{ID: fmt.Sprint(i), At: t0, UserID: "u"}}}); err != nil {
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
		if err := commit(s, silent(userID, session)); err != nil {
			t.Fatal(err)
		}
	}
	last, err := eventsAfter(s, "", events)
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
					SessionsBefore: t0.Add(1000 * time.Hour), EventsUpTo: last[events-1].Position, Limit: limit,
					Decide: func(w rollcall.Walked) rollcall.Verdict {
						mu.Lock()
						defer mu.Unlock()
						asked[w.Session.ID]++
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
	rest, err := eventsAfter(s, last[events-1].Position, 10)
	if err != nil || len(rest) != 1 {
		t.Errorf("read on after the last position: %d events, %v", len(rest), err)
	}
}

// TestABiteThatFailsMidwayLeavesNothingUndurableToRead lets the disk fail at the
// second of a user's two rows: the event of the first is read only when it is durable.
func TestABiteThatFailsMidwayLeavesNothingUndurableToRead(t *testing.T) {
	mem := vfs.NewCrashableMem()
	var broken atomic.Bool
	s := withEvents(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(o errorfs.Op) error {
		if broken.Load() && o.Kind == errorfs.OpFileReadAt && strings.HasSuffix(o.Path, ".sst") {
			return syscall.EIO
		}
		return nil
	})), 0)
	defer closeQuietly(s)
	for i, userID := range []string{"u", "u", "next"} {
		session := typical(userID, fmt.Sprint(i), t0.Add(time.Duration(i)*time.Hour))
		for n := range 5000 { // the two users' rows lie in different blocks of the table
			session.Clients = append(session.Clients, benchID(i*5000+n))
		}
		if err := commit(s, silent(userID, session)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	_, err := s.Sweep(background, rollcall.Sweep{
		SessionsBefore: t0.Add(1000 * time.Hour), Limit: 10,
		Decide: func(w rollcall.Walked) rollcall.Verdict {
			broken.Store(w.Session.ID == "1") // the look for another session of the user fails
			return rollcall.Verdict{Event: &rollcall.Event{ID: "over-" + w.Session.ID, At: t0, UserID: w.Session.UserID}}
		},
	})
	if !errors.Is(err, syscall.EIO) {
		t.Fatalf("the bite went on: %v", err)
	}
	broken.Store(false)
	read, err := eventsAfter(s, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	after, err := Open("store", Options{FS: mem.CrashClone(vfs.CrashCloneCfg{}), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(after)
	if again, err := eventsAfter(after, "", 10); err != nil || len(read) != 1 || len(again) != 1 || again[0] != read[0] {
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
		commit(s, silent("v", typical("v", "one", t0))),
	)
	if err != nil {
		t.Fatal(err)
	}
	bite := rollcall.Sweep{SessionsBefore: t0.Add(9000 * time.Hour), Limit: 1, Decide: func(rollcall.Walked) rollcall.Verdict { return rollcall.Verdict{} }}
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
	if err := commit(s, silent("u", typical("u", "one", t0))); err != nil {
		t.Fatal(err)
	}
	bite := rollcall.Sweep{SessionsBefore: t0.Add(9000 * time.Hour), Limit: 1, Decide: func(rollcall.Walked) rollcall.Verdict { return rollcall.Verdict{} }}
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
		if found, err := s.due(nil, t0.Add(1e6*time.Hour), 10); err != nil || len(found) != want {
			t.Errorf("%d filings, want %d, %v", len(found), want, err)
		}
	}
	session := typical("u", "one", t0)
	if err := commit(s, rollcall.Change{UserID: "u", User: userAt("u", 0)}); err != nil {
		t.Fatal(err)
	}
	puts := func(replaces uint64) {
		t.Helper()
		if err := commit(s, put(session, replaces)); err != nil {
			t.Fatal(err)
		}
		filings(1)
	}
	puts(0)
	session.ExpiresAt = t0.Add(time.Hour)
	puts(1)
	puts(2) // under the same instant again
	session = session.Ended(rollcall.Ending{EndedAt: t0, EndReason: rollcall.ReasonLogout})
	puts(3)
	sweep := func(v rollcall.Verdict) {
		t.Helper()
		bite := rollcall.Sweep{SessionsBefore: t0.Add(time.Minute), Limit: 10, Decide: func(rollcall.Walked) rollcall.Verdict { return v }}
		if _, err := s.Sweep(background, bite); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.db.Set(filingKey(t0.Add(-time.Hour), "one"), nil, s.sync); err != nil { // one too many
		t.Fatal(err)
	}
	sweep(rollcall.Verdict{FileAt: t0.Add(time.Minute)})
	filings(1)
	puts(4)
	sweep(rollcall.Verdict{})
	filings(0)
}

// TestAUsersRowStaysWithASessionOrAnEvent: the row goes with the last session, and that
// one only after all of the user's events.
func TestAUsersRowStaysWithASessionOrAnEvent(t *testing.T) {
	s := withEvents(t, vfs.NewMem(), 0)
	defer closeQuietly(s)
	before := t0.AddDate(1, 0, 0)
	sweep := func(before time.Time, upTo string, decide func(rollcall.Walked) rollcall.Verdict) rollcall.Swept {
		t.Helper()
		swept, err := s.Sweep(background, rollcall.Sweep{SessionsBefore: before, EventsUpTo: upTo, Limit: 9, Decide: decide})
		if err != nil {
			t.Fatal(err)
		}
		return swept
	}
	// A verdict's own event counts, and is not written then.
	withEvent := func(w rollcall.Walked) rollcall.Verdict {
		return rollcall.Verdict{Event: &rollcall.Event{ID: "over", UserID: "u", At: t0, SessionID: w.Session.ID}}
	}
	if err := commit(s, creation("u", 0, typical("u", "one", t0), typical("u", "two", t0))); err != nil {
		t.Fatal(err)
	}
	if err := commit(s, creation("other", 0, typical("other", "three", before))); err != nil { // the last event is not u's
		t.Fatal(err)
	}
	if swept := sweep(before, "", withEvent); swept.Removed != 1 || swept.Looked != 2 {
		t.Errorf("the first goes, the last stays: %+v", swept)
	}
	events := page(t, s, "")
	if len(events.Events) != 4 || events.Events[3].Number != 3 {
		t.Errorf("%+v", events.Events)
	}
	if swept := sweep(before, events.Events[2].Position, removed); swept != (rollcall.Swept{Events: 3}) {
		t.Errorf("filed under later: %+v", swept)
	}
	later := before.Add(time.Hour + time.Millisecond)
	if swept := sweep(later, events.Events[2].Position, removed); swept.Removed != 0 || swept.Looked != 1 {
		t.Errorf("an event is left: %+v", swept)
	}
	if u := readUser(t, s, "u"); u.Version == 0 || u.Events != 3 {
		t.Errorf("%+v", u)
	}
	later = later.Add(time.Hour + time.Millisecond)
	if swept := sweep(later, events.Head, withEvent); swept.Removed != 0 || swept.Looked != 1 || swept.Events != 1 {
		t.Errorf("the verdict has an event: %+v", swept)
	}
	later = later.Add(time.Hour + time.Millisecond)
	if swept := sweep(later, "", removed); swept.Removed != 1 {
		t.Errorf("nothing is left: %+v", swept)
	}
	if u := readUser(t, s, "u"); u != (rollcall.User{ID: "u"}) {
		t.Errorf("%+v", u)
	}
	if p := page(t, s, events.Head); len(p.Events) != 0 {
		t.Errorf("%+v", p)
	}
}

func TestAVerdictThatEndsHoldsTheUseThatItsDeciderSaw(t *testing.T) {
	for name, byUser := range map[string]bool{"filed": false, "of one user": true} {
		fs := vfs.NewMem()
		s := openInMemory(t, Options{FS: fs})
		createSessions(t, s, "u", "one")
		used := useAt("u", "one", t0.Add(time.Minute))
		touchAll(t, s, used)
		ending := rollcall.Ending{EndedAt: t0.Add(time.Hour), EndReason: rollcall.ReasonIdle, EndedBy: "sweep"}
		bite := rollcall.Sweep{SessionsBefore: t0.AddDate(1, 0, 0), Limit: 9, Decide: func(w rollcall.Walked) rollcall.Verdict {
			if w.Session.Last != used.Interaction {
				t.Errorf("%s: decided on %+v", name, w.Session.Last)
			}
			w.Session.Clients[0] = "changed by the decider"
			return rollcall.Verdict{
				FileAt: t0.AddDate(2, 0, 0), Ending: &ending,
				Event: &rollcall.Event{ID: "over", Type: rollcall.SessionExpired, UserID: "u", At: t0},
			}
		}}
		if byUser {
			bite.UserID = "u"
		}
		swept, err := s.Sweep(background, bite)
		if err != nil || swept.Ended != 1 || swept.Looked != 1 || byUser != (swept.Next == rollcall.Position{CreatedAt: t0, ID: "one"}) {
			t.Errorf("%s: %+v, %v", name, swept, err)
		}
		if more, err := s.Sweep(background, bite); err != nil || more.Looked != 0 {
			t.Errorf("%s: a second bite: %+v, %v", name, more, err)
		}
		touchAll(t, s, useAt("u", "one", t0.Add(2*time.Minute))) // has no effect on what is ended
		want := typical("u", "one", t0).Ended(ending)
		want.Version, want.Last = 2, used.Interaction
		for _, when := range []string{"", "after an opening"} {
			got, st, err := s.Session(background, rollcall.At{ID: "one"})
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s, %s: %v\n%s", name, when, err, diff)
			}
			if st.User.Version != 2 || st.User.Events != 1 {
				t.Errorf("%s, %s: %+v", name, when, st.User)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openInMemory(t, Options{FS: fs})
		}
		s.drain(t)
		if got, _, err := s.Session(background, rollcall.At{ID: "one"}); err != nil || got.Last != used.Interaction {
			t.Errorf("%s: %+v, %v", name, got.Last, err)
		}
		closeQuietly(s)
	}
}

func TestABiteOfOneUserGoesOnAfterWhatItLookedAt(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	var want, looked []string
	for i := range 7 {
		id := fmt.Sprintf("session-%d", i)
		session := typical("u", id, t0.Add(-time.Duration(i)*time.Minute))
		if i == 3 {
			session.EndedAt = t0
		} else {
			want = append(want, id)
		}
		if err := commit(s, silent("u", session)); err != nil {
			t.Fatal(err)
		}
	}
	createSessions(t, s, "v", "of another")
	bite := rollcall.Sweep{UserID: "u", Limit: 2, Decide: func(w rollcall.Walked) rollcall.Verdict {
		looked = append(looked, w.Session.ID)
		return rollcall.Verdict{FileAt: t0.AddDate(1, 0, 0)}
	}}
	var sizes []int
	for more := true; more; {
		swept, err := s.Sweep(background, bite)
		if err != nil {
			t.Fatal(err)
		}
		bite.After, more = swept.Next, swept.More
		sizes = append(sizes, swept.Looked)
	}
	if !slices.Equal(looked, want) || !slices.Equal(sizes, []int{2, 2, 2}) {
		t.Errorf("looked at %v in bites of %v", looked, sizes)
	}
	swept, err := s.Sweep(background, bite) // nothing follows
	if err != nil || swept != (rollcall.Swept{Next: bite.After}) {
		t.Errorf("%+v, %v", swept, err)
	}
}

func TestARowIsFiledUnderWhatThePutSays(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	session := typical("u", "one", t0)
	filedAt := func(what string, want ...time.Time) {
		t.Helper()
		var filed []time.Time
		for _, key := range filingsOf(t, s) {
			at, _ := readFiling(key)
			filed = append(filed, at)
		}
		if !slices.EqualFunc(filed, want, time.Time.Equal) {
			t.Errorf("%s: filed under %v, want %v", what, filed, want)
		}
	}
	later := t0.AddDate(1, 0, 0)
	c := silent("u", session)
	c.Sessions[0].FileAt = later
	err := commit(s, c)
	filedAt("created", later)
	c = put(session, 1)
	err = errors.Join(err, commit(s, c))
	filedAt("put without an instant", session.OverAt())
	c.Sessions[0].Replaces, c.Sessions[0].FileAt = 2, later
	err = errors.Join(err, commit(s, c))
	filedAt("put with one", later)
	end := unread("u", 1, session.Ended(rollcall.Ending{EndedAt: t0, EndReason: rollcall.ReasonLogout}))
	end.Ends[0].FileAt = later.Add(time.Hour)
	err = errors.Join(err, commit(s, end))
	filedAt("ended unread", later, later.Add(time.Hour))
	if _, sweepErr := s.Sweep(background, rollcall.Sweep{SessionsBefore: later.Add(2 * time.Hour), Limit: 9, Decide: refiled(later.Add(3 * time.Hour))}); errors.Join(err, sweepErr) != nil {
		t.Fatal(err, sweepErr)
	}
	filedAt("swept", later.Add(3*time.Hour))
}
