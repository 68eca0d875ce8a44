package storetest

import (
	"fmt"
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
			"put":    m.act(m.put),
			"end":    m.act(m.end),
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

func (m *model) id() string { return sessionID(rapid.IntRange(0, 7).Draw(m.r, "session")) }

func (m *model) instant() time.Time {
	return t0.Add(time.Duration(rapid.IntRange(-3, 3).Draw(m.r, "hour")) * time.Hour)
}

// commit makes the same change in both and compares what they say.
func (m *model) commit(c rollcall.Change) {
	want, got := m.memory.Commit(background, c), m.engine.Commit(background, c)
	if want != nil && got != nil {
		return // both refuse; the texts of refusals are their own
	}
	m.same(fmt.Sprintf("Commit of %+v", c), want, got)
}

func (m *model) create() {
	userID := m.userID()
	s := newSession(userID, m.id(), m.instant())
	s.Last.At = m.instant()
	u, _, err := m.memory.Sessions(background, userID, rollcall.Position{}, 0)
	if err != nil {
		m.r.Fatal(err)
	}
	u.Version += uint64(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(m.r, "stale"))
	m.commit(creation(u, s, newEvent(userID, rapid.IntRange(0, 1000).Draw(m.r, "event"))))
}

// existing returns a session that memory has, or false.
func (m *model) existing() (rollcall.Session, rollcall.User, bool) {
	s, u, err := m.memory.Session(background, m.id())
	return s, u, err == nil
}

func (m *model) put() {
	s, u, ok := m.existing()
	if !ok {
		return
	}
	s.Metadata = []rollcall.MetadataEntry{{Key: "k", Value: rapid.StringN(0, 5, -1).Draw(m.r, "value")}}
	s.ExpiresAt = m.instant()
	s.Last.At = m.instant()
	s.Version += uint64(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(m.r, "stale"))
	u.Generation++
	m.commit(rollcall.Change{
		UserID: s.UserID, User: &rollcall.PutUser{User: u, Replaces: u.Version},
		Sessions: []rollcall.PutSession{{Session: s, Replaces: s.Version}},
	})
}

func (m *model) end() {
	s, _, ok := m.existing()
	if !ok {
		return
	}
	m.commit(rollcall.Change{
		UserID: s.UserID, Sessions: []rollcall.PutSession{{Session: s.Ended(m.instant(), rollcall.ReasonRevoked), Replaces: s.Version}},
		Events: []rollcall.Event{newEvent(s.UserID, 1)},
	})
}

func (m *model) touch() {
	var touches []rollcall.Touch
	for range rapid.IntRange(1, 4).Draw(m.r, "touches") {
		touches = append(touches, rollcall.Touch{UserID: m.userID(), SessionID: m.id(), Interaction: rollcall.Interaction{
			At: m.instant(), IdleExpiresAt: m.instant(), Origin: rollcall.Origin{IP: rapid.SampledFrom([]string{"", "192.0.2.1"}).Draw(m.r, "ip")},
		}})
	}
	m.same("Touch", m.memory.Touch(background, touches), m.engine.Touch(background, touches))
}

func (m *model) write() {
	replaces := uint64(rapid.IntRange(0, 3).Draw(m.r, "version"))
	m.commit(rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d", Body: []byte{byte(replaces)}, Replaces: replaces}}})
}

func (m *model) sweep() {
	before, keep := m.instant(), rapid.Bool().Draw(m.r, "keep")
	bite := rollcall.Sweep{SessionsBefore: before, EventsBefore: m.instant(), Limit: 50, Decide: func(s rollcall.Session, _ rollcall.User) rollcall.Verdict {
		if keep && s.ID < sessionID(4) {
			return rollcall.Verdict{FileAt: before.Add(time.Hour)}
		}
		e := newEvent(s.UserID, 5)
		e.SessionID = s.ID
		return rollcall.Verdict{Event: &e}
	}}
	want, err := m.memory.Sweep(background, bite)
	got, engineErr := m.engine.Sweep(background, bite)
	m.same("Sweep's error", err, engineErr)
	m.same("Sweep", want, got)
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
	for i := range 8 {
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

// readOn reads both logs from where they were read to, as a follower does.
func (m *model) readOn() {
	want, err := m.memory.Events(background, m.last[0], 100)
	got, engineErr := m.engine.Events(background, m.last[1], 100)
	m.same("Events' error", err, engineErr)
	if len(want) != len(got) {
		m.r.Fatalf("%d events, memory has %d", len(got), len(want))
	}
	for i := range want {
		m.same("an event", want[i].Event, got[i].Event)
		m.last = [2]string{want[i].Position, got[i].Position}
	}
}
