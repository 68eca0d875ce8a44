package recall

// A Stamp says what a user's list depends on. A list that was made from what was read
// after Stamp is still right as long as Holds says so.
type Stamp struct {
	User      uint64 // the user's hash
	Acts      uint64 // the user's epoch
	Touches   uint64 // the epoch of the user's touches
	Everybody uint64 // everybody's epoch
}

// Stamp is for a list of the user that is about to be read.
func (m *Memory) Stamp(userID string) Stamp {
	user := m.epochs.hash(userID)
	u := m.epochs.of(user)
	return Stamp{user, u.acts.Load(), u.seen(), m.epochs.everybody.Load()}
}

// Holds reports whether nothing has happened since the stamp was made that changes what
// is read of the user: no act on the user or on everybody, and no touch. While such an
// act is under way Holds is false.
func (m *Memory) Holds(s Stamp) bool {
	u := m.epochs.of(s.User)
	return quiet(s.Acts) && quiet(s.Everybody) &&
		u.acts.Load() == s.Acts && u.touches.Load() == s.Touches && m.epochs.everybody.Load() == s.Everybody
}
