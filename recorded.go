package rollcall

import "strings"

// RecordedUses are those that a shard's images hold and the store does not yet: a
// check writes its use into the image that it has found, and nowhere else. Time is cut
// into turns, from one collection of what is to be written to the next; users that
// were used in this turn are listed, and each session says in which turn it was used
// last. The shard's lock guards it all.
type recordedUses struct {
	turn, written uint32   // the present turn, and the last one whose uses are in the store
	users         []uint64 // hashes of those with uses of this turn
	sessions      int      // that have some
	writing       int      // sessions that are being written
	closed        bool     // nothing is recorded any more: the state has gone

	dictionaries *dictionaries
	touches      *pendingTouches // takes the uses that are recorded in what is dropped
}

// unwritten reports whether the session's last use may not be in the store yet. After
// 2^15 turns without use it reports some that are, which does no harm.
func (u *recordedUses) unwritten(part image) bool {
	return int16(bytesOrder.Uint16(part[atUse:])-uint16(u.written)) > 0
}

// use lets judge look at a remembered session. When it says that a use is to be
// recorded, that is recorded and shown in s. known is false when nothing good is
// remembered, or judge cannot tell.
func (c *cache) use(id string, s *Session, judge func(*User) (verdict, Interaction)) (known bool) {
	f, ok := c.find(id)
	if !ok {
		return false
	}
	defer f.shard.mu.Unlock()
	if f.shard.uses.closed {
		return false
	}
	var u User
	f.decode(s, &u)
	v, last := judge(&u)
	if v == good && last.At.After(s.Last.At) {
		if !f.state.putInteraction(f.part, last) {
			return false
		}
		f.record()
		s.Last = last
		c.clock.touched(f.hash).Add(1)
	}
	return v != undecided
}

// A verdict is what a check comes to from memory alone.
type verdict int

const (
	undecided verdict = iota
	good
	refused
)

// record notes that the session that was found has been used.
func (f *finding) record() {
	u := &f.shard.uses
	if bytesOrder.Uint32(f.image[atUsed:]) != u.turn {
		bytesOrder.PutUint32(f.image[atUsed:], u.turn)
		u.users = append(u.users, f.hash)
	}
	if turn := uint16(u.turn); bytesOrder.Uint16(f.part[atUse:]) != turn {
		bytesOrder.PutUint16(f.part[atUse:], turn)
		u.sessions++
	}
}

// recorded are the uses of an image that may not be in the store.
func (s *userShard) recorded(i image, only func(part image) bool, yield func(Touch)) {
	var texts strings.Builder
	userID := ""
	for part := range i.sessions {
		if !only(part) {
			continue
		}
		if userID == "" {
			texts.Grow(len(i.userID()) + len(part))
			userID = gather(&texts, i.userID())
		}
		yield(Touch{
			UserID: userID, SessionID: gather(&texts, part.sessionID()), Interaction: s.uses.dictionaries.interaction(part, &texts),
		})
	}
}

// spill hands the uses over that an image holds before it goes, so that they are not
// lost, and can be seen in the meantime.
func (s *userShard) spill(hash uint64) {
	p, ok := s.index[hash]
	if !ok {
		return
	}
	if i := s.at(p); bytesOrder.Uint32(i[atUsed:]) > s.uses.written {
		s.recorded(i, s.uses.unwritten, s.uses.touches.add)
	}
}

// close spills everything.
func (s *userShard) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uses.closed = true
	for hash := range s.index {
		s.spill(hash)
	}
}

// collect adds this turn's uses to the batch, and begins the next turn.
func (s *userShard) collect(batch []Touch) []Touch {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &s.uses
	turn := uint16(u.turn)
	for _, hash := range u.users {
		if p, ok := s.index[hash]; ok {
			used := func(part image) bool { return bytesOrder.Uint16(part[atUse:]) == turn }
			s.recorded(s.at(p), used, func(t Touch) { batch = append(batch, t) })
		}
	}
	u.users = u.users[:0]
	u.writing, u.sessions = u.sessions, 0
	u.turn++
	return batch
}

// collect gathers the uses that images hold. wrote is to be called on the state that it
// returns. A nil cache has none.
func (c *cache) collect(batch []Touch) ([]Touch, *cacheState) {
	if c == nil {
		return batch, nil
	}
	s := c.state.Load()
	for i := range s.users {
		batch = s.users[i].collect(batch)
	}
	return batch, s
}

func (s *cacheState) wrote() {
	if s == nil {
		return
	}
	for i := range s.users {
		s.users[i].wrote()
	}
}

// wrote ends what collect began: the uses are in the store, or kept elsewhere.
func (s *userShard) wrote() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uses.written, s.uses.writing = s.uses.turn-1, 0
}

// overlay shows in a stored session what is recorded of its use.
func (c *cache) overlay(s *Session) {
	hash := c.clock.user(s.UserID)
	shard := c.state.Load().user(hash)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	p, ok := shard.index[hash]
	if !ok || shard.uses.closed {
		return
	}
	i := shard.at(p)
	if bytesOrder.Uint32(i[atUsed:]) <= shard.uses.written {
		return
	}
	if part, ok := i.find(s.ID); ok && shard.uses.unwritten(part) && readTime(part[atLast:]).After(s.Last.At) {
		var texts strings.Builder
		s.Last = shard.uses.dictionaries.interaction(part, &texts)
	}
}

// recordedUses is how many sessions have a use that only images hold.
func (c *cache) recordedUses() (n int) {
	users := c.state.Load().users
	for i := range users {
		users[i].mu.Lock()
		n += users[i].uses.sessions + users[i].uses.writing
		users[i].mu.Unlock()
	}
	return n
}
