package pebble

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
)

// countLive is how many sessions a walk meets that have not ended.
func countLive(t *testing.T, s *Store) (n int) {
	t.Helper()
	next, err := s.Walk(background, "", func(w rollcall.Walked) bool {
		if w.Session.EndedAt.IsZero() {
			n++
		}
		return true
	})
	if next != "" || err != nil {
		t.Errorf("the walk ended before %q, %v", next, err)
	}
	return n
}

func TestAWalkVisitsEverySessionWithItsUserAndNoOther(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	users := []string{"a", "b", "aa", "a\x7f"} // in the order of their keys
	for i, user := range users {
		change := rollcall.Change{UserID: user, User: &rollcall.PutUser{User: rollcall.User{ID: user, Version: uint64(i) + 1}}}
		for n := range 3 {
			row := typical(user, fmt.Sprintf("session-%d-%d", i, n), t0.Add(-time.Duration(n)*time.Second))
			if n == 1 {
				row.EndedAt = t0
			}
			change.Sessions = append(change.Sessions, rollcall.PutSession{Session: row})
		}
		if err := commit(s, change); err != nil {
			t.Fatal(err)
		}
	}
	if err := commit(s, rollcall.Change{UserID: "nobody's", User: userAt("nobody's", 0)}); err != nil {
		t.Fatal(err)
	}
	visited, want := []string(nil), []string(nil)
	for i := range users {
		want = append(want, fmt.Sprintf("session-%d-0", i), fmt.Sprintf("session-%d-1", i), fmt.Sprintf("session-%d-2", i))
	}
	next, err := s.Walk(t.Context(), "", func(w rollcall.Walked) bool {
		if u := w.Standing.User; w.Session.UserID != u.ID || users[u.Version-1] != u.ID {
			t.Errorf("session %s of %q is visited with %+v", w.Session.ID, w.Session.UserID, u)
		}
		visited = append(visited, w.Session.ID)
		return true
	})
	if err != nil || next != "" || !slices.Equal(visited, want) {
		t.Errorf("%q, %v: visited %v", next, err, visited)
	}
	// A walk that is left goes on with the first session of the user that was visited last.
	for stop := range want {
		n := 0
		next, err := s.Walk(t.Context(), "", func(rollcall.Walked) bool { n++; return n <= stop })
		rest := []string(nil)
		_, again := s.Walk(t.Context(), next, func(w rollcall.Walked) bool { rest = append(rest, w.Session.ID); return true })
		if errors.Join(err, again) != nil || !slices.Equal(rest, want[stop/3*3:]) {
			t.Errorf("left at %d: %q, %v, and then %v", stop, next, err, rest)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Walk(ctx, "", func(rollcall.Walked) bool { return true }); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}

// TestAWalkOfManyRestsAndMissesNobody walks by more rows than one iterator looks at, while
// users come and go.
func TestAWalkOfManyRestsAndMissesNobody(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	const users = walkBite
	for i := range users {
		if err := commit(s, silent(benchUser(i), typical(benchUser(i), benchID(i), t0))); err != nil {
			t.Fatal(err)
		}
	}
	visited := map[string]int{}
	next, err := s.Walk(background, "", func(w rollcall.Walked) bool {
		if visited[w.Session.ID]++; len(visited)%100 == 0 {
			id := fmt.Sprintf("new-%d", len(visited))
			if err := commit(s, silent(id, typical(id, id, t0))); err != nil {
				t.Error(err)
			}
		}
		return true
	})
	if err != nil || next != "" {
		t.Errorf("%q, %v", next, err)
	}
	for i := range users {
		if n := visited[benchID(i)]; n != 1 {
			t.Fatalf("%s was visited %d times", benchID(i), n)
		}
	}
}

// TestAWalkShowsTheLatestUses lets uses leave the log for their rows while a walk
// looks at rows of before.
func TestAWalkShowsTheLatestUses(t *testing.T) {
	for name, o := range map[string]Options{"in the log": {}, "for want of memory": {useSessions: 2}, "for want of disk": {useBytes: 300}} {
		t.Run(name, func(t *testing.T) {
			o.FS, o.MinFree = vfs.NewMem(), -1
			s := openInMemory(t, o)
			defer closeQuietly(s)
			const users = 20
			for i := range users {
				if err := commit(s, creation(benchUser(i), 0, typical(benchUser(i), benchID(i), t0))); err != nil {
					t.Fatal(err)
				}
			}
			first := t0.Add(time.Minute)
			for i := range users {
				touchAll(t, s, useAt(benchUser(i), benchID(i), first))
			}
			visited := 0
			_, err := s.Walk(t.Context(), "", func(w rollcall.Walked) bool {
				if visited++; visited == 1 {
					for lap := range 20 { // the others' uses leave the log, and none of them is used
						touchAll(t, s, useAt(w.Session.UserID, w.Session.ID, first.Add(time.Duration(lap+1)*time.Second)))
					}
				}
				if w.Session.Last.At.Before(first) {
					t.Errorf("session %s was last used at %v", w.Session.ID, w.Session.Last.At)
				}
				return true
			})
			if err != nil || visited != users {
				t.Errorf("%d, %v", visited, err)
			}
		})
	}
}

func TestAWalkShowsEverybodyAsOfTheUsersMoment(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	for _, id := range []string{"a", "b"} {
		if err := commit(s, silent(id, typical(id, "of "+id, t0))); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Walk(background, "", func(w rollcall.Walked) bool {
		switch e := w.Standing.Everybody; w.Session.UserID {
		case "a":
			if e.Generation != 0 {
				t.Errorf("a: %+v", e)
			}
			moved := rollcall.Change{Everybody: &rollcall.PutEverybody{Everybody: rollcall.Everybody{Generation: 1, GenerationAt: t0}}}
			if err := commit(s, moved); err != nil {
				t.Error(err)
			}
		case "b":
			if e.Generation != 1 || e.Version != 1 {
				t.Errorf("b: %+v", e)
			}
		}
		return true
	})
	if err != nil {
		t.Error(err)
	}
}

// TestAWalkShowsNoUseInARowOfBefore puts and then uses a session that the walk has before
// it: who sees the use sees the put as well.
func TestAWalkShowsNoUseInARowOfBefore(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	createSessions(t, s, "a", "of a")
	createSessions(t, s, "b", "of b")
	touchAll(t, s, useAt("b", "of b", t0.Add(time.Second)))
	moved := t0.Add(time.Minute)
	_, err := s.Walk(background, "", func(w rollcall.Walked) bool {
		if w.Session.UserID == "a" {
			session := typical("b", "of b", t0)
			session.UpdatedAt = moved
			if err := commit(s, put(session, 1)); err != nil {
				t.Error(err)
			}
			touchAll(t, s, useAt("b", "of b", moved.Add(time.Minute)))
			return true
		}
		if used := w.Session.Last.At.After(moved); used && !w.Session.UpdatedAt.Equal(moved) {
			t.Errorf("used at %v, updated at %v", w.Session.Last.At, w.Session.UpdatedAt)
		}
		return true
	})
	if err != nil {
		t.Error(err)
	}
}
