package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

func testOrder(t *testing.T, h Harness) {
	s := open(t, h)
	var sessions []rollcall.Session
	for i := range 40 {
		// Few instants and many ids, so that there are ties.
		sessions = append(sessions, newSession("u", fmt.Sprintf("id-%d-%016d", i*7%5, i), t0.Add(time.Duration(i%4)*time.Millisecond)))
	}
	s.create(sessions...)
	slices.SortFunc(sessions, func(a, b rollcall.Session) int {
		if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	var want []string
	for _, session := range sessions {
		want = append(want, session.ID)
	}
	s.same("the list", want, s.list("u"))
	for limit := 1; limit < 43; limit += 3 {
		s.same(fmt.Sprintf("pages of %d", limit), want, s.pages("u", limit, nil))
	}
	_, none, err := s.Sessions(background, "u", rollcall.Position{}, 0)
	s.fails("Sessions", err, nil)
	s.same("limit 0", 0, len(none))
}

// pages reads a user's sessions page by page, calling between after each.
func (s subject) pages(userID string, limit int, between func(page int)) (ids []string) {
	s.t.Helper()
	var after rollcall.Position
	for page := 0; ; page++ {
		_, sessions, err := s.Sessions(background, userID, after, limit)
		if err != nil {
			s.t.Fatalf("Sessions: %v", err)
		}
		for i := range sessions {
			ids = append(ids, sessions[i].ID)
			after = sessions[i].Position()
		}
		if len(sessions) < limit {
			return ids
		}
		if page == 1000 {
			s.t.Fatal("the pages have no end")
		}
		if between != nil {
			between(page)
		}
	}
}

func testPages(t *testing.T, h Harness) {
	s := open(t, h)
	var want []string
	for i := range 12 {
		s.create(newSession("u", sessionID(i), t0.Add(time.Duration(i)*time.Second)))
		want = append([]string{sessionID(i)}, want...)
	}
	got := s.pages("u", 3, func(page int) {
		if 3*page+2 >= len(want) {
			t.Fatalf("page %d of %d sessions", page+1, len(want))
		}
		s.create(newSession("u", sessionID(100+page), t0.Add(time.Hour)))
		last := s.session(want[3*page+2]) // the position that the next page begins after
		s.commit(rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: last.Ended(t0, rollcall.ReasonRevoked), Replaces: last.Version}}})
		if page%2 == 1 {
			s.sweepAll(t0.Add(time.Minute)) // the row goes, too
		}
	})
	s.same("the pages", want, got)
}

func testUserIDs(t *testing.T, h Harness) {
	s := open(t, h)
	users := []string{
		"a", "aa", "a\x00", "a\x00b", "a\x01", "ab", "a|", "a/b", "a\xff", "a\xff\xff", "\x00", "\xff", "s", "auth0|1", "auth0|10", "auth0|11",
		strings.Repeat("x", 300), strings.Repeat("x", 299), strings.Repeat("😀", 300), strings.Repeat("y", 255), strings.Repeat("y", 256), strings.Repeat("y", 257),
	}
	want := map[string][]string{}
	for i, u := range users {
		for j := range 3 {
			id := sessionID(100*i + j)
			s.create(newSession(u, id, t0))
			want[u] = append(want[u], id)
		}
	}
	for i, u := range users {
		s.same(fmt.Sprintf("the list of user %d", i), want[u], s.list(u))
		s.same(fmt.Sprintf("the version of user %d", i), uint64(3), s.user(u).Version)
		s.same(fmt.Sprintf("the user of session %d", i), u, s.session(want[u][0]).UserID)
	}
	s.same("a user in between", 0, len(s.list("aaa")))
}

func (s subject) touch(userID, id string, i rollcall.Interaction) {
	s.t.Helper()
	if err := s.Touch(background, []rollcall.Touch{{UserID: userID, SessionID: id, Interaction: i}}); err != nil {
		s.t.Fatalf("Touch: %v", err)
	}
}

func testTouch(t *testing.T, h Harness) {
	s := open(t, h)
	at := func(d time.Duration, ip string) rollcall.Interaction {
		return rollcall.Interaction{At: t0.Add(d), IdleExpiresAt: t0.Add(d + 72*time.Hour), Origin: rollcall.Origin{IP: ip, UserAgent: "agent " + ip, ASN: "1"}}
	}
	s.create(newSession("u", sessionID(1), t0))
	before := s.session(sessionID(1))
	s.touch("u", sessionID(1), at(time.Hour, "192.0.2.2"))
	s.same("the later", at(time.Hour, "192.0.2.2"), s.session(sessionID(1)).Last)
	s.touch("u", sessionID(1), at(time.Minute, "192.0.2.3"))
	s.same("an earlier one", at(time.Hour, "192.0.2.2"), s.session(sessionID(1)).Last)
	s.touch("u", sessionID(1), at(time.Hour, "192.0.2.4"))
	s.same("one of the same instant", at(time.Hour, "192.0.2.2"), s.session(sessionID(1)).Last)
	lower := at(2*time.Hour, "192.0.2.5")
	lower.IdleExpiresAt = t0.Add(time.Minute)
	s.touch("u", sessionID(1), lower)
	want := before
	want.Last = lower
	s.same("nothing else changes, no version moves", want, s.session(sessionID(1)))
	s.same("the user's version", uint64(1), s.user("u").Version)

	var touches []rollcall.Touch
	for i := range 700 {
		userID := fmt.Sprintf("user-%d", i)
		s.create(newSession(userID, sessionID(1000+i), t0))
		for _, d := range []time.Duration{2, 3, 1} {
			touches = append(touches, rollcall.Touch{UserID: userID, SessionID: sessionID(1000 + i), Interaction: at(d*time.Hour, "192.0.2.7")})
		}
	}
	for range 2 { // idempotent
		s.fails("Touch of many", s.Touch(background, touches), nil)
		for i := range 700 {
			if got := s.session(sessionID(1000 + i)).Last; got != at(3*time.Hour, "192.0.2.7") {
				t.Fatalf("session %d: %+v", i, got)
			}
		}
	}
	s.fails("Touch of none", s.Touch(background, nil), nil)
}

func testTouchGone(t *testing.T, h Harness) {
	s := open(t, h)
	s.create(newSession("u", sessionID(1), t0), newSession("u", sessionID(2), t0))
	late := rollcall.Interaction{At: t0.Add(time.Hour), IdleExpiresAt: t0.Add(9000 * time.Hour)}
	ended := s.session(sessionID(1)).Ended(t0, rollcall.ReasonRevoked)
	s.commit(rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: ended, Replaces: 1}}})
	want := s.session(sessionID(1))
	s.touch("u", sessionID(1), late)
	s.same("an ended session", want, s.session(sessionID(1)))
	want = s.session(sessionID(2))
	s.touch("v", sessionID(2), late)
	s.same("another user's touch", want, s.session(sessionID(2)))
	s.touch("u", "unknown", late)
	s.sweepAll(t0.Add(9000 * time.Hour))
	s.touch("u", sessionID(2), late)
	for _, id := range []string{sessionID(1), sessionID(2), "unknown"} {
		_, _, err := s.Session(background, id)
		s.fails("a session that is gone", err, rollcall.ErrNoSession)
	}
	s.same("the list", 0, len(s.list("u")))
}
