package recall

import "github.com/rollcall-id/rollcall"

// A warming remembers users as a count passes them by, into an empty cache. Whatever
// happened to a user since it began was not seen, so such a user is left out.
type warming struct {
	c             *Memory // nil remembers nothing
	dictionaries  *dictionaries
	acts, touches []uint64 // the words of all users, as they were before the count
	size          int64    // of what was remembered

	hash  uint64 // of the user whose sessions come
	image image
	count int // of them
}

// warming begins to remember what a count is about to read. Only the first does. What
// was used before its words were read is in the store when the count begins.
func (c *Memory) Warm(flush func() error) *warming {
	if c == nil || c.warmed.Swap(true) {
		return &warming{}
	}
	w := &warming{c: c, dictionaries: c.dictionaries.Load(), acts: make([]uint64, clockWords), touches: make([]uint64, clockWords)}
	for i := range c.clock.words {
		words := &c.clock.words[i]
		w.acts[i], w.touches[i] = words.acts.Load(), words.seen()
	}
	if flush() != nil {
		w.c = nil
	}
	return w
}

// add takes the next session of the count.
func (w *warming) Add(s *rollcall.Session, u *rollcall.User) {
	if w.c == nil {
		return
	}
	c := w.c
	if w.image == nil || string(w.image.userID()) != u.ID {
		w.Keep()
		w.hash = c.clock.hash(u.ID)
		w.image = newImage(*u, 0)
	}
	if w.c == nil {
		return
	}
	if w.count == MaxSessions {
		for part := range w.image.sessions {
			w.keepSingle(u, part)
		}
		w.image, w.count = newImage(*u, tooMany), 0
	}
	into := w.image
	if w.image.overflows() {
		into = nil
	}
	grown, ok := w.dictionaries.appendSession(into, s)
	if !ok {
		w.c = nil
		return
	}
	if w.image.overflows() {
		w.keepSingle(u, grown)
		return
	}
	w.image = grown
	w.count++
	bytesOrder.PutUint16(w.image[atCount:], uint16(w.count))
}

// keepSingle remembers a session of a user who has too many for an image.
func (w *warming) keepSingle(u *rollcall.User, part image) {
	if w.c == nil {
		return
	}
	c := w.c
	w.put(c.clock.single(part.sessionID()), newSingle(u, w.acts[w.hash%clockWords]).appendPart(0, part))
}

// keep remembers the user that is complete.
func (w *warming) Keep() {
	if w.image != nil {
		w.put(w.hash, w.image)
	}
	w.image, w.count = nil, 0
}

// put remembers an image of the user. When there is no more room warming ends: what is
// used will be remembered by its use.
func (w *warming) put(hash uint64, i image) {
	if w.c == nil {
		return
	}
	c := w.c
	if w.size += int64(entryHead + len(i)); w.size > int64(len(c.memory))/16*15 {
		w.c = nil
		return
	}
	still := func() bool {
		word, words := w.acts[w.hash%clockWords], c.clock.wordsOf(w.hash)
		return words.acts.Load() == word && quiet(word) &&
			words.touches.Load() == w.touches[w.hash%clockWords]
	}
	c.keep(w.dictionaries, hash, i, still)
}
