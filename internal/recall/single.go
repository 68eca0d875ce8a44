package recall

import "github.com/rollcall-id/rollcall"

// A single is an image of one session of a user who has more of them than an image holds.
// It is found by the session, not by the user, so no act suspends it: it is good while
// the user's word is the one that it was read with, which it has where others have what
// was added last.

func newSingle(u *rollcall.User, word uint64) image {
	i := newImage(*u, ofMany)
	bytesOrder.PutUint64(i[atNext:], word)
	return i
}

func (i image) isSingle() bool { return i.count() == ofMany }

// single returns by what the image of one session is found. It is nobody's hash, whatever
// users are called.
func (c *actClock) single(sessionID []byte) uint64 {
	return c.hashBytes(sessionID) ^ 0x9e3779b97f4a7c15
}

// isGood reports whether an image can be answered from, and the hash of its user. The
// user's shard is locked unless it is a single.
func (c *Memory) isGood(s *userShard, p place, i image) (user uint64, good bool) {
	if !i.isSingle() {
		return s.hash(p), i.isGood()
	}
	user = c.clock.hashBytes(i.userID())
	return user, i.isGood() && c.clock.of(user).Load() == bytesOrder.Uint64(i[atNext:])
}

// fillSingle remembers a session of a user who has too many, as it was read since the act
// clock had made so many moves. latest is what fill asks for.
func (c *Memory) FillSingle(u *rollcall.User, s *rollcall.Session, moves uint64, latest func(*rollcall.Session) bool) {
	user := c.clock.hash(u.ID)
	word := c.clock.of(user).Load()
	if quiet(word) && c.clock.moves.Load() == moves {
		c.fillImage(c.clock.single([]byte(s.ID)), newSingle(u, word), user, []rollcall.Session{*s}, word, latest)
	}
}

// eachImage calls visit for the images that a session can be in, under the lock of each.
func (c *Memory) eachImage(userID, sessionID string, visit func(s *userShard, hash uint64, p place)) {
	for _, hash := range [...]uint64{c.clock.hash(userID), c.clock.single([]byte(sessionID))} {
		shard := c.user(hash)
		shard.mu.Lock()
		if p, ok := shard.index[hash]; ok {
			visit(shard, hash, p)
		}
		shard.mu.Unlock()
	}
}
