package recall

import (
	"slices"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/prefetch"
)

// recordedUses are those that a shard's images hold and the store does not yet: a
// check writes its use into the image that it has found, and nowhere else. Time is cut
// into turns, from one collection of what is to be written to the next; sessions that
// were used in this turn are listed, and each says in which turn it was used last. The
// shard's lock guards it all.
type recordedUses struct {
	turn, written uint32  // the present turn, and the last one whose uses are in the store
	used          []place // of the sessions with uses of this turn
	writing       int     // sessions that are being written
}

// unwritten reports whether the session's last use may not be in the store yet. After
// 2^15 turns without use it reports some that are, which does no harm.
func (u *recordedUses) unwritten(part image) bool {
	return int16(bytesOrder.Uint16(part[atUse:])-uint16(u.written)) > 0
}

// use lets judge look at a remembered session. When it says that a use is to be
// recorded, that is recorded and shown in s. known is false when nothing good is
// remembered, or judge cannot tell.
func (l *Look) Use(s *rollcall.Session, judge func(*rollcall.User) (Verdict, rollcall.Interaction)) (known bool) {
	f, ok := l.find()
	if !ok {
		return false
	}
	defer f.shard.mu.Unlock()
	var u rollcall.User
	if !f.decode(s, &u) {
		return false
	}
	v, last := judge(&u)
	if v == Good && last.At.After(s.Last.At) {
		if last.Origin == s.Last.Origin {
			ok = f.part.putInstants(last)
		} else {
			ok = f.shard.dictionaries.putInteraction(f.part, last)
		}
		if !ok {
			return false
		}
		f.record()
		s.Last = last
		l.cache.clock.wordsOf(f.user).touched()
	}
	return v != Undecided
}

// A verdict is what a check comes to from memory alone.
type Verdict int

const (
	Undecided Verdict = iota
	Good
	Refused
)

// record notes that the session that was found has been used.
func (f *finding) record() {
	u := &f.shard.uses
	bytesOrder.PutUint32(f.image[atUsed:], u.turn)
	if turn := uint16(u.turn); bytesOrder.Uint16(f.part[atUse:]) != turn {
		bytesOrder.PutUint16(f.part[atUse:], turn)
		u.used = append(u.used, f.at)
	}
}

// forget makes an image one that has no uses to write.
func (u *recordedUses) forget(i image) {
	if bytesOrder.Uint32(i[atUsed:]) == 0 {
		return
	}
	bytesOrder.PutUint32(i[atUsed:], 0)
	for part := range i.parts {
		bytesOrder.PutUint16(part[atUse:], uint16(u.written))
	}
}

// leave forgets the places in a segment, whose uses have been spilled.
func (u *recordedUses) leave(segment uint64) {
	u.used = slices.DeleteFunc(u.used, func(p place) bool { return p.segment() == segment })
}

// recorded is the last use of a session of an image.
func (s *userShard) recorded(i, part image) rollcall.Touch {
	var texts gathered
	texts.grow(len(i.userID()) + len(part))
	return rollcall.Touch{
		UserID: texts.add(i.userID()), SessionID: texts.add(part.sessionID()),
		Interaction: s.dictionaries.interaction(part, &texts),
	}
}

// spill hands the uses over that the image at a place holds before it goes, so that
// they are not lost, and can be seen in the meantime.
func (s *userShard) spill(p place) {
	i := s.image(p)
	if bytesOrder.Uint32(i[atUsed:]) <= s.uses.written {
		return
	}
	for part := range s.sessions(p) {
		s.spillPart(i, part)
	}
}

// spillPart is spill for one session of an image.
func (s *userShard) spillPart(i, part image) {
	if bytesOrder.Uint32(i[atUsed:]) > s.uses.written && s.uses.unwritten(part) {
		s.cache.spilled(s.recorded(i, part))
	}
}

// collect adds this turn's uses to the batch, and begins the next turn. Those of an
// image that was forgotten since have been spilled.
func (s *userShard) collect(batch []rollcall.Touch) []rollcall.Touch {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &s.uses
	for i, p := range u.used {
		s.comeNear(u.used, i)
		part, entry := s.part(p)
		if whole, ok := s.whole(entry); ok && s.index[s.hash(whole)] == whole {
			batch = append(batch, s.recorded(s.image(whole), part))
		}
	}
	u.writing, u.used = len(u.used), u.used[:0]
	u.turn++
	return batch
}

// comeNear asks for a session that lies further on among the places than the i-th, and then
// for the head of its entry.
func (s *userShard) comeNear(places []place, i int) {
	const ahead = 8
	if n := i + 2*ahead; n < len(places) {
		prefetch.Bytes(s.byteAt(places[n]), mostPart)
	}
	if n := i + ahead; n < len(places) {
		_, entry := s.part(places[n])
		prefetch.Bytes(s.byteAt(entry), mostHead)
	}
}

// collect gathers the uses that images hold; wrote is to be called when they have been
// written, or are kept elsewhere. A nil cache has none.
func (c *Memory) Collect(batch []rollcall.Touch) []rollcall.Touch {
	if c == nil {
		return batch
	}
	for i := range c.users {
		batch = c.users[i].collect(batch)
	}
	return batch
}

func (c *Memory) Wrote() {
	if c == nil {
		return
	}
	for i := range c.users {
		c.users[i].wrote()
	}
}

func (s *userShard) wrote() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uses.written, s.uses.writing = s.uses.turn-1, 0
}

// overlay shows in a stored session what is recorded of its use.
func (c *Memory) Overlay(s *rollcall.Session) {
	c.eachImage(s.UserID, s.ID, func(shard *userShard, _ uint64, p place) {
		if bytesOrder.Uint32(shard.image(p)[atUsed:]) <= shard.uses.written {
			return
		}
		if part, ok := shard.find(p, s.ID); ok && shard.uses.unwritten(part) && readTime(part[atLast:]).After(s.Last.At) {
			var texts gathered
			s.Last = shard.dictionaries.interaction(part, &texts)
		}
	})
}

// recordedUses is how many sessions have a use that only images hold.
func (c *Memory) RecordedUses() (n int) {
	for i := range c.users {
		s := &c.users[i]
		s.mu.Lock()
		n += len(s.uses.used) + s.uses.writing
		s.mu.Unlock()
	}
	return n
}
