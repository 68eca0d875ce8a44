package storetest

import (
	"time"

	"pgregory.net/rapid"

	"github.com/rollcall-id/rollcall"
)

func (m *model) create() {
	userID := m.userID()
	i := m.index()
	u := m.standing(userID).User
	u.Version += m.stale()
	c := creation(u, m.fresh(userID, i), newEvent(userID, rapid.IntRange(0, 1000).Draw(m.r, "event")))
	c.Sessions[0].FileAt = m.fileAt(i)
	m.commit(c)
}

// stamp creates a session whatever the user's row is. A fresh id is the caller's word that
// nobody has the id, so this one is not.
func (m *model) stamp() {
	userID := m.userID()
	c := stamped(m.fresh(userID, m.index()), newEvent(userID, 3))
	c.Sessions[0].Fresh = false
	m.commit(c)
}

// change puts several sessions of one user at once: new ones, those that are there, and
// some that are another's.
func (m *model) change() {
	userID := m.userID()
	c := rollcall.Change{UserID: userID, Events: []rollcall.Event{newEvent(userID, 1), newEvent(userID, 2)}}
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, modelSessions-1), 0, 3, rapid.ID).Draw(m.r, "sessions") {
		stored, _, err := m.memory.Session(background, rollcall.At{ID: sessionID(i)})
		if err != nil || stored.UserID != userID {
			c.Sessions = append(c.Sessions, rollcall.PutSession{Session: m.fresh(userID, i), Replaces: m.stale()})
			continue
		}
		stored.Last.At = m.instant()
		if rapid.Bool().Draw(m.r, "end") {
			stored = stored.Ended(newEnding(own(m.instant(), i)))
		}
		c.Sessions = append(c.Sessions, rollcall.PutSession{Session: stored, Replaces: stored.Version + m.stale(), FileAt: m.fileAt(i)})
	}
	if rapid.Bool().Draw(m.r, "put user") {
		u := m.standing(userID).User
		u.GenerationAt, u.TokenGenerationAt = m.instant(), m.instant()
		c.User = moved(u)
		if u.Version > 0 {
			c.User.Replaces += m.stale()
		}
	}
	m.commit(c)
}

// wrong is a change of a wrong shape.
func (m *model) wrong() {
	userID := m.userID()
	m.commit(rapid.SampledFrom([]rollcall.Change{
		{UserID: userID, Documents: []rollcall.PutDocument{{Name: "mixed"}}, Events: []rollcall.Event{newEvent(userID, 1)}},
		{UserID: userID, User: movedAny(userID), Events: []rollcall.Event{newEvent("another", 1)}},
		{UserID: userID, User: movedAny(userID), Sessions: []rollcall.PutSession{{Session: newSession("another", sessionID(1), t0)}}},
	}).Draw(m.r, "change"))
}

func (m *model) put() {
	s, u, i, ok := m.existing()
	if !ok {
		return
	}
	s.Metadata = []rollcall.MetadataEntry{{Key: "k", Value: rapid.StringOfN(rapid.RuneFrom([]rune("aü\x01😀")), 0, 5, -1).Draw(m.r, "value")}}
	s.ExpiresAt = own(m.instant(), i)
	s.Last.At = m.instant()
	if rapid.IntRange(0, 4).Draw(m.r, "back") == 0 {
		s.EndedAt, s.EndReason, s.EndedBy = time.Time{}, "", ""
	}
	s.Version += m.stale()
	u.Generation++
	m.commit(rollcall.Change{
		UserID: s.UserID, User: moved(u), Sessions: []rollcall.PutSession{{Session: s, Replaces: s.Version, FileAt: m.fileAt(i)}},
	})
}

func (m *model) end() {
	s, _, i, ok := m.existing()
	if ok {
		e := newEvent(s.UserID, 1)
		e.Type = rollcall.SessionEnded
		m.commit(replacement(s.Ended(newEnding(own(m.instant(), i))), e))
	}
}

// endUnread ends a live session as who knows the session from memory does.
func (m *model) endUnread() {
	s, u, i, ok := m.existing()
	if !ok || !s.EndedAt.IsZero() {
		return
	}
	e := unread(s, newEnding(m.instant()))
	e.FileAt = own(m.instant(), i)
	if rapid.Bool().Draw(m.r, "used meanwhile") {
		from := rapid.SampledFrom([]rollcall.Origin{{IP: "192.0.2.7"}, {}, s.Initial}).Draw(m.r, "from")
		e.Last = rollcall.Interaction{At: s.Last.At.Add(time.Minute), IdleExpiresAt: own(m.instant(), i), Origin: from}
	}
	u.Version += m.stale()
	m.commit(ending(u, e, newEvent(s.UserID, 1)))
}

func (m *model) nextGeneration() {
	u := m.standing(m.userID()).User
	u.Generation += m.stale()
	u.Version = uint64(rapid.IntRange(0, 9).Draw(m.r, "version")) // no guard
	u.GenerationAt, u.GenerationReason, u.GenerationBy = m.instant(), rollcall.ReasonDeleted, "someone"
	e := newEvent(u.ID, 4)
	e.Type = rollcall.UserSessionsEnded
	m.commit(nextGeneration(u, e))
}

// write puts a document, everybody's row, or both.
func (m *model) write() {
	everybody := m.standing("").Everybody
	var c rollcall.Change
	if rapid.Bool().Draw(m.r, "document") {
		replaces := uint64(rapid.IntRange(0, 3).Draw(m.r, "version"))
		c.Documents = []rollcall.PutDocument{{Name: "d", Body: []byte{byte(replaces)}, Replaces: replaces}}
	}
	if rapid.Bool().Draw(m.r, "everybody") {
		replaces := everybody.Version + m.stale()
		everybody.Generation++
		everybody.Clients = map[string]uint64{"web": everybody.Generation}
		c.Everybody = &rollcall.PutEverybody{Everybody: everybody, Replaces: replaces}
		c.Events = []rollcall.Event{newEvent("", int(everybody.Generation))}
	}
	m.commit(c)
}

// bite makes the same bite in both, or bites until there is no more.
func (m *model) bite(bite rollcall.Sweep) {
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
		if want.Looked == 0 {
			want.Next, got.Next = rollcall.Position{}, rollcall.Position{}
		}
		m.same("Sweep", want, got)
		if !drain || !more {
			return
		}
		bite.After = got.Next
		if bite.UserID == "" {
			bite.SessionsBefore = m.before(bite.SessionsBefore)
		}
	}
	m.r.Fatalf("Sweep finds more for ever")
}

// before is an instant close behind another, under which no bite has filed yet: what a bite
// files by itself is filed an hour after.
func (m *model) before(at time.Time) time.Time {
	m.bites++
	return at.Truncate(time.Second).Add(time.Duration(modelSessions+1+m.bites) * time.Millisecond)
}

// sweep looks at what is due. A bite of many tells nothing: of rows that it files by itself
// several may have one filing, and which comes first is the engine's affair.
func (m *model) sweep() {
	before, keep := m.before(m.instant()), rapid.Bool().Draw(m.r, "keep")
	limit := rapid.SampledFrom([]int{1, 1, 50}).Draw(m.r, "limit")
	m.bite(rollcall.Sweep{SessionsBefore: before, Limit: limit, Decide: func(w rollcall.Walked) rollcall.Verdict {
		v := m.verdict(w, before.Add(time.Hour), keep)
		if limit > 1 {
			v.Event = nil
		}
		return v
	}})
}

func (m *model) sweepUser() {
	q := rollcall.Sweep{UserID: m.userID(), SessionsBefore: m.before(m.instant()), Limit: rapid.SampledFrom([]int{1, 2, 50}).Draw(m.r, "limit")}
	if rapid.Bool().Draw(m.r, "from the middle") {
		q.After = rollcall.Position{CreatedAt: m.instant(), ID: m.id()}
	}
	keep, fileAt := rapid.Bool().Draw(m.r, "keep"), m.instant()
	q.Decide = func(w rollcall.Walked) rollcall.Verdict { return m.verdict(w, fileAt, keep) }
	m.bite(q)
}

func (m *model) sweepEvents() {
	upTo := rapid.SampledFrom(m.positions).Draw(m.r, "position")
	limit := rapid.SampledFrom([]int{1, 3, 50}).Draw(m.r, "limit")
	want, err := m.memory.Sweep(background, rollcall.Sweep{EventsUpTo: upTo.memory, Limit: limit})
	got, engineErr := m.engine.Sweep(background, rollcall.Sweep{EventsUpTo: upTo.engine, Limit: limit})
	m.same("Sweep's error", err, engineErr)
	if want.More && !got.More {
		m.r.Fatalf("Sweep of %d events found no more, and there is", limit)
	}
	m.same("events removed", bare(want), bare(got))
}

// verdict is drawn from the session alone, so that both are given the same.
func (m *model) verdict(w rollcall.Walked, fileAt time.Time, keep bool) (v rollcall.Verdict) {
	e := newEvent(w.Session.UserID, 5)
	e.SessionID, e.Count = w.Session.ID, int(w.Standing.User.Version-firstVersion)
	for i := range modelSessions {
		if w.Session.ID != sessionID(i) {
			continue
		}
		if keep && i%2 == 0 {
			v.FileAt = own(fileAt.Truncate(time.Hour).Add(time.Hour), i)
			if i%4 == 0 {
				when := newEnding(t0.Add(time.Duration(i) * time.Minute))
				v.Ending = &when
			}
		}
		if i%3 != 0 {
			v.Event = &e
		}
	}
	return v
}
