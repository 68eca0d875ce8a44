package storetest

import (
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

var sessionClauses = []Clause{
	{"Session", "everything comes back as it was put", testRoundTrip},
	{"Session", "session and standing are of one moment", testSnapshot},
	{"Session", "beliefs change nothing of the answer", testBeliefs},
}

func testRoundTrip(t *testing.T, h Harness) {
	s := open(t, h)
	s.commit(rollcall.Change{Everybody: &rollcall.PutEverybody{Everybody: newEverybody()}})
	s.row("auth0|1")
	want := newSession("auth0|1", sessionID(1), t0)
	s.commit(rollcall.Change{
		UserID: "auth0|1", User: &rollcall.PutUser{User: newUser("auth0|1"), Replaces: firstVersion},
		Sessions: []rollcall.PutSession{{Session: want}}, Events: []rollcall.Event{newEvent("auth0|1", 1)},
	})
	standing := rollcall.Standing{User: newUser("auth0|1"), Everybody: newEverybody()}
	standing.User.Version, standing.User.Events, standing.Everybody.Version = firstVersion+1, 1, 1
	want.Version = 1
	got, st, err := s.Session(background, rollcall.At{ID: want.ID})
	s.fails("Session", err, nil)
	s.same("session", want, got)
	s.same("standing", standing, st)
	st, list, err := s.Sessions(background, rollcall.SessionsOf{UserID: "auth0|1", Limit: 10})
	s.fails("Sessions", err, nil)
	s.same("list", []rollcall.Session{want}, list)
	s.same("the list's standing", standing, st)

	other := otherwise(want)
	s.commit(replacement(other))
	other.Version++
	s.same("a session that is put again", other, s.session(other.ID))
	ended := otherwise(other).Ended(newEnding(t0.Add(time.Hour)))
	s.commit(replacement(ended))
	ended.Version++
	s.same("an ended session", ended, s.session(ended.ID))

	s.fails("an unknown session", s.finds("unknown"), rollcall.ErrNoSession)
	st = s.standing("nobody")
	s.same("a user nobody has seen", rollcall.User{ID: "nobody"}, st.User)
	s.same("everybody beside one", standing.Everybody, st.Everybody)
}

// inStep moves user, sessions and everybody in step while read is called over and over by
// several readers, and checks what read returns: at every moment the sessions' generation
// is the user's, and everybody's is as many behind firstVersion, or one more.
func inStep(t *testing.T, h Harness, reads int, read func(s subject) (rollcall.Standing, []rollcall.Session)) {
	s := open(t, h)
	a, b := newSession("u", sessionID(1), t0), newSession("u", sessionID(2), t0)
	a.Generation.User, b.Generation.User = firstVersion, firstVersion
	s.commit(rollcall.Change{
		UserID: "u", User: moved(rollcall.User{ID: "u"}), Sessions: []rollcall.PutSession{{Session: a}, {Session: b}},
	})
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		whileReading(3, reads, func() bool {
			st, sessions := read(s)
			moved := st.Everybody.Generation + firstVersion
			if moved != st.User.Generation && moved != st.User.Generation+1 {
				t.Errorf("user's generation %d beside everybody's %d", st.User.Generation, st.Everybody.Generation)
				return false
			}
			for _, session := range sessions {
				if session.Generation.User != st.User.Generation {
					t.Errorf("session's generation %d of user's %d", session.Generation.User, st.User.Generation)
					return false
				}
			}
			return true
		})
	}()
	for i := uint64(0); ; i++ {
		select {
		case <-done:
			return
		default:
		}
		s.commit(rollcall.Change{Everybody: &rollcall.PutEverybody{Everybody: rollcall.Everybody{Generation: i + 1}, Replaces: i}})
		a.Generation.User, b.Generation.User = firstVersion+i+1, firstVersion+i+1
		s.commit(rollcall.Change{
			UserID: "u", User: &rollcall.PutUser{User: rollcall.User{ID: "u", Generation: firstVersion + i + 1}, Replaces: firstVersion + i},
			Sessions: []rollcall.PutSession{{Session: a, Replaces: i + 1}, {Session: b, Replaces: i + 1}},
		})
	}
}

func testSnapshot(t *testing.T, h Harness) {
	inStep(t, h, 150, func(s subject) (rollcall.Standing, []rollcall.Session) {
		session, st, err := s.Session(background, rollcall.At{ID: sessionID(1)})
		s.fails("Session", err, nil)
		return st, []rollcall.Session{session}
	})
	inStep(t, h, 150, func(s subject) (rollcall.Standing, []rollcall.Session) {
		st, list, err := s.Sessions(background, rollcall.SessionsOf{UserID: "u", Limit: 10})
		s.fails("Sessions", err, nil)
		s.same("how many", 2, len(list))
		return st, list
	})
}

func testBeliefs(t *testing.T, h Harness) {
	s := open(t, h)
	mine, theirs := newSession("u", sessionID(1), t0), newSession("uu", sessionID(2), t0.Add(time.Second))
	s.create(mine, theirs)
	users, instants := []string{"", "u", "uu", "v"}, []time.Time{{}, t0, t0.Add(time.Second), t0.Add(-time.Hour)}
	all := func(what, id string, want error) {
		t.Helper()
		first, standing, err := s.Session(background, rollcall.At{ID: id})
		s.fails(what+" without beliefs", err, want)
		for _, userID := range users {
			for _, at := range instants {
				got, st, err := s.Session(background, rollcall.At{ID: id, UserID: userID, CreatedAt: at})
				s.fails(what, err, want)
				s.same(what, first, got)
				s.same(what+": the standing", standing, st)
			}
		}
	}
	all("a session", mine.ID, nil)
	s.commit(replacement(s.session(mine.ID).Ended(newEnding(t0))))
	all("an ended session", mine.ID, nil)
	all("no session", "unknown", rollcall.ErrNoSession)
	s.sweepAll(t0.Add(time.Hour))
	all("a session that was removed", mine.ID, rollcall.ErrNoSession)
	s.create(newSession("uu", mine.ID, t0.Add(time.Second)))
	all("a session of another user's with the id", mine.ID, nil)
	s.same("its user", "uu", s.session(mine.ID).UserID)
}
