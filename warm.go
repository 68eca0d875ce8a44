package rollcall

import (
	"context"
	"sync/atomic"
)

// A warming remembers users as a count passes them by, into an empty cache. Whatever
// happened to a user since it began was not seen, so such a user is left out.
type warming struct {
	m             *Manager // nil remembers nothing
	state         *cacheState
	acts, touches []uint64 // the words of all users, as they were before the count
	size          int64    // of what was remembered

	hash  uint64 // of the user whose sessions come
	image image
	owned []uint64 // hashes of their ids
}

// warming begins to remember what a count is about to read. Only the first does. What
// was used before its words were read is in the store when the count begins.
func (m *Manager) warming(ctx context.Context) *warming {
	if m.cache == nil || m.cache.warmed.Swap(true) {
		return &warming{}
	}
	w := &warming{m: m, state: m.cache.state.Load(), acts: snapshot(m.cache.clock.acts), touches: snapshot(m.cache.clock.touches)}
	if m.Flush(ctx) != nil {
		w.m = nil
	}
	return w
}

func snapshot(words []atomic.Uint64) []uint64 {
	values := make([]uint64, len(words))
	for i := range words {
		values[i] = words[i].Load()
	}
	return values
}

// add takes the next session of the count.
func (w *warming) add(s *Session, u *User) {
	if w.m == nil {
		return
	}
	c := w.m.cache
	if w.image == nil || string(w.image.userID()) != u.ID {
		w.keep()
		w.hash = c.clock.user(u.ID)
		w.image = newImage(u.ID, *u, w.acts[w.hash%clockWords], 0)
	}
	if w.image.overflows() || w.m == nil {
		return
	}
	if len(w.owned) == maxImageSessions {
		w.image, w.owned = newImage(u.ID, *u, w.image.word(), tooMany), nil
		return
	}
	grown, ok := w.state.appendSession(w.image, s)
	if !ok {
		w.m = nil
		return
	}
	w.image, w.owned = grown, append(w.owned, c.clock.hash(s.ID))
	bytesOrder.PutUint16(w.image[atCount:], uint16(len(w.owned)))
}

// keep remembers the user that is complete. When there is no more room it ends: what
// is used will be remembered by its use.
func (w *warming) keep() {
	if w.m == nil || w.image == nil {
		return
	}
	c := w.m.cache
	if w.size += int64(len(w.image)); w.size > c.budget/4*3 {
		w.m = nil
		return
	}
	still := func() bool {
		return c.clock.of(w.hash).Load() == w.image.word() && quiet(w.image.word()) &&
			c.clock.touched(w.hash).Load() == w.touches[w.hash%clockWords]
	}
	c.keep(w.state, w.hash, w.image, w.owned, still)
	w.image, w.owned = nil, w.owned[:0]
}
