package pebble

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
)

// A witness knows what it was told: what was acknowledged, and which events it
// has read at which positions.
type witness struct {
	mu      sync.Mutex
	created map[string]bool      // true when the ending was acknowledged, too
	touched map[string]time.Time // the latest acknowledged interaction
	swept   map[string]bool      // removed by a bite that returned nil
	silent  map[string]bool      // created for a user of whom there is no event
	read    []rollcall.StoredEvent
}

func (w *witness) note(what func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	what()
}

// TestPowerLossAmidFlushesAndSweepsTakesNothingBack cuts the power while memory is
// flushed and logs change all the time, sessions are touched and swept, uses
// retire, and somebody reads the events.
func TestPowerLossAmidFlushesAndSweepsTakesNothingBack(t *testing.T) {
	rounds := 3
	if os.Getenv("ROLLCALL_TEST_LONG") != "" {
		rounds = 60
	}
	var created, ended, touched, swept, read int
	for round := range rounds {
		random := rand.New(rand.NewPCG(uint64(round), 7))
		w, clones := powerLossLoad(t, random)
		for _, c := range clones {
			c.verify(t)
		}
		created, touched, swept, read = created+len(w.created), touched+len(w.touched), swept+len(w.swept), read+len(w.read)
		for _, e := range w.created {
			ended += bit(e)
		}
	}
	t.Logf("%d rounds of 4 power losses: %d created, %d ended, %d touched, %d swept, %d events read", rounds, created, ended, touched, swept, read)
	if created == 0 || ended == 0 || touched == 0 || swept == 0 || read == 0 {
		t.Error("the load left something out")
	}
}

// A clone is the disk after a power loss, with what was known when it happened.
type clone struct {
	fs *vfs.MemFS
	w  witness
}

// powerLossLoad runs one load and cuts the power four times during it.
func powerLossLoad(t *testing.T, random *rand.Rand) (*witness, []*clone) {
	t.Helper()
	fs := vfs.NewCrashableMem()
	s, err := Open("store", Options{FS: fs, MinFree: -1, memTableSize: 128 << 10, useBytes: 16 << 10, useSessions: 40, tidyEvery: 4})
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{created: map[string]bool{}, touched: map[string]time.Time{}, swept: map[string]bool{}, silent: map[string]bool{}}
	ctx, cancel := context.WithCancel(background)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() { w.write(ctx, t, s, fmt.Sprintf("user-%02d", i)) })
	}
	for i := range 2 {
		all.Go(func() { w.writeSilent(ctx, t, s, fmt.Sprintf("silent-%02d", i)) })
	}
	all.Go(func() { w.sweep(ctx, t, s) })
	all.Go(func() { w.readEvents(ctx, t, s) })
	var clones []*clone
	for range 4 {
		time.Sleep(time.Duration(20+random.IntN(80)) * time.Millisecond)
		c := &clone{}
		w.note(func() {
			c.w.created, c.w.touched, c.w.swept, c.w.read = maps.Clone(w.created), maps.Clone(w.touched), maps.Clone(w.swept), slices.Clone(w.read)
			c.w.silent = maps.Clone(w.silent)
		})
		c.fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50 * random.IntN(2), RNG: random})
		clones = append(clones, c)
	}
	cancel()
	all.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return w, clones
}

// write creates sessions, touches each, and the one before it once more, ends every third, and leaves every fifth,
// which is over from the beginning, to the sweep.
func (w *witness) write(ctx context.Context, t *testing.T, s *Store, userID string) {
	before := ""
	for i := 0; ctx.Err() == nil; i++ {
		session := typical(userID, fmt.Sprintf("%s-%d", userID, i), t0)
		if i%5 == 0 {
			session.ExpiresAt = t0.Add(-time.Hour)
		}
		user, _, err := s.Sessions(background, rollcall.SessionsOf{UserID: userID, Limit: 0})
		if err == nil {
			err = commit(s, creation(userID, user.User.Version, session))
		}
		if errors.Is(err, rollcall.ErrConflict) {
			continue // the sweep has removed the user's row
		}
		if err != nil {
			t.Error(err)
			return
		}
		w.note(func() { w.created[session.ID] = false })
		if i%5 == 0 {
			continue
		}
		at := t0.Add(time.Duration(i+1) * time.Second)
		var touches []rollcall.Touch
		for _, id := range []string{session.ID, before} {
			touches = append(touches, rollcall.Touch{UserID: userID, SessionID: id, Interaction: rollcall.Interaction{At: at}})
		}
		if err := s.Touch(background, touches); err != nil {
			t.Error(err)
			return
		}
		w.note(func() {
			w.touched[session.ID] = at
			if before != "" && !w.created[before] {
				w.touched[before] = at
			}
		})
		before = session.ID
		if i%3 != 0 {
			continue
		}
		session = session.Ended(rollcall.Ending{EndedAt: t0, EndReason: rollcall.ReasonLogout})
		if i%2 == 0 {
			session.Last.At = at
			err = endUnread(s, session)
		} else {
			err = commit(s, rollcall.Change{
				UserID: userID, Sessions: []rollcall.PutSession{{Session: session, Replaces: 1}},
				Events: []rollcall.Event{{ID: "end-" + session.ID, At: t0, UserID: userID}},
			})
		}
		if err != nil {
			t.Error(err)
			return
		}
		w.note(func() { w.created[session.ID] = true })
	}
}

// writeSilent creates sessions that are over from the beginning, and leaves no event: the
// user's row comes with the first and goes with the last.
func (w *witness) writeSilent(ctx context.Context, t *testing.T, s *Store, userID string) {
	for i := 0; ctx.Err() == nil; i++ {
		session := typical(userID, fmt.Sprintf("%s-%d", userID, i), t0)
		session.ExpiresAt = t0.Add(-time.Hour)
		if err := commit(s, silent(userID, session)); err != nil {
			t.Error(err)
			return
		}
		w.note(func() { w.silent[session.ID] = true })
		if i%4 == 3 {
			time.Sleep(3 * time.Millisecond) // until all are swept, mostly
		}
	}
}

// endUnread ends a session that is live, without reading it. A sweep may take the user's
// row meanwhile.
func endUnread(s *Store, ended rollcall.Session) error {
	for {
		user, _, err := s.Sessions(background, rollcall.SessionsOf{UserID: ended.UserID, Limit: 0})
		if err != nil {
			return err
		}
		if err = commit(s, unread(user.User.ID, user.User.Version, ended)); !errors.Is(err, rollcall.ErrConflict) {
			return err
		}
	}
}

func (w *witness) sweep(ctx context.Context, t *testing.T, s *Store) {
	for ctx.Err() == nil {
		var removed []string
		_, err := s.Sweep(background, rollcall.Sweep{SessionsBefore: t0, Limit: 20, Decide: func(w rollcall.Walked) rollcall.Verdict {
			removed = append(removed, w.Session.ID)
			if strings.HasPrefix(w.Session.UserID, "silent") {
				return rollcall.Verdict{}
			}
			return rollcall.Verdict{Event: &rollcall.Event{ID: "over-" + w.Session.ID, At: t0, UserID: w.Session.UserID}}
		}})
		if err != nil {
			t.Error(err)
			return
		}
		// A user's last session stays as long as there is an event of the user.
		removed = slices.DeleteFunc(removed, func(id string) bool {
			_, _, err := s.Session(background, rollcall.At{ID: id})
			return !errors.Is(err, rollcall.ErrNoSession)
		})
		w.note(func() {
			for _, id := range removed {
				w.swept[id] = true
			}
		})
		time.Sleep(time.Millisecond)
	}
}

func (w *witness) readEvents(ctx context.Context, t *testing.T, s *Store) {
	position := ""
	for ctx.Err() == nil {
		events, err := eventsAfter(s, position, 100)
		if err != nil {
			t.Error(err)
			return
		}
		if len(events) == 0 {
			time.Sleep(time.Millisecond)
			continue
		}
		position = events[len(events)-1].Position
		w.note(func() { w.read = append(w.read, events...) })
	}
}

// verify opens the disk as the power loss left it.
func (c *clone) verify(t *testing.T) {
	t.Helper()
	s, err := Open("store", Options{FS: c.fs, MinFree: -1})
	if err != nil {
		t.Fatalf("opening after the power loss: %v", err)
	}
	defer closeQuietly(s)
	events, err := eventsAfter(s, "", 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	at, ids := map[string]string{}, map[string]bool{}
	for _, e := range events {
		at[e.Position] = e.Event.ID
		if ids[e.Event.ID] {
			t.Errorf("event %s is there twice", e.Event.ID)
		}
		ids[e.Event.ID] = true
	}
	for id, ended := range c.w.created {
		session, _, err := s.Session(background, rollcall.At{ID: id})
		if gone := errors.Is(err, rollcall.ErrNoSession); gone || c.w.swept[id] {
			if gone != ids["over-"+id] || c.w.swept[id] && !gone {
				t.Errorf("%s: gone %v, its expiry told %v, swept before the power loss %v", id, gone, ids["over-"+id], c.w.swept[id])
			}
			continue
		}
		switch {
		case err != nil:
			t.Errorf("%s: %v", id, err)
		case ended && session.EndedAt.IsZero():
			t.Errorf("%s: the ending was taken back", id)
		case session.Last.At.Before(c.w.touched[id]):
			t.Errorf("%s: the interaction of %v was taken back", id, c.w.touched[id])
		case !ids["evt-"+id] || session.EndedAt.IsZero() == ids["end-"+id]:
			t.Errorf("%s: its events are not of the same commits as its row", id)
		}
	}
	for id := range c.w.silent {
		session, st, err := s.Session(background, rollcall.At{ID: id})
		gone := errors.Is(err, rollcall.ErrNoSession)
		if c.w.swept[id] && !gone || !gone && (err != nil || st.User.Version == 0 || session.UserID != st.User.ID) {
			t.Errorf("%s: swept %v, %+v, %v", id, c.w.swept[id], st.User, err)
		}
	}
	for i := range 2 {
		userID := fmt.Sprintf("silent-%02d", i)
		st, left, err := s.Sessions(background, rollcall.SessionsOf{UserID: userID, Ended: true, Limit: 1})
		if err != nil || (len(left) == 0) != (st.User.Version == 0) {
			t.Errorf("%s: %d sessions and more, the row is %+v, %v", userID, len(left), st.User, err)
		}
	}
	last := ""
	for _, e := range c.w.read {
		if at[e.Position] != e.Event.ID {
			t.Errorf("at %s event %s was read, and after the power loss %q", e.Position, e.Event.ID, at[e.Position])
		}
		last = e.Position
	}
	if err := commit(s, rollcall.Change{UserID: "after", User: userAt("after", 0), Events: []rollcall.Event{{ID: "after", At: t0, UserID: "after"}}}); err != nil {
		t.Fatal(err)
	}
	rest, err := eventsAfter(s, last, 1<<30)
	if err != nil || len(rest) == 0 || rest[len(rest)-1].Event.ID != "after" {
		t.Errorf("whoever reads on misses what comes after the power loss: %v", err)
	}
}
