package storetest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

var modelClauses = []Clause{
	{"Model", "any sequence of operations gives what memory gives", testModel},
}

// testModel draws sequences of operations, right ones and wrong ones, and holds every
// answer of the engine against that of the engine in memory.
func testModel(t *testing.T, h Harness) {
	rapid.Check(t, func(r *rapid.T) {
		m := &model{t: t, r: r, engine: h.Open(t), memory: memory.New(), positions: []positions{{}}}
		defer func() {
			if err := m.engine.Close(); err != nil {
				r.Errorf("Close: %v", err)
			}
		}()
		actions := map[string]func(*rapid.T){
			"":              func(r *rapid.T) { m.r = r; m.look() },
			"create":        m.act(m.create),
			"stamp":         m.act(m.stamp),
			"change":        m.act(m.change),
			"put":           m.act(m.put),
			"end":           m.act(m.end),
			"unread":        m.act(m.endUnread),
			"generation":    m.act(m.nextGeneration),
			"touch":         m.act(m.touch),
			"sweep":         m.act(m.sweep),
			"sweep a user":  m.act(m.sweepUser),
			"remove events": m.act(m.sweepEvents),
			"write":         m.act(m.write),
			"wrong":         m.act(m.wrong),
		}
		if !h.Volatile {
			actions["reopen"] = m.act(func() { m.engine = h.Reopen(t, m.engine) })
		}
		r.Repeat(actions)
	})
}

// modelSessions is how many ids there are: few, so that acts meet.
const modelSessions = 8

var modelUsers = []string{"u", "uu", "u\x01", "v"}

type model struct {
	t              *testing.T
	r              *rapid.T
	engine, memory rollcall.Store
	positions      []positions // that the logs were read to, the latest last
	bites          int
}

// positions are those of one event in the two logs.
type positions struct{ memory, engine string }

func (m *model) act(f func()) func(*rapid.T) {
	return func(r *rapid.T) { m.r = r; f() }
}

func (m *model) same(what string, want, got any) {
	if reflect.DeepEqual(want, got) {
		return // what cmp would find, much sooner
	}
	if diff := cmp.Diff(want, got, equal, cmpopts.EquateErrors()); diff != "" {
		m.r.Fatalf("%s (-memory +engine):\n%s", what, diff)
	}
}

func (m *model) userID() string { return rapid.SampledFrom(modelUsers).Draw(m.r, "user") }

func (m *model) id() string { return sessionID(m.index()) }

func (m *model) index() int { return rapid.IntRange(0, modelSessions-1).Draw(m.r, "session") }

func (m *model) instant() time.Time {
	return t0.Add(time.Duration(rapid.IntRange(-3, 3).Draw(m.r, "hour")) * time.Hour)
}

// fileAt is zero now and then.
func (m *model) fileAt(i int) time.Time {
	if rapid.Bool().Draw(m.r, "when over") {
		return time.Time{}
	}
	return own(m.instant(), i)
}

// own is an instant that no other session is filed under. Which of two sessions of one
// filing a bite meets first is the engine's affair.
func own(at time.Time, i int) time.Time { return at.Add(time.Duration(i) * time.Millisecond) }

// commit makes the same change in both and compares what they say. The texts of refusals
// are the engine's own; whether one is a conflict is not.
func (m *model) commit(c rollcall.Change) {
	left, want := m.memory.Commit(background, c)
	gotLeft, got := m.engine.Commit(background, c)
	if (want == nil) != (got == nil) || errors.Is(want, rollcall.ErrConflict) != errors.Is(got, rollcall.ErrConflict) {
		m.r.Fatalf("Commit of %+v: %v, and memory says %v", c, got, want)
	}
	m.same("the standing left", left, gotLeft)
}

func (m *model) stale() uint64 {
	return uint64(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(m.r, "stale"))
}

func (m *model) standing(userID string) rollcall.Standing {
	st, _, err := m.memory.Sessions(background, rollcall.SessionsOf{UserID: userID})
	if err != nil {
		m.r.Fatal(err)
	}
	return st
}

// fresh draws a session that is put for the first time, as far as its creator knows.
func (m *model) fresh(userID string, i int) rollcall.Session {
	s := newSession(userID, sessionID(i), m.instant())
	s.ExpiresAt = own(s.CreatedAt.Add(time.Duration(rapid.SampledFrom([]int{1, 168}).Draw(m.r, "hours"))*time.Hour), i)
	s.Last.At, s.Last.IdleExpiresAt = m.instant(), own(s.CreatedAt.Add(72*time.Hour), i)
	return s
}

// existing returns a session that memory has, or false.
func (m *model) existing() (s rollcall.Session, u rollcall.User, i int, ok bool) {
	i = m.index()
	s, st, err := m.memory.Session(background, rollcall.At{ID: sessionID(i)})
	return s, st.User, i, err == nil
}

func (m *model) touch() {
	var touches []rollcall.Touch
	for range rapid.IntRange(1, 4).Draw(m.r, "touches") {
		i := m.index()
		touches = append(touches, rollcall.Touch{UserID: m.userID(), SessionID: sessionID(i), Interaction: rollcall.Interaction{
			At: m.instant(), IdleExpiresAt: own(m.instant(), i), Origin: rollcall.Origin{IP: rapid.SampledFrom([]string{"", "192.0.2.1"}).Draw(m.r, "ip")},
		}})
	}
	m.same("Touch", m.memory.Touch(background, touches), m.engine.Touch(background, touches))
}

// look compares what can be read: after each act a part, everything now and then.
func (m *model) look() {
	users, first, last := modelUsers, 0, modelSessions
	if rapid.IntRange(0, 3).Draw(m.r, "everything") > 0 {
		users, first = []string{m.userID()}, m.index()
		last = min(first+2, last)
	} else {
		m.same("Walk", m.walk(m.memory), m.walk(m.engine))
	}
	for _, userID := range users {
		q := rollcall.SessionsOf{UserID: userID, Ended: rapid.Bool().Draw(m.r, "ended"), Limit: rapid.IntRange(0, 9).Draw(m.r, "limit")}
		if rapid.Bool().Draw(m.r, "from the middle") {
			q.After = rollcall.Position{CreatedAt: m.instant(), ID: m.id()}
		}
		wantStanding, want, err := m.memory.Sessions(background, q)
		gotStanding, got, engineErr := m.engine.Sessions(background, q)
		m.same("Sessions' error", err, engineErr)
		m.same("Sessions' standing", wantStanding, gotStanding)
		m.same("Sessions", want, got)
	}
	for i := first; i < last; i++ {
		at := rollcall.At{ID: sessionID(i)}
		if rapid.Bool().Draw(m.r, "believing") {
			at.UserID, at.CreatedAt = m.userID(), m.instant()
		}
		want, wantStanding, err := m.memory.Session(background, at)
		got, gotStanding, engineErr := m.engine.Session(background, at)
		m.same("Session's error", err, engineErr)
		m.same("Session", want, got)
		m.same("Session's standing", wantStanding, gotStanding)
	}
	want, err := m.memory.Document(background, "d")
	got, engineErr := m.engine.Document(background, "d")
	m.same("Document's error", err, engineErr)
	m.same("Document", want, got)
	m.readOn()
}

// walk returns all that a walk sees, by user: in what order users come is the engine's
// affair.
func (m *model) walk(s rollcall.Store) map[string][]rollcall.Walked {
	seen := map[string][]rollcall.Walked{}
	next, err := s.Walk(background, "", func(w rollcall.Walked) bool {
		session := w.Session.Clone()
		session.UsedKeys = append([]rollcall.KeyMark(nil), w.Session.UsedKeys...)
		seen[session.UserID] = append(seen[session.UserID], rollcall.Walked{Standing: w.Standing, Session: &session})
		return true
	})
	if err != nil || next != "" {
		m.r.Fatalf("Walk: %q, %v", next, err)
	}
	return seen
}

// readOn reads both logs from where they were read to, or from somewhere before, as
// followers do, some of which fall behind.
func (m *model) readOn() {
	from := m.positions[len(m.positions)-1]
	behind := rapid.IntRange(0, 3).Draw(m.r, "behind") == 0
	if behind {
		from = rapid.SampledFrom(m.positions).Draw(m.r, "position")
	}
	q := rollcall.EventsAfter{Limit: rapid.SampledFrom([]int{0, 1, 100}).Draw(m.r, "events")}
	if rapid.IntRange(0, 3).Draw(m.r, "filter") == 0 {
		q.Types = []rollcall.EventType{rollcall.SessionCreated, rollcall.UserSessionsEnded}[rapid.IntRange(0, 2).Draw(m.r, "types"):]
		if rapid.Bool().Draw(m.r, "one user") {
			q.UserID = m.userID()
		}
	}
	q.After = from.memory
	want, err := m.memory.Events(background, q)
	if err != nil {
		m.r.Fatal(err)
	}
	q.After = from.engine
	got := m.read(q, len(want.Events))
	m.same("Missed", want.Missed, got.Missed)
	if len(want.Events) != len(got.Events) {
		m.r.Fatalf("%d events, memory has %d", len(got.Events), len(want.Events))
	}
	for i := range want.Events {
		m.same("an event", want.Events[i].Event, got.Events[i].Event)
		m.same("its number", want.Events[i].Number, got.Events[i].Number)
		if !behind {
			m.positions = append(m.positions, positions{want.Events[i].Position, got.Events[i].Position})
		}
	}
}

// read reads pages of the engine's log until so many events were found, or the head is
// reached. Missed is that of the first page.
func (m *model) read(q rollcall.EventsAfter, n int) (all rollcall.EventPage) {
	limit := q.Limit
	for i, began := 0, time.Now(); ; i++ {
		page, err := m.engine.Events(background, q)
		if err != nil {
			m.r.Fatalf("Events: %v", err)
		}
		if i == 0 {
			all.Missed = page.Missed
		}
		all.Events = append(all.Events, page.Events...)
		if len(all.Events) >= n && (n == limit || page.Next >= page.Head) {
			return all
		}
		if page.Next >= page.Head || time.Since(began) > patience {
			return all
		}
		if q.Limit = limit - len(all.Events); page.Next == q.After {
			time.Sleep(time.Millisecond)
		}
		q.After = page.Next
	}
}
