package recall

import "sync/atomic"

// misses remember which users had a session looked for and not found, so that a user's
// sessions are read as a whole only when a second one of them is missed. Among many more
// sessions than the memory holds most misses are the only one of their user in a long
// time: to read all of the user's sessions then costs much, and drives out what is used.
//
// A slot holds 16 bits of the user's hash and 16 bits of the session's. A user who comes
// later takes the slot over. There are far fewer slots than users that the memory holds, so
// a second miss counts only when it comes soon after the first: users with many sessions
// are otherwise read as a whole, however seldom each of the sessions is asked for.
type misses struct {
	slots []atomic.Uint32
}

// missBytes is how many bytes of blocks there are for one slot.
const missBytes = 32768

func newMisses(size int64) *misses {
	n := 1 << 10
	for int64(n)*missBytes < size {
		n *= 2
	}
	return &misses{slots: make([]atomic.Uint32, n)}
}

// again notes that the user's session was missed, and reports whether another session of
// the user was missed before. Two users are taken for one, and two sessions for one, once
// in 65,536 cases: the user is then read as a whole too soon, or not yet.
func (m *misses) again(user, session uint64) bool {
	slot := &m.slots[user%uint64(len(m.slots))]
	missed := uint32(user>>48)<<16 | uint32(session>>48)
	before := slot.Load()
	if before == missed {
		return false
	}
	slot.Store(missed)
	return before != 0 && before>>16 == missed>>16
}
