package recall

import (
	"strings"

	"github.com/rollcall-id/rollcall"
)

// Warm remembers the users that a walk through the store visits, in a memory that knows
// few of them yet: a process that has just started need not read them again. Only the
// first call does something.
//
// flush writes the uses that memory and the caller hold; walk calls visit with all sessions of the
// store, those of one user one after the other, until visit returns false. That is when
// there is no more room: what is used then will be remembered by being used.
//
// A user on whom an act was under way since Warm began, or who was used, is left out. When
// flush fails, nothing is remembered of the walk. Error: that of walk.
func (m *Memory) Warm(flush func() error, walk func(visit func(rollcall.Walked) bool) error) error {
	if m == nil || m.warmed.Swap(true) {
		return nil
	}
	w := &warming{
		memory: m, dictionaries: m.dictionaries.Load(), everybody: m.epochs.everybody.Load(),
		acts: make([]uint64, userCount), touches: make([]uint64, userCount),
	}
	for i := range m.epochs.users {
		u := &m.epochs.users[i]
		w.acts[i], w.touches[i] = u.acts.Load(), u.seen()
	}
	// What was used before the epochs were read is in the store when the walk begins.
	w.full = flush() != nil
	if err := walk(w.visit); err != nil {
		return err
	}
	w.keep()
	return nil
}

// A warming is a walk that is remembered.
type warming struct {
	memory       *Memory
	dictionaries *dictionaries
	everybody    uint64 // everybody's epoch, as it was before the walk
	acts         []uint64
	touches      []uint64 // the epochs of all users, as they were before the walk
	size         int64    // of what was remembered
	full         bool     // nothing more is remembered

	// Of the user whose sessions come.
	hash  uint64
	user  rollcall.User
	block block // nil before the first user, and for one whose row no block can hold
	count int   // of records
}

// visit takes the next session of the walk, and reports whether there is room for more.
func (w *warming) visit(seen rollcall.Walked) bool {
	if w.block == nil || w.user.ID != seen.Standing.User.ID {
		w.keep()
		w.next(&seen.Standing)
	}
	if w.full || w.block == nil || !seen.Session.EndedAt.IsZero() {
		return !w.full
	}
	if w.count == MaxSessions {
		w.overflow()
	}
	if w.block != nil && !w.block.overflows() {
		b, ok := w.dictionaries.of(w.hash).appendSession(w.block, seen.Session, w.user.Generation)
		if ok {
			w.block = b
			w.count++
			bytesOrder.PutUint16(w.block[atCount:], uint16(w.count))
			return true
		}
		w.overflow()
	}
	if b, ok := w.dictionaries.of(w.hash).appendSession(nil, seen.Session, w.user.Generation); ok {
		w.keepLone(b)
	}
	w.full = w.full || w.dictionaries.full()
	return !w.full
}

// overflow makes the user one with more sessions than a block holds: there is one too many,
// or one that no record can hold.
func (w *warming) overflow() {
	for r := range w.block.records {
		w.keepLone(r)
	}
	w.count = tooMany
	w.restart()
}

// next begins with a user.
func (w *warming) next(st *rollcall.Standing) {
	w.memory.rememberEverybody(st, w.everybody)
	w.user, w.hash, w.count = st.User, w.memory.epochs.hash(st.User.ID), 0
	w.user.ID, w.user.GenerationBy = strings.Clone(st.User.ID), strings.Clone(st.User.GenerationBy)
	w.restart()
}

// restart begins the user's block; no block begins for a user whose row none can hold.
func (w *warming) restart() {
	w.block, _ = w.dictionaries.of(w.hash).newBlock(&w.user, w.count)
	w.full = w.full || w.dictionaries.full()
}

// keepLone remembers a session of a user who has more than a block holds.
func (w *warming) keepLone(r record) {
	lone, ok := w.dictionaries.of(w.hash).newLone(&w.user, w.acts[w.hash%userCount])
	if ok {
		w.put(w.memory.loneKey(w.memory.epochs.hashBytes(r.sessionID())), lone.appendRecord(0, r))
	}
}

// keep remembers the user whose sessions have all come, if there are any.
func (w *warming) keep() {
	if w.block != nil && w.count > 0 {
		w.put(w.hash, w.block)
	}
	w.block = nil
}

// put remembers a block of the user, unless it is outdated already.
func (w *warming) put(key uint64, b block) {
	if w.full {
		return
	}
	m := w.memory
	if w.size += int64(entryHead + len(b)); w.size > int64(len(m.bytes))/16*15 {
		w.full = true
		return
	}
	m.keep(w.dictionaries, key, w.hash, b, func(*shard) bool {
		before, u := w.acts[w.hash%userCount], m.epochs.of(w.hash)
		return quiet(before) && u.acts.Load() == before && u.touches.Load() == w.touches[w.hash%userCount]
	})
}
