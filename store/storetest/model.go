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

// testModel draws sequences of operations, right ones and wrong ones, and holds
// every answer of the engine against that of the engine in memory.
func testModel(t *testing.T, h Harness) {
	rapid.Check(t, func(r *rapid.T) {
		m := &model{t: t, r: r, h: h, engine: h.Open(t), memory: memory.New()}
		defer func() {
			if err := m.engine.Close(); err != nil {
				r.Errorf("Close: %v", err)
			}
		}()
		actions := map[string]func(*rapid.T){
			"":       func(r *rapid.T) { m.r = r; m.look() },
			"create": m.act(m.create),
			"change": m.act(m.change),
			"put":    m.act(m.put),
			"end":    m.act(m.end),
			"unread": m.act(m.endUnread),
			"touch":  m.act(m.touch),
			"sweep":  m.act(m.sweep),
			"write":  m.act(m.write),
		}
		if !h.Volatile {
			actions["reopen"] = m.act(func() { m.engine = h.Reopen(t, m.engine) })
		}
		r.Repeat(actions)
	})
}

// modelSessions is how many ids there are: few, so that acts meet.
const modelSessions = 8

type model struct {
	t              *testing.T
	r              *rapid.T
	h              Harness
	engine, memory rollcall.Store
	last           [2]string // positions that the two logs were read to
}

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

func (m *model) userID() string {
	return rapid.SampledFrom([]string{"u", "uu", "u\x00", "v"}).Draw(m.r, "user")
}

func (m *model) id() string { return sessionID(m.index()) }

func (m *model) index() int { return rapid.IntRange(0, modelSessions-1).Draw(m.r, "session") }

func (m *model) instant() time.Time {
	return t0.Add(time.Duration(rapid.IntRange(-3, 3).Draw(m.r, "hour")) * time.Hour)
}

// own is an instant that no other session is filed under. Which of two sessions
// of one filing a bite meets first is the engine's affair.
func own(at time.Time, i int) time.Time { return at.Add(time.Duration(i) * time.Millisecond) }

// commit makes the same change in both and compares what they say. The texts of
// refusals are the engine's own; whether it is a conflict is not.
func (m *model) commit(c rollcall.Change) {
	want, got := m.memory.Commit(background, c), m.engine.Commit(background, c)
	if (want == nil) != (got == nil) || errors.Is(want, rollcall.ErrConflict) != errors.Is(got, rollcall.ErrConflict) {
		m.r.Fatalf("Commit of %+v: %v, and memory says %v", c, got, want)
	}
}

func (m *model) stale() uint64 {
	return uint64(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(m.r, "stale"))
}

func (m *model) user(id string) rollcall.User {
	u, _, err := m.memory.Sessions(background, id, rollcall.Position{}, 0)
	if err != nil {
		m.r.Fatal(err)
	}
	return u
}

// fresh draws a session that is put for the first time, as far as its creator
// knows.
func (m *model) fresh(userID string, i int) rollcall.Session {
	s := newSession(userID, sessionID(i), m.instant())
	s.ExpiresAt = own(s.CreatedAt.Add(time.Duration(rapid.SampledFrom([]int{1, 168}).Draw(m.r, "hours"))*time.Hour), i)
	s.Last.At, s.Last.IdleExpiresAt = m.instant(), own(s.CreatedAt.Add(72*time.Hour), i)
	return s
}

func (m *model) create() {
	userID := m.userID()
	s, u := m.fresh(userID, m.index()), m.user(userID)
	u.Version += m.stale()
	m.commit(creation(u, s, newEvent(userID, rapid.IntRange(0, 1000).Draw(m.r, "event"))))
}

// change puts several sessions of one user at once: new ones, those that are
// there, and some that are another's.
func (m *model) change() {
	userID := m.userID()
	c := rollcall.Change{UserID: userID, Events: []rollcall.Event{newEvent(userID, 1), newEvent(userID, 2)}}
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, modelSessions-1), 0, 3, rapid.ID).Draw(m.r, "sessions") {
		stored, _, err := m.memory.Session(background, sessionID(i))
		if err != nil || stored.UserID != userID {
			c.Sessions = append(c.Sessions, rollcall.PutSession{Session: m.fresh(userID, i), Replaces: m.stale()})
			continue
		}
		stored.Last.At = m.instant()
		if rapid.Bool().Draw(m.r, "end") {
			stored = stored.Ended(own(m.instant(), i), rollcall.ReasonOthers)
		}
		c.Sessions = append(c.Sessions, rollcall.PutSession{Session: stored, Replaces: stored.Version + m.stale()})
	}
	if rapid.Bool().Draw(m.r, "put user") {
		u := m.user(userID)
		u.GenerationAt = m.instant()
		c.User = &rollcall.PutUser{User: u, Replaces: u.Version + m.stale()}
	}
	if rapid.IntRange(0, 9).Draw(m.r, "mixed") == 0 {
		c.Documents = []rollcall.PutDocument{{Name: "mixed"}}
		c.Sessions, c.User = nil, nil // what is wrong in two ways may be told either
	}
	m.commit(c)
}

// existing returns a session that memory has, or false.
func (m *model) existing() (s rollcall.Session, u rollcall.User, i int, ok bool) {
	i = m.index()
	s, u, err := m.memory.Session(background, sessionID(i))
	return s, u, i, err == nil
}

func (m *model) put() {
	s, u, i, ok := m.existing()
	if !ok {
		return
	}
	s.Metadata = []rollcall.MetadataEntry{{Key: "k", Value: rapid.StringN(0, 5, -1).Draw(m.r, "value")}}
	s.ExpiresAt = own(m.instant(), i)
	s.Last.At = m.instant()
	if rapid.IntRange(0, 4).Draw(m.r, "back") == 0 {
		s.EndedAt, s.EndReason = time.Time{}, ""
	}
	s.Version += m.stale()
	u.Generation++
	m.commit(rollcall.Change{
		UserID: s.UserID, User: &rollcall.PutUser{User: u, Replaces: u.Version},
		Sessions: []rollcall.PutSession{{Session: s, Replaces: s.Version}},
	})
}

func (m *model) end() {
	s, _, i, ok := m.existing()
	if !ok {
		return
	}
	m.commit(rollcall.Change{
		UserID: s.UserID, Sessions: []rollcall.PutSession{{Session: s.Ended(own(m.instant(), i), rollcall.ReasonRevoked), Replaces: s.Version}},
		Events: []rollcall.Event{newEvent(s.UserID, 1)},
	})
}

// endUnread ends a live session as who knows it from memory does.
func (m *model) endUnread() {
	s, u, i, ok := m.existing()
	if !ok || !s.EndedAt.IsZero() {
		return
	}
	s.Version, s.RequestDigest, s.UsedKeys = 0, [32]byte{}, nil
	if rapid.Bool().Draw(m.r, "used meanwhile") {
		s.Last = rollcall.Interaction{At: s.Last.At.Add(time.Minute), IdleExpiresAt: own(m.instant(), i), Origin: rollcall.Origin{IP: "192.0.2.7"}}
	}
	m.commit(rollcall.Change{
		UserID: s.UserID, User: &rollcall.PutUser{User: u, Replaces: u.Version + m.stale()},
		Sessions: []rollcall.PutSession{{Session: s.Ended(own(m.instant(), i), rollcall.ReasonRevoked), Ending: true}},
		Events:   []rollcall.Event{newEvent(s.UserID, 1)},
	})
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

func (m *model) write() {
	replaces := uint64(rapid.IntRange(0, 3).Draw(m.r, "version"))
	m.commit(rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d", Body: []byte{byte(replaces)}, Replaces: replaces}}})
}

// sweep makes one bite, or bites until there is no more.
func (m *model) sweep() {
	before, keep := m.instant(), rapid.Bool().Draw(m.r, "keep")
	bite := rollcall.Sweep{
		SessionsBefore: before, EventsBefore: m.instant(), Limit: rapid.SampledFrom([]int{1, 2, 50}).Draw(m.r, "limit"),
		Decide: func(s rollcall.Session, u rollcall.User) rollcall.Verdict {
			e := newEvent(s.UserID, 5)
			e.SessionID, e.Count = s.ID, int(u.Version)
			for i := range modelSessions {
				switch {
				case s.ID != sessionID(i):
				case keep && i%2 == 0:
					return rollcall.Verdict{FileAt: own(before.Add(time.Hour), i)}
				case i%3 == 0:
					return rollcall.Verdict{}
				}
			}
			return rollcall.Verdict{Event: &e}
		},
	}
	drain := rapid.Bool().Draw(m.r, "drain")
	for range 100 {
		want, err := m.memory.Sweep(background, bite)
		got, engineErr := m.engine.Sweep(background, bite)
		m.same("Sweep's error", err, engineErr)
		if want.More && !got.More {
			m.r.Fatalf("Sweep of %d found no more, and there is", bite.Limit)
		}
		more := got.More
		want.More, got.More = false, false // another bite may find more, and need not
		m.same("Sweep", want, got)
		if !drain || !more {
			return
		}
	}
	m.r.Fatalf("Sweep finds more for ever")
}

// look compares everything that can be read.
func (m *model) look() {
	for _, userID := range []string{"u", "uu", "u\x00", "v"} {
		after := rollcall.Position{}
		if rapid.Bool().Draw(m.r, "from the middle") {
			after = rollcall.Position{CreatedAt: m.instant(), ID: m.id()}
		}
		limit := rapid.IntRange(0, 9).Draw(m.r, "limit")
		wantUser, want, err := m.memory.Sessions(background, userID, after, limit)
		gotUser, got, engineErr := m.engine.Sessions(background, userID, after, limit)
		m.same("Sessions' error", err, engineErr)
		m.same("Sessions' user", wantUser, gotUser)
		m.same("Sessions", want, got)
	}
	for i := range modelSessions {
		want, wantUser, err := m.memory.Session(background, sessionID(i))
		got, gotUser, engineErr := m.engine.Session(background, sessionID(i))
		m.same("Session's error", err, engineErr)
		m.same("Session", want, got)
		m.same("Session's user", wantUser, gotUser)
	}
	want, err := m.memory.Document(background, "d")
	got, engineErr := m.engine.Document(background, "d")
	m.same("Document's error", err, engineErr)
	m.same("Document", want, got)
	m.readOn()
}

// readOn reads both logs from where they were read to, as a follower does, that
// sometimes falls behind.
func (m *model) readOn() {
	limit := rapid.SampledFrom([]int{0, 1, 100}).Draw(m.r, "events")
	want, err := m.memory.Events(background, m.last[0], limit)
	got, engineErr := m.engine.Events(background, m.last[1], limit)
	m.same("Events' error", err, engineErr)
	if len(want) != len(got) {
		m.r.Fatalf("%d events, memory has %d", len(got), len(want))
	}
	for i := range want {
		m.same("an event", want[i].Event, got[i].Event)
		m.last = [2]string{want[i].Position, got[i].Position}
	}
}
