package recall

import (
	"slices"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/prefetch"
)

// uses are what a shard knows of uses that the store may not have yet: a check writes its
// use into the record that it has found, and nowhere else. The shard's lock guards them.
//
// Time is cut into rounds, from one Collect to the next. Each record has the round of its
// latest use, and lies in used if that is the present round. Of the latest use of a record
// in round r
//
//   - r > written: the record alone has the use, unless the record is marked isElsewhere
//   - r <= written: the caller has the use, or the store
//   - r > durable: the store may not have the use, wherever the use is;
//     the idle end that the store has is in the record's field durable
//   - r <= durable: the store has the use, and so the idle end
//
// written follows the rounds; durable stays behind while uses cannot be written.
type uses struct {
	round, written, durable uint32
	used                    []offset // of the records used in this round
	writing                 int      // records that the latest Collect took
}

// isUnwritten reports whether the record alone has its latest use. After 2^15 rounds
// without use it may report true for a use that is written: to write that again does no
// harm.
func (u *uses) isUnwritten(b block, r record) bool {
	return b.used() > u.written && !r.is(isElsewhere) && int16(r.round()-uint16(u.written)) > 0
}

// isDurable reports whether the store has the record's latest use. In two cases it may
// report false for a use that the store has: after 2^15 rounds without use, and when durable
// is so many rounds behind. Then the idle end before that use counts as the durable one.
func (u *uses) isDurable(b block, r record) bool {
	return b.used() <= u.durable || u.round-u.durable < 1<<15 && int16(r.round()-uint16(u.durable)) <= 0
}

// durableIdle is the idle end of the record's session that the store has.
func (u *uses) durableIdle(b block, r record) time.Time {
	if u.isDurable(b, r) {
		return readTime(r[atLast+timeSize:])
	}
	return readTime(r[atDurable:])
}

// settle marks the records of a block that is put: what they show is durable, or is with
// the caller and not yet durable.
func (u *uses) settle(b block) {
	used := uint32(0)
	for r := range b.all {
		if u.isDurable(b, r) {
			r.setRound(uint16(u.durable))
			continue
		}
		r.setRound(uint16(u.round))
		r.set(isElsewhere)
		used = u.round
	}
	b.setUsed(used)
}

// settleOne is settle for a session that is appended to a block.
func (u *uses) settleOne(b block, r record) {
	if !r.is(isElsewhere) {
		r.setRound(uint16(u.durable))
		return
	}
	r.setRound(uint16(u.round))
	b.setUsed(u.round)
}

// show writes a use that is later than the record's into the record: one that is durable,
// or that the caller has. It reports false for a use that the record has no room for.
func (s *shard) show(user uint64, b block, r record, last rollcall.Interaction, durable bool) bool {
	u := &s.uses
	if !durable && u.isDurable(b, r) {
		r.copyDurable()
	}
	if !s.dictionaries.of(user).putInteraction(r, last) {
		return false
	}
	if durable {
		r.setRound(uint16(u.durable))
		r.copyDurable()
		return true
	}
	r.setRound(uint16(u.round))
	r.set(isElsewhere)
	b.setUsed(u.round)
	return true
}

// leave forgets the records in a segment, whose uses have been handed over.
func (u *uses) leave(segment uint64) {
	u.used = slices.DeleteFunc(u.used, func(o offset) bool { return o.segment() == segment })
}

// touch is the latest use of a record of a block.
func (s *shard) touch(b block, r record) rollcall.Touch {
	var texts arena
	texts.grow(len(b.userID()) + len(r))
	return rollcall.Touch{
		UserID: texts.add(b.userID()), SessionID: texts.add(r.sessionID()),
		Interaction: s.dictionaries.interaction(r, &texts),
	}
}

// handOver gives the caller the uses that the records of a block alone have, before the
// block goes: they are not lost, and are seen in the meantime.
func (s *shard) handOver(entry offset) {
	b := s.block(entry)
	if b.used() <= s.uses.written {
		return
	}
	for r := range s.records(entry) {
		s.handOverOne(b, r)
	}
}

func (s *shard) handOverOne(b block, r record) {
	if s.uses.isUnwritten(b, r) {
		s.memory.handOver(s.touch(b, r))
	}
}

// collect adds this round's uses to the batch, and begins the next round. The uses of a
// block that went since have been handed over.
func (s *shard) collect(batch []rollcall.Touch) []rollcall.Touch {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &s.uses
	for i, o := range u.used {
		s.comeNear(u.used, i)
		r, entry := s.record(o)
		if whole, ok := s.whole(entry); ok && !r.is(isGone) && s.isCurrent(whole) {
			batch = append(batch, s.touch(s.block(whole), r))
		}
	}
	u.writing, u.used = len(u.used), u.used[:0]
	u.round++
	return batch
}

// comeNear asks the processor for a record further on among the used ones than the i-th,
// and then for the head of the record's entry.
func (s *shard) comeNear(used []offset, i int) {
	const ahead = 8
	if n := i + 2*ahead; n < len(used) {
		prefetch.Bytes(s.byteAt(used[n]), usualRecord)
	}
	if n := i + ahead; n < len(used) {
		_, entry := s.record(used[n])
		prefetch.Bytes(s.byteAt(entry), usualHead)
	}
}

// Show shows a use that a look did not record: one that the store has (durable), or one
// that the caller holds until it is written. A use that no record has room for drops the
// block.
func (m *Memory) Show(t *rollcall.Touch, durable bool) {
	if m == nil {
		return
	}
	user := m.epochs.hash(t.UserID)
	touches := m.epochs.of(user)
	touches.touched() // before: who finds no block must not keep one that was read without the use
	m.eachRecord(user, t.UserID, t.SessionID, func(s *shard, key uint64, b block, r record) {
		switch {
		case t.Interaction.At.After(r.lastAt()):
			if !s.show(user, b, r, t.Interaction, durable) {
				s.forget(key)
			}
		case durable && fits(t.Interaction.IdleExpiresAt) && t.Interaction.IdleExpiresAt.After(readTime(r[atDurable:])):
			putTime(r[atDurable:], t.Interaction.IdleExpiresAt)
		}
	})
	touches.touched() // after the use can be seen: a list read before that is outdated
}

// Unwritten shows in a stored session a use that only memory has. Uses go from memory to
// the caller and not back, so the caller looks through its own afterwards.
func (m *Memory) Unwritten(session *rollcall.Session) {
	if m == nil {
		return
	}
	m.eachRecord(m.epochs.hash(session.UserID), session.UserID, session.ID, func(s *shard, _ uint64, b block, r record) {
		if s.uses.isUnwritten(b, r) && r.lastAt().After(session.Last.At) {
			var texts arena
			session.Last = s.dictionaries.interaction(r, &texts)
		}
	})
}

// eachRecord calls visit, under the lock of the shard, with the records that a session of
// a user can have: in the user's block, and in a lone one.
func (m *Memory) eachRecord(user uint64, userID, sessionID string, visit func(s *shard, key uint64, b block, r record)) {
	s := m.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range [...]uint64{user, m.loneKey(m.epochs.hash(sessionID))} {
		entry, ok := s.blocks[key]
		if !ok || string(s.block(entry).userID()) != userID {
			continue
		}
		if r, ok := s.find(entry, sessionID); ok {
			visit(s, key, s.block(entry), r)
		}
	}
}

// Collect adds the uses that memory alone has to the batch. The caller writes them, or
// keeps them, and calls Written. A nil Memory has none.
func (m *Memory) Collect(batch []rollcall.Touch) []rollcall.Touch {
	if m == nil {
		return batch
	}
	for i := range m.shards {
		batch = m.shards[i].collect(batch)
	}
	return batch
}

// Written is called after Collect. durable says that the uses that Collect took are in the
// store, and with them all that the caller held when Collect was called; else the caller
// holds them and shows them from now on.
func (m *Memory) Written(durable bool) {
	if m == nil {
		return
	}
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		s.uses.written, s.uses.writing = s.uses.round-1, 0
		if durable {
			s.uses.durable = s.uses.written
		}
		s.mu.Unlock()
	}
}
