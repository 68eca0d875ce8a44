package recall

import (
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/prefetch"
)

// A Look is for the session with an id, whose hash is computed once. Most of a look is
// waiting for the processor's memory: the index's entry, the record and the block's head
// lie in different places. So Look and Nearer ask for what comes next; who has something
// else to do does that in between.
type Look struct {
	memory  *Memory
	id      string
	session uint64  // the hash of id
	at      address // of the record, as Nearer found it; 0 when not looked for or not found
	// stale says that a record was found which could not be answered from.
	stale bool
}

// Look begins a look, and asks for the index's entry. A nil Memory gives a look that finds
// nothing.
func (m *Memory) Look(id string) Look {
	l := Look{memory: m, id: id}
	if m != nil {
		l.session = m.epochs.hash(id)
		prefetch.Line(&m.index.bucket(l.session, false)[0])
	}
	return l
}

// Nearer finds the index's entry and asks for the record.
func (l *Look) Nearer() {
	if l.memory == nil {
		return
	}
	if l.at = l.memory.index.get(l.session); l.at != 0 {
		prefetch.Bytes(l.memory.byteAt(l.at), usualRecord)
	}
}

// usualHead is what lies before the records of most blocks.
const usualHead = entryHead + blockHead + 32

// byteAt is where in memory an address is. What lies there is read under the lock of the
// address's shard only.
func (m *Memory) byteAt(a address) *byte {
	return &m.bytes[(int(a.offset().segment())*len(m.shards)+a.shard())*m.segment+a.offset().position()]
}

// Session puts the session, and the standing that decides about it, into s and st. known
// is false when memory cannot answer. The texts of s and st stay, the map of st must not
// be changed.
func (l *Look) Session(s *rollcall.Session, st *rollcall.Standing) (known bool) {
	f, ok := l.find()
	if !ok {
		return false
	}
	defer f.shard.mu.Unlock()
	if !f.decode(s, st) {
		l.stale = f.stale
		return false
	}
	f.shard.hits++
	return true
}

// Use lets decide look at the session, which is in s by then, with the standing and the
// idle end that the store has. decide runs under a lock and must not call the Memory; st
// holds during the call of decide.
//
//   - CheckRecord: the use that decide returned is recorded, and shown in s.
//   - CheckRefused, CheckInsufficient, CheckNoUse: nothing is recorded.
//   - CheckJoins, CheckWriteFirst: memory alone cannot do these. known is false.
//
// known is also false when memory cannot answer, or cannot hold the use; s is then of no
// use. Use does not allocate for st or decide.
func (l *Look) Use(s *rollcall.Session, decide func(st *rollcall.Standing, durable time.Time) (rollcall.CheckVerdict, rollcall.Interaction)) (known bool) {
	f, ok := l.find()
	if !ok {
		return false
	}
	defer f.shard.mu.Unlock()
	st := &f.shard.standing
	if !f.decode(s, st) {
		l.stale = f.stale
		return false
	}
	verdict, last := decide(st, f.shard.uses.durableIdle(f.block, f.record))
	switch verdict {
	case rollcall.CheckRefused, rollcall.CheckInsufficient, rollcall.CheckNoUse:
	case rollcall.CheckRecord:
		if !f.use(s, last) {
			return false
		}
	default:
		return false
	}
	f.shard.hits++
	return true
}

// found is where a session is remembered, good or not. The shard is locked.
type found struct {
	shard  *shard
	at     offset // of the record
	record record
	entry  offset // which the record is a part of

	// What isGood has found out.
	block block
	user  uint64 // the hash of the user
	stale bool   // the block is not good
}

// find finds the session's record, and asks for the head of the record's entry. Who finds
// one unlocks the shard.
func (l *Look) find() (f found, ok bool) {
	m := l.memory
	if m == nil {
		return f, false
	}
	if l.at == 0 {
		l.at = m.index.get(l.session)
	}
	const attempts = 2 // the record may have moved since the index was read
	for range attempts {
		if l.at == 0 {
			return f, false
		}
		f.shard, f.at = &m.shards[l.at.shard()], l.at.offset()
		f.shard.mu.Lock()
		now := m.index.get(l.session)
		if now == l.at {
			break
		}
		f.shard.mu.Unlock()
		l.at, f.shard = now, nil
	}
	if f.shard == nil {
		return f, false
	}
	f.record, f.entry = f.shard.record(f.at)
	if f.record.is(isGone) || string(f.record.sessionID()) != l.id {
		f.shard.mu.Unlock()
		return f, false
	}
	prefetch.Bytes(f.shard.byteAt(f.entry), usualHead)
	return f, true
}

// decode puts the session and the standing into s and st, both of one moment: no act on
// the user begins to commit under the lock. It reports whether they are good; else s and st
// are of no use.
func (f *found) decode(s *rollcall.Session, st *rollcall.Standing) bool {
	var texts arena
	texts.grow(len(f.record))
	inherits := f.shard.dictionaries.session(f.record, "", s, &texts) // while the head is on its way
	if f.stale = !f.isGood(); f.stale {
		return false
	}
	everybody, known := f.shard.memory.knownEverybody()
	if !known {
		return false
	}
	st.Everybody, st.User = *everybody, f.shard.dictionaries.user(f.block)
	st.User.ID = texts.add(f.block.userID())
	s.UserID = st.User.ID
	if inherits {
		s.Generation.User = st.User.Generation
	}
	return true
}

// isGood reports whether looks can be answered from the record's block.
func (f *found) isGood() bool {
	whole, ok := f.shard.whole(f.entry)
	if !ok {
		return false
	}
	f.block, f.user = f.shard.block(whole), f.shard.userOf(whole)
	if !f.shard.isGood(whole, f.block) {
		return false
	}
	prefetch.Line(f.shard.memory.epochs.of(f.user))
	f.shard.looked(whole)
	return true
}

// use records a use in the record, and shows it in s. It reports false for a use that the
// record has no room for. A use that is not later than the latest changes nothing.
func (f *found) use(s *rollcall.Session, last rollcall.Interaction) bool {
	if !last.At.After(s.Last.At) {
		return true
	}
	u := &f.shard.uses
	if u.isDurable(f.block, f.record) {
		f.record.copyDurable()
	}
	ok := false
	if last.Origin == s.Last.Origin {
		ok = f.record.putInstants(last)
	} else {
		ok = f.shard.dictionaries.of(f.user).putInteraction(f.record, last)
	}
	if !ok {
		return false
	}
	f.block.setUsed(u.round)
	if round := uint16(u.round); f.record.round() != round || f.record.is(isElsewhere) {
		f.record.setRound(round)
		f.record.clear(isElsewhere)
		u.used = append(u.used, f.at)
	}
	s.Last = last
	f.shard.memory.epochs.of(f.user).touched()
	return true
}
