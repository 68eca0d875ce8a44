package recall

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// walkOf is a walk through sessions of users whose rows have version 1.
func walkOf(sessions []rollcall.Session, meanwhile func()) func(func(rollcall.Walked) bool) error {
	return func(visit func(rollcall.Walked) bool) error {
		for i := range sessions {
			if i == 1 && meanwhile != nil {
				meanwhile()
			}
			st := rollcall.Standing{User: rollcall.User{ID: sessions[i].UserID, Version: 1}}
			if !visit(rollcall.Walked{Standing: st, Session: &sessions[i]}) {
				return nil
			}
		}
		return nil
	}
}

func sessionsOf(userID string, n int) (sessions []rollcall.Session) {
	for i := range n {
		s := nthSession(n - i)
		s.ID, s.UserID = fmt.Sprintf("%s-%d", userID, i), userID
		sessions = append(sessions, s)
	}
	return sessions
}

func noUses() error { return nil }

func TestAWalkIsRemembered(t *testing.T) {
	m := New(8<<20, func(rollcall.Touch) {})
	few, many, last := sessionsOf("few", 3), sessionsOf("many", MaxSessions+5), sessionsOf("only-ended", 2)
	for i := range last {
		last[i].EndedAt = t0
	}
	few[1].EndedAt = t0
	if err := m.Warm(noUses, walkOf(append(append(few, many...), last...), nil)); err != nil {
		t.Fatal(err)
	}
	if u, got, known := remembered(m, "few"); !known || len(got) != 2 || u.Version != 1 {
		t.Errorf("known %v, %d sessions of %+v", known, len(got), u)
	}
	for _, s := range many {
		if got, _, known := look(m, s.ID); !known || got.UserID != "many" {
			t.Errorf("%s of a user with many is known: %v", s.ID, known)
		}
	}
	var into Snapshot
	if m.Sessions("many", &into) || !into.TooMany {
		t.Error("a user with many is not known as such")
	}
	if _, _, known := remembered(m, "only-ended"); known {
		t.Error("a user without a session takes room")
	}
	if err := m.Warm(noUses, func(func(rollcall.Walked) bool) error { t.Error("walked twice"); return nil }); err != nil {
		t.Error(err)
	}
}

func TestAWalkLeavesOutWhatHappensMeanwhile(t *testing.T) {
	all := append(sessionsOf("a", 2), sessionsOf("b", MaxSessions+1)...)
	for name, c := range map[string]struct {
		happens func(m *Memory)
		a, b    bool
	}{
		"nothing":             {func(*Memory) {}, true, true},
		"an act on a":         {func(m *Memory) { a := m.Committing("a"); a.Ended() }, false, true},
		"an act on b":         {func(m *Memory) { a := m.Committing("b"); a.Ended() }, true, false},
		"an act on everybody": {func(m *Memory) { a := m.Committing(""); a.Ended() }, false, false},
		"a use of a session of a": {func(m *Memory) {
			m.Show(&rollcall.Touch{UserID: "a", SessionID: "a-0", Interaction: usedAt(1)}, true)
		}, false, true},
	} {
		m := New(8<<20, func(rollcall.Touch) {})
		if err := m.Warm(noUses, walkOf(all, func() { c.happens(m) })); err != nil {
			t.Fatal(err)
		}
		if _, _, known := look(m, "a-0"); known != c.a {
			t.Errorf("%s: a is known: %v", name, known)
		}
		if _, _, known := look(m, "b-0"); known != c.b {
			t.Errorf("%s: b is known: %v", name, known)
		}
	}
}

func TestAWalkEndsWhenThereIsNoMoreRoom(t *testing.T) {
	m := New(1<<20, func(rollcall.Touch) {})
	seen := 0
	if err := m.Warm(noUses, func(visit func(rollcall.Walked) bool) error {
		for i := range 100_000 {
			s := testSession(fmt.Sprintf("session-%d", i))
			s.UserID = fmt.Sprintf("user-%d", i)
			if seen++; !visit(rollcall.Walked{Standing: rollcall.Standing{User: rollcall.User{ID: s.UserID}}, Session: &s}) {
				return nil
			}
		}
		return nil
	}); err != nil || seen == 100_000 {
		t.Errorf("%d visits, %v", seen, err)
	}
	if _, _, known := look(m, "session-0"); !known {
		t.Error("what came last drove out what came first")
	}
}

func TestNothingIsRememberedOfAWalkWhenUsesCannotBeWritten(t *testing.T) {
	failed := errors.New("no")
	m := New(1<<20, nil)
	if err := m.Warm(func() error { return failed }, walkOf(sessionsOf("a", 2), nil)); err != nil {
		t.Error(err)
	}
	if _, _, known := look(m, "a-0"); known {
		t.Error("remembered, although uses could not be written")
	}
	if err := New(1<<20, nil).Warm(noUses, func(func(rollcall.Walked) bool) error { return failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
}

func TestAWalkPassesByWhatNoRecordCanHold(t *testing.T) {
	for name, spoil := range map[string]func(st *rollcall.Standing, s *rollcall.Session){
		"a session":    func(_ *rollcall.Standing, s *rollcall.Session) { s.CreatedAt = time.Unix(-1, 0) },
		"a user's row": func(st *rollcall.Standing, _ *rollcall.Session) { st.User.Events = 1 << 33 },
		"a user's share of all": func(_ *rollcall.Standing, s *rollcall.Session) {
			s.Initial.UserAgent = strings.Repeat("x", maxTexts/shares+1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := New(8<<20, func(rollcall.Touch) {})
			all := slices.Concat(sessionsOf("a", 2), sessionsOf("odd", 3), sessionsOf("z", 2))
			if err := m.Warm(noUses, func(visit func(rollcall.Walked) bool) error {
				for i := range all {
					st := rollcall.Standing{User: rollcall.User{ID: all[i].UserID, Version: 1}}
					if all[i].ID == "odd-1" || name == "a user's row" && all[i].UserID == "odd" {
						spoil(&st, &all[i])
					}
					if !visit(rollcall.Walked{Standing: st, Session: &all[i]}) {
						t.Errorf("the walk ends at %s", all[i].ID)
						break
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{"a-0", "a-1", "z-0", "z-1"} {
				if _, _, known := look(m, id); !known {
					t.Errorf("%s is not remembered", id)
				}
			}
			if name == "a user's row" {
				return
			}
			for _, id := range []string{"odd-0", "odd-2"} {
				if _, _, known := look(m, id); !known {
					t.Errorf("%s, of the same user, is not remembered", id)
				}
			}
		})
	}
}
