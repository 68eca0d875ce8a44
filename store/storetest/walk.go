package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

var walkClauses = []Clause{
	{"Walk", "a walk visits every session, user by user and in order", testWalk},
	{"Walk", "a walk sees each user at one moment", testWalkMoment},
	{"Walk", "a walk goes on before the user whom it stopped at", testWalkStops},
	{"Walk", "a walk passes nobody over while others come and go", testWalkMeanwhile},
}

// walk walks from a position and returns what is seen of each user, in the order in which
// users are met. stop says of the number of visits before whether to stop.
func (s subject) walk(after string, stop func(visits int) bool) (users []string, seen map[string][]rollcall.Walked, next string) {
	s.t.Helper()
	seen, visits := map[string][]rollcall.Walked{}, 0
	next, err := s.Walk(background, after, func(w rollcall.Walked) bool {
		session := w.Session.Clone()
		session.UsedKeys = slices.Clone(w.Session.UsedKeys)
		u := session.UserID
		if w.Standing.User.ID != u {
			s.t.Errorf("a session of %q with the standing of %q", u, w.Standing.User.ID)
		}
		if len(users) == 0 || users[len(users)-1] != u {
			if _, again := seen[u]; again {
				s.t.Errorf("the sessions of %q come in two parts", u)
			}
			users = append(users, u)
		}
		seen[u] = append(seen[u], rollcall.Walked{Standing: w.Standing, Session: &session})
		visits++
		return !stop(visits)
	})
	s.fails("Walk", err, nil)
	return users, seen, next
}

func never(int) bool { return false }

func testWalk(t *testing.T, h Harness) {
	s := open(t, h)
	_, seen, next := s.walk("", never)
	s.same("a walk through nothing", 0, len(seen))
	s.same("its end", "", next)
	s.commit(rollcall.Change{Everybody: &rollcall.PutEverybody{Everybody: newEverybody()}})
	users := []string{"u", "uu", "U", "a\x01", "ü", "\uffff"}
	for i, u := range users {
		for j := range 4 {
			s.create(newSession(u, sessionID(10*i+j), t0.Add(time.Duration(j/2)*time.Second)))
		}
		s.commit(replacement(s.session(sessionID(10 * i)).Ended(newEnding(t0))))
	}
	s.row("without sessions")
	met, seen, next := s.walk("", never)
	s.same("the end", "", next)
	slices.Sort(met)
	slices.Sort(users)
	s.same("the users", users, met)
	for _, u := range users {
		var want []rollcall.Walked
		st := s.standing(u)
		for _, session := range s.sessions(u, true) {
			want = append(want, rollcall.Walked{Standing: st, Session: &session})
		}
		s.same("what is seen of "+u, want, seen[u])
	}
}

func testWalkMoment(t *testing.T, h Harness) {
	inStep(t, h, 100, func(s subject) (st rollcall.Standing, sessions []rollcall.Session) {
		_, seen, _ := s.walk("", never)
		for i, w := range seen["u"] {
			if i > 0 && (w.Standing.User != st.User || w.Standing.Everybody.Generation != st.Everybody.Generation) {
				t.Errorf("a user with two standings: %+v and %+v", st, w.Standing)
			}
			st = w.Standing
			sessions = append(sessions, *w.Session)
		}
		s.same("how many", 2, len(sessions))
		return st, sessions
	})
}

func testWalkStops(t *testing.T, h Harness) {
	s := open(t, h)
	for i := range 12 {
		s.create(newSession(fmt.Sprintf("user-%d", i/3), sessionID(i), t0))
	}
	order, _, _ := s.walk("", never)
	for visits := 1; visits <= 12; visits++ {
		stopping := func(n int) bool { return n == visits }
		met, _, next := s.walk("", stopping)
		last := met[len(met)-1]
		if next == "" {
			t.Fatalf("a walk that was stopped at visit %d says that it is at the end", visits)
		}
		for range 2 { // a position has no end of life
			rest, seen, end := s.walk(next, never)
			s.same("the user whom it stopped at, and those that follow", order[slices.Index(order, last):], rest)
			s.same("the sessions of that user", 3, len(seen[last]))
			s.same("the end", "", end)
		}
	}
	// To take each user by itself: stop at the first session of the next.
	var alone []string
	for next, first := "", true; next != "" || first; first = false {
		var met []string
		met, _, next = s.walk(next, func(n int) bool { return n > 3 })
		if len(met) == 0 {
			t.Fatalf("a walk from %q visits nobody", next)
		}
		alone = append(alone, met[0])
	}
	s.same("user by user", order, alone)

	// Also when the user at the position has gone.
	_, _, next := s.walk("", func(n int) bool { return n > 3 })
	s.sweep(rollcall.Sweep{SessionsBefore: forever, Limit: 100, Decide: func(w rollcall.Walked) rollcall.Verdict {
		if w.Session.UserID == order[1] {
			return rollcall.Verdict{}
		}
		return rollcall.Verdict{FileAt: forever}
	}})
	rest, _, _ := s.walk(next, never)
	s.same("those that follow one who has gone", order[2:], rest)
}

func testWalkMeanwhile(t *testing.T, h Harness) {
	s := open(t, h)
	const users = 8
	stays := func(i int) string { return fmt.Sprintf("stays-%02d", i) }
	for i := range users {
		s.create(newSession(stays(i), sessionID(i), t0))
	}
	there := false // whether those who come and go are there
	comeOrGo := func() {
		for i := range users {
			u := stays(i) + "-not"
			if there {
				s.sweep(rollcall.Sweep{UserID: u, SessionsBefore: t0, Limit: 10, Decide: remove})
			} else {
				s.create(newSession(u, sessionID(100+i), t0))
			}
		}
		there = !there
	}
	for _, visits := range []int{2, 3, 5} {
		comeOrGo()
		stayed := map[string]bool{}
		for next, first := "", true; next != "" || first; first = false {
			var seen map[string][]rollcall.Walked
			_, seen, next = s.walk(next, func(n int) bool { return n == visits })
			for u := range seen {
				stayed[u] = true
			}
			comeOrGo()
		}
		for i := range users {
			if !stayed[stays(i)] {
				t.Errorf("%s is passed over by a walk of %d visits at a time", stays(i), visits)
			}
		}
	}
}
