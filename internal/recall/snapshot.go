package recall

import "github.com/rollcall-id/rollcall"

// A Snapshot is a copy of what is remembered of a user: the sessions that have not ended,
// all of one moment. A Snapshot can be used again, for another user. The map of Standing
// must not be changed.
type Snapshot struct {
	Standing rollcall.Standing
	// TooMany says of a user of whom nothing was found that the user has more sessions
	// than a block holds: to read them as a whole is of no use.
	TooMany bool

	dictionaries *dictionaries
	block        block
	texts        arena // of the session that Each shows
	session      rollcall.Session
}

// Sessions copies what is remembered of a user into a Snapshot. known is false when memory
// cannot answer. A hit or a miss is counted.
func (m *Memory) Sessions(userID string, into *Snapshot) (known bool) {
	into.TooMany = false
	if m == nil {
		return false
	}
	user := m.epochs.hash(userID)
	s := m.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	entry, ok := s.get(user)
	if ok {
		b := s.block(entry)
		ok = b.isGood() && string(b.userID()) == userID
		into.TooMany = ok && b.overflows()
	}
	e, known := m.knownEverybody()
	if !known || !ok || into.TooMany {
		m.missed.Add(1)
		return false
	}
	s.hits++
	into.dictionaries, into.block = s.dictionaries, s.gather(into.block[:0], entry)
	into.Standing.Everybody = *e
	into.Standing.User = s.dictionaries.user(into.block)
	into.Standing.User.ID = userID
	return true
}

// Each calls visit with the sessions in the order of positions, until visit returns false.
// A session holds until the next call.
func (n *Snapshot) Each(visit func(*rollcall.Session) bool) {
	u := &n.Standing.User
	for r := range n.block.records {
		n.texts = n.texts[:0]
		if n.dictionaries.session(r, u.ID, &n.session, &n.texts) {
			n.session.Generation.User = u.Generation
		}
		if !visit(&n.session) {
			return
		}
	}
}
