package recall

import "github.com/rollcall-id/rollcall"

// A Fill is a read of the store whose result is to be remembered. It begins before the
// read. What was read is not kept when an act on the user was under way at any instant
// since.
type Fill struct {
	memory    *Memory
	user      uint64 // the hash of the user, unless the Fill began with a look
	epoch     uint64 // the user's, as the Fill began
	everybody uint64 // everybody's epoch, as the Fill began

	// Of a Fill that began with a look.
	session uint64 // the hash of the session
	ends    uint64 // how many acts had ended; see epochs.unmoved
	stale   bool   // a record was found which could not be answered from
}

// Latest brings a session that was read from the store up to date with the uses that the
// caller holds. It reports false when it cannot. Latest is called under the lock that
// Show waits for; what records alone had has been handed over by then.
type Latest func(*rollcall.Session) bool

// Begin begins a read of a user's sessions, to be kept by Keep.
func (m *Memory) Begin(userID string) Fill {
	if m == nil {
		return Fill{}
	}
	user := m.epochs.hash(userID)
	return Fill{memory: m, user: user, epoch: m.epochs.of(user).acts.Load(), everybody: m.epochs.everybody.Load()}
}

// Begin begins a read of the session that was looked for and not found, to be kept by
// KeepOne. It counts a miss.
func (l *Look) Begin() Fill {
	m := l.memory
	if m == nil {
		return Fill{}
	}
	m.missed.Add(1)
	return Fill{memory: m, session: l.session, stale: l.stale, everybody: m.epochs.everybody.Load(), ends: m.epochs.ends.Load()}
}

// Again reports, of a Fill that began with a look, whether the sessions of the session's
// user are worth reading as a whole, since looks for the user miss again and again:
//
//   - another session of the user was missed, as far back as memory reaches, or
//   - an act has outdated what was remembered of the session,
//
// and the user is not known to have more sessions than a block holds.
func (f *Fill) Again(userID string) bool {
	m := f.memory
	if m == nil {
		return false
	}
	user := m.epochs.hash(userID)
	again := m.misses.again(user, f.session)
	if !again && !f.stale {
		return false
	}
	s := m.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	entry, ok := s.blocks[user]
	return !ok || !s.block(entry).overflows() || !s.block(entry).isGood()
}

// Keep remembers what a read of a user's sessions gave: the standing, and the first
// MaxSessions+1 sessions that have not ended. Of a user with more than MaxSessions the
// number alone is remembered: too many. kept reports whether the sessions are remembered.
func (f *Fill) Keep(st *rollcall.Standing, sessions []rollcall.Session, latest Latest) (kept bool) {
	m := f.memory
	if m == nil {
		return false
	}
	m.rememberEverybody(st, f.everybody)
	if !quiet(f.epoch) {
		return false
	}
	count := len(sessions)
	if count > MaxSessions {
		count, sessions = tooMany, nil
	}
	d := m.dictionaries.Load()
	if b, ok := d.of(f.user).newBlock(&st.User, count); ok {
		kept = m.fill(d, b, f.user, f.user, f.epoch, sessions, latest)
	}
	return kept && count <= MaxSessions
}

// KeepOne remembers the session that was looked for, as read with the standing, in a lone
// block. The session is as stored, without uses that are not written.
func (f *Fill) KeepOne(st *rollcall.Standing, session *rollcall.Session, latest Latest) {
	m := f.memory
	if m == nil {
		return
	}
	m.rememberEverybody(st, f.everybody)
	user := m.epochs.hash(st.User.ID)
	epoch, ok := m.epochs.unmoved(user, f.ends)
	if !ok || !session.EndedAt.IsZero() {
		return
	}
	d := m.dictionaries.Load()
	if b, ok := d.of(user).newLone(&st.User, epoch); ok {
		m.fill(d, b, m.loneKey(f.session), user, epoch, []rollcall.Session{*session}, latest)
	}
}

// fill puts the sessions of a user, read at an epoch, into a block without records, and
// the block in its place. A user with a session that no record can hold gets a block that
// says too many: the user's sessions are not worth reading for again.
func (m *Memory) fill(d *dictionaries, b block, key, user, epoch uint64, sessions []rollcall.Session, latest Latest) bool {
	head := b
	records := make([]int, len(sessions)) // where they begin
	for i := range sessions {
		records[i] = len(b)
		grown, ok := d.of(user).appendSession(b, &sessions[i], b.generation())
		if !ok {
			m.cannotHold(d, head, key, user, epoch)
			return false
		}
		b = grown
	}
	holds := true
	kept := m.keep(d, key, user, b, func(s *shard) bool {
		if m.epochs.of(user).acts.Load() != epoch {
			return false
		}
		for i := range sessions {
			stored := sessions[i].Last
			if !latest(&sessions[i]) {
				return false
			}
			r := record(b[records[i]:])
			r.setRound(uint16(s.uses.durable))
			if sessions[i].Last != stored && !s.show(user, b, r, sessions[i].Last, false) {
				holds = false
				return false
			}
		}
		return true
	})
	if !holds {
		m.cannotHold(d, head, key, user, epoch)
	}
	return kept
}

// cannotHold is called for a block one of whose sessions finds no room in a record. The
// memory begins again when that is for want of numbers.
func (m *Memory) cannotHold(d *dictionaries, head block, key, user, epoch uint64) {
	if d.full() {
		m.beginAgain(d)
		return
	}
	if head.isLone() {
		return
	}
	if none, ok := d.of(user).none(head); ok {
		m.keep(d, key, user, none, func(*shard) bool { return m.epochs.of(user).acts.Load() == epoch })
	}
}

// none is a block without records that says of a block's user: too many sessions.
func (d charged) none(b block) (block, bool) {
	u := d.dictionaries.user(b)
	u.ID = string(b.userID())
	return d.newBlock(&u, tooMany)
}

// keep puts a block in its place, unless good says that the block is not good any more.
// good is asked under the shard's lock, when the uses of all blocks that the new one takes
// the place of have been handed over.
func (m *Memory) keep(d *dictionaries, key, user uint64, b block, good func(*shard) bool) bool {
	s := m.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dictionaries != d {
		return false
	}
	if b.isLone() && s.findsAgain(user, b) {
		return true
	}
	for _, old := range [...]uint64{key, user} { // a block that is not good may have uses, too
		if entry, ok := s.blocks[old]; ok {
			s.handOver(entry)
		}
	}
	if !b.isLone() {
		s.forgetLone(b)
	}
	if !good(s) {
		return false
	}
	if s.put(key, user, b) {
		return true
	}
	if !b.isLone() { // too large: not worth reading for again
		if none, ok := d.of(user).none(b); ok {
			s.put(key, user, none)
		}
	}
	return false
}

// forgetLone drops the lone blocks of the sessions of a block.
func (s *shard) forgetLone(b block) {
	for r := range b.records {
		s.forget(s.memory.loneKey(s.memory.epochs.hashBytes(r.sessionID())))
	}
}

// findsAgain reports whether the session of a lone block has a record in the user's block,
// which is good. The index may have lost that: the record is found again from now on.
func (s *shard) findsAgain(user uint64, lone block) bool {
	entry, ok := s.blocks[user]
	if !ok || !s.block(entry).isGood() || string(s.block(entry).userID()) != string(lone.userID()) {
		return false
	}
	for one := range lone.records {
		o, ok := s.findOffset(entry, one.sessionID())
		if ok {
			r, part := s.record(o)
			s.list(part, r)
			return true
		}
	}
	return false
}

// findOffset is where the record of a session of a block is.
func (s *shard) findOffset(entry offset, sessionID []byte) (offset, bool) {
	for part := entry; part != noOffset; {
		b := s.block(part)
		for r := range b.records {
			if string(r.sessionID()) == string(sessionID) {
				return part + offset(entryHead+bytesOrder.Uint32(r[atBack:])), true
			}
		}
		part = b.next()
	}
	return noOffset, false
}
