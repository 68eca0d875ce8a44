package recall

import (
	"slices"

	"github.com/rollcall-id/rollcall"
)

// An Act is a commit that is about to be made, for a user or for everybody. Until the act
// has ended, nothing that the act may change is answered from memory.
type Act struct {
	memory *Memory
	userID string
	user   uint64 // the hash of userID
	epoch  uint64 // that the act has begun
	// everybody is everybody's epoch when an act on a user began.
	everybody uint64
}

// Committing begins an act on a user, or on everybody for "". The act must end. A nil
// Memory gives an act that does nothing.
func (m *Memory) Committing(userID string) Act {
	if m == nil {
		return Act{}
	}
	if userID == "" {
		return Act{memory: m, epoch: m.epochs.everybody.Add(actCounted + actUnderWay)}
	}
	a := m.begin(userID)
	s := m.shard(a.user)
	s.mu.Lock()
	defer s.mu.Unlock()
	if entry, ok := s.blocks[a.user]; ok {
		s.block(entry).suspend()
	}
	return a
}

// Removing begins an act on a user of which Committed is not told: a sweep's. Nothing is
// remembered of the user afterwards.
func (m *Memory) Removing(userID string) Act {
	if m == nil {
		return Act{}
	}
	a := m.begin(userID)
	s := m.shard(a.user)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(a.user)
	return a
}

// begin moves the user's epoch before anything else is done: what is being read of the
// user must not be kept.
func (m *Memory) begin(userID string) Act {
	user := m.epochs.hash(userID)
	return Act{memory: m, userID: userID, user: user, everybody: m.epochs.everybody.Load(), epoch: m.epochs.begin(user)}
}

// Ended ends the act, whatever came of the commit. Ended is called once.
func (a *Act) Ended() {
	switch {
	case a.memory == nil:
	case a.userID == "":
		a.memory.epochs.everybody.Add(actCounted - actUnderWay)
	default:
		a.memory.epochs.end(a.user)
	}
}

// Committed puts a change that is durable, and the standing that the commit left, into
// what is remembered, so that the next look is answered from memory. Committed is called
// before Ended, if at all.
//
// The user's block takes the change when it was good as the act began, or when the commit
// made the user's row: there were no sessions before. In all other cases it stays
// suspended, and nothing is remembered of the user until the next fill. So it does when the
// change revives a session.
func (a *Act) Committed(change *rollcall.Change, st *rollcall.Standing) {
	m := a.memory
	if m == nil {
		return
	}
	if a.userID == "" {
		if a.epoch == m.epochs.everybody.Load() && alone(a.epoch) {
			m.keepEverybody(st, afterEnd(a.epoch))
		}
		return
	}
	m.rememberEverybody(st, a.everybody)
	s := m.shard(a.user)
	s.mu.Lock()
	defer s.mu.Unlock()
	entry, known := s.blocks[a.user]
	if !known {
		if madeUser(change, st) && a.epoch == m.epochs.of(a.user).acts.Load() && alone(a.epoch) {
			if first, ok := s.dictionaries.of(a.user).newBlock(&rollcall.User{ID: a.userID}, 0); ok {
				s.remake(a.user, first, nil, change, st)
			}
		}
		return
	}
	old := s.block(entry)
	if old[0] != blockSuspended || string(old.userID()) != a.userID {
		return
	}
	if s.revives(entry, change) {
		return
	}
	if s.amend(a.user, entry, change, st) {
		old[0] = blockGood
		return
	}
	records := s.ordered(entry, nil)
	s.handOver(entry)
	s.remake(a.user, old, records, change, st)
}

// revives reports whether a change puts a session that had ended as one that has not. The
// row that the put replaces is not remembered, and may have had a later use than the put.
func (s *shard) revives(entry offset, change *rollcall.Change) bool {
	if s.block(entry).overflows() {
		return false
	}
	return slices.ContainsFunc(change.Sessions, func(p rollcall.PutSession) bool {
		if p.Replaces == 0 || !p.Session.EndedAt.IsZero() {
			return false
		}
		_, known := s.find(entry, p.Session.ID)
		return !known
	})
}

// madeUser reports whether the commit made the user's row. With AnyVersion that shows in
// the row: the three numbers of a new row are those that the put gave, and no event came
// before the change's own. The generation of a row that was there is smaller than the
// version after a put that moves the version alone.
func madeUser(change *rollcall.Change, st *rollcall.Standing) bool {
	p := change.User
	if p == nil || p.NextGeneration {
		return false
	}
	if p.Replaces != rollcall.AnyVersion {
		return p.Replaces == 0
	}
	first, u := p.User.Version, &st.User
	return u.Version == first && u.Generation == first && u.TokenGeneration == first && u.Events == uint64(len(change.Events))
}

// remake puts a new block of a user after a change. When no block can hold the user, the
// old one stays suspended.
func (s *shard) remake(user uint64, old block, records []record, change *rollcall.Change, st *rollcall.Standing) {
	if next, ok := s.changed(user, old, records, change, st); ok {
		s.put(user, user, next)
	}
}

// changed is the block of a user after a change, made from the old one and its records.
// It reports false when no block can hold the user.
func (s *shard) changed(user uint64, old block, records []record, change *rollcall.Change, st *rollcall.Standing) (block, bool) {
	moved := st.User.Generation != old.generation()
	var kept []record
	replaced := map[string]record{}
	for _, r := range records {
		id := string(r.sessionID())
		switch {
		case slices.ContainsFunc(change.Sessions, func(p rollcall.PutSession) bool { return p.Session.ID == id }):
			replaced[id] = r
			continue
		case slices.ContainsFunc(change.Ends, func(e rollcall.End) bool { return e.ID == id }):
			continue
		case moved:
			var ok bool
			if r, ok = s.outlived(user, r, old.generation(), st.User.Generation); !ok {
				return nil, false
			}
		}
		kept = append(kept, r)
	}
	for i := range change.Sessions {
		session := stored(&change.Sessions[i], st)
		if !session.EndedAt.IsZero() {
			continue
		}
		r, ok := s.appendStored(user, nil, &session, old, replaced[session.ID], st.User.Generation)
		if !ok {
			return nil, false
		}
		kept = append(kept, r)
	}
	count := len(kept)
	if old.overflows() || count > MaxSessions {
		count, kept = tooMany, nil
	}
	slices.SortStableFunc(kept, record.compare)
	u := st.User
	u.ID = change.UserID
	next, ok := s.dictionaries.of(user).newBlock(&u, count)
	if !ok {
		return nil, false
	}
	next.setUsed(old.used())
	for _, r := range kept {
		if next = next.appendRecord(0, r); r.is(isElsewhere) {
			next.setUsed(s.uses.round)
		}
	}
	return next, true
}

// outlived is the record of a session that had its user's generation by inheritance, for
// a block of a user whose generation has moved.
func (s *shard) outlived(user uint64, r record, before, now uint64) (record, bool) {
	var session rollcall.Session
	var texts arena
	if s.dictionaries.session(r, "", &session, &texts) {
		session.Generation.User = before
	}
	b, ok := s.dictionaries.of(user).appendSession(nil, &session, now)
	if !ok {
		return nil, false
	}
	next := record(b)
	next.setRound(r.round())
	copy(next[atDurable:atDurable+timeSize], r[atDurable:])
	return next, true
}

// stored is a session as the commit that left the standing has stored it.
func stored(p *rollcall.PutSession, st *rollcall.Standing) rollcall.Session {
	s := p.Session
	s.Version = p.Replaces + 1
	if p.Stamped {
		s.Generation = rollcall.Generation{User: st.User.Generation, Everybody: st.Everybody.Generation}
	}
	return s
}

// appendStored is appendSession for a session that was put. The old record of the session
// in the block, or nil, may show a use that the put does not have: that use stays, as in
// the store, and is durable if it was; else the put's idle end is the durable one.
func (s *shard) appendStored(user uint64, b []byte, session *rollcall.Session, whole block, old record, generation uint64) (record, bool) {
	put := session.Last.IdleExpiresAt
	shows := false
	if old != nil && old.lastAt().After(session.Last.At) {
		var texts arena
		session.Last = s.dictionaries.interaction(old, &texts)
		shows = !s.uses.isDurable(whole, old)
	}
	b, ok := s.dictionaries.of(user).appendSession(b, session, generation)
	if !ok {
		return nil, false
	}
	r := record(b)
	r.setRound(uint16(s.uses.durable))
	if shows {
		r.setRound(uint16(s.uses.round))
		r.set(isElsewhere)
		putTime(r[atDurable:], put)
	}
	return r, true
}
