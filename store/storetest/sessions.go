package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

var sessionsClauses = []Clause{
	{"Sessions", "sessions are listed newest first and then by the bytes of their ids", testOrder},
	{"Sessions", "a page holds when its row is gone and others come", testPages},
	{"Sessions", "ended sessions are found, and listed only when they are asked for", testEnded},
	{"Sessions", "users whose ids begin alike are apart", testUserIDs},
}

func testOrder(t *testing.T, h Harness) {
	s := open(t, h)
	var sessions []rollcall.Session
	for i := range 30 {
		// Few instants and many ids, so that there are ties.
		sessions = append(sessions, newSession("u", fmt.Sprintf("id-%d-%016d", i*7%5, i), t0.Add(time.Duration(i%4)*time.Millisecond)))
	}
	// A language orders these otherwise than their bytes do, or takes some for equal.
	for _, id := range []string{"B", "a", "A", "b", "_", "-", "Z", "é", "e\u0301", "z", "ß", "ss", "ID-0", "id_0", "0", "9", "10", "~", "!", "😀", "\uffff"} {
		sessions = append(sessions, newSession("u", id+strings.Repeat(".", 16), t0))
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
	for _, limit := range []int{1, 2, 7, len(want) - 1, len(want), len(want) + 1} {
		s.same(fmt.Sprintf("pages of %d", limit), want, s.pages(rollcall.SessionsOf{UserID: "u", Limit: limit}, nil))
	}
	s.standing("u") // by limit 0
}

// pages reads a user's sessions page by page, calling between after each.
func (s subject) pages(q rollcall.SessionsOf, between func(page int)) (ids []string) {
	s.t.Helper()
	for page := 0; ; page++ {
		_, sessions, err := s.Sessions(background, q)
		if err != nil {
			s.t.Fatalf("Sessions: %v", err)
		}
		for i := range sessions {
			ids = append(ids, sessions[i].ID)
			q.After = sessions[i].Position()
		}
		if len(sessions) < q.Limit {
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
	for _, ended := range []bool{false, true} {
		got := s.pages(rollcall.SessionsOf{UserID: "u", Limit: 3, Ended: ended}, func(page int) {
			if ended || 3*page+2 >= len(want) {
				return
			}
			s.create(newSession("u", sessionID(100+page), t0.Add(time.Hour)))
			last := s.session(want[3*page+2]) // the position that the next page begins after
			s.commit(replacement(last.Ended(newEnding(t0))))
			if page%2 == 1 {
				s.sweepAll(t0.Add(time.Minute)) // the row goes, too
			}
		})
		s.same("the pages", want, got)
		want = s.history("u")
	}
}

func testEnded(t *testing.T, h Harness) {
	s := open(t, h)
	for i := range 5 {
		s.create(newSession("u", sessionID(i), t0.Add(time.Duration(i)*time.Second)))
	}
	ended := s.session(sessionID(2)).Ended(newEnding(t0.Add(time.Minute)))
	s.commit(replacement(ended))
	ended.Version++
	all := []string{sessionID(4), sessionID(3), sessionID(2), sessionID(1), sessionID(0)}
	s.same("the list", []string{sessionID(4), sessionID(3), sessionID(1), sessionID(0)}, s.list("u"))
	s.same("the list with ended ones", all, s.history("u"))
	s.same("what is listed", ended, s.sessions("u", true)[2])
	s.same("the session", ended, s.session(sessionID(2)))
	for limit := 1; limit < 6; limit += 2 {
		s.same("pages with ended ones", all, s.pages(rollcall.SessionsOf{UserID: "u", Ended: true, Limit: limit}, nil))
	}
	// Whether a session is over for another cause is a rule, and no store's affair.
	over := newSession("u", sessionID(9), t0.Add(time.Hour))
	over.ExpiresAt, over.Last.IdleExpiresAt, over.Generation = t0, t0, rollcall.Generation{}
	s.create(over)
	s.same("what is over otherwise", sessionID(9), s.list("u")[0])

	back := ended
	back.EndedAt, back.EndReason, back.EndedBy = time.Time{}, "", ""
	s.commit(replacement(back))
	s.same("the list when the facts change again", 6, len(s.list("u")))
}

func testUserIDs(t *testing.T, h Harness) {
	s := open(t, h)
	users := []string{
		"a", "aa", "A", "a\x01", "a\x01\x01", "ab", "a|", "a/b", "a ", "á", "a\u0301", "a\uffff", "\x01", "\u007f", "s", "auth0|1", "auth0|10", "auth0|11", "%", "_",
		strings.Repeat("x", 300), strings.Repeat("x", 299), strings.Repeat("😀", 300), strings.Repeat("y", 255), strings.Repeat("y", 256), strings.Repeat("y", 257),
	}
	want := map[string][]string{}
	for i, u := range users {
		for j := range 2 {
			id := sessionID(100*i + j)
			s.create(newSession(u, id, t0))
			want[u] = append(want[u], id)
		}
		s.commit(told(u, newEvent(u, i)))
	}
	for i, u := range users {
		s.same(fmt.Sprintf("the list of user %d", i), want[u], s.list(u))
		s.same(fmt.Sprintf("the version of user %d", i), uint64(firstVersion+1), s.user(u).Version)
		s.same(fmt.Sprintf("the user of session %d", i), u, s.session(want[u][0]).UserID)
		s.same(fmt.Sprintf("the events of user %d", i), []string{newEvent(u, i).ID}, eventIDs(s.read(rollcall.EventsAfter{UserID: u, Limit: 100})))
	}
	s.same("a user in between", 0, len(s.list("aaa")))
}
