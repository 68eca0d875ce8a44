package recall

import (
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/prefetch"
)

// A look is for the session with an id. To wait for memory takes most of it, since nothing
// on the way lies near anything else; so it is asked for ahead, by those who have something
// else to do in between.
type Look struct {
	cache *Memory
	id    string
	hash  uint64
}

// lookFor begins a look, and asks for the entry of the table.
func (c *Memory) LookFor(id string) Look {
	l := Look{cache: c, id: id}
	if c != nil {
		l.hash = c.clock.hash(id)
		prefetch.Line(&c.owners.bucket(l.hash, false)[0])
	}
	return l
}

// approach asks for the session, by its entry.
func (l *Look) Approach() {
	if l.cache == nil {
		return
	}
	if there := l.cache.owners.get(l.hash); there != 0 {
		prefetch.Bytes(l.cache.byteAt(there), mostPart)
	}
}

// What nearly all sessions take, and what is before the sessions of nearly all users.
const (
	mostPart = 160
	mostHead = entryHead + imageHead + 32
)

// byteAt is where in memory a location is. What lies there is looked at under the lock of
// its shard only.
func (c *Memory) byteAt(l location) *byte {
	return &c.memory[(int(l.place().segment())*len(c.users)+l.shard())*c.segment+l.place().offset()]
}

// session puts the remembered session with the id into out. known is false when
// nothing good is remembered.
func (c *Memory) Session(id string, out *rollcall.Session, u *rollcall.User) (known bool) {
	l := c.LookFor(id)
	f, ok := l.find()
	if !ok {
		return false
	}
	defer f.shard.mu.Unlock()
	return f.decode(out, u)
}

// owner returns whose the remembered session is, and since when it is.
func (c *Memory) Owner(id string) (userID string, createdAt time.Time, known bool) {
	l := c.LookFor(id)
	f, ok := l.find()
	if !ok {
		return "", time.Time{}, false
	}
	defer f.shard.mu.Unlock()
	if !f.isGood() {
		return "", time.Time{}, false
	}
	return string(f.image.userID()), readTime(f.part[atCreated:]), true
}

// A finding is where a session is remembered, good or not. Its shard is locked.
type finding struct {
	shard *userShard
	at    place
	part  image // the session
	entry place // which it is a part of

	// What isGood has found.
	image image
	user  uint64 // its hash
}

// find finds the session, and asks for the head of its entry. Whoever finds one unlocks
// its shard.
func (l *Look) find() (f finding, ok bool) {
	c := l.cache
	there := c.owners.get(l.hash)
	if there == 0 {
		return f, false
	}
	f.shard, f.at = &c.users[there.shard()], there.place()
	f.shard.mu.Lock()
	if c.owners.get(l.hash) == there { // else it has gone since
		f.part, f.entry = f.shard.part(f.at)
		if f.part[atFlags]&isGone == 0 && string(f.part.sessionID()) == l.id {
			prefetch.Bytes(f.shard.byteAt(f.entry), mostHead)
			return f, true
		}
	}
	f.shard.mu.Unlock()
	return f, false
}

// decode puts the session and its user into s and u. It reports whether they are good, and
// else what s and u are is of no use.
func (f *finding) decode(s *rollcall.Session, u *rollcall.User) bool {
	var texts gathered
	texts.grow(len(f.part))
	f.shard.dictionaries.session(f.part, "", s, &texts) // while the head is on its way
	if !f.isGood() {
		return false
	}
	s.UserID = texts.add(f.image.userID())
	*u = rollcall.User{ID: s.UserID, Generation: f.image.generation()}
	return true
}

// isGood reports whether the image that the session is in can be answered from.
func (f *finding) isGood() (good bool) {
	c := f.shard.cache
	whole, ok := f.shard.whole(f.entry)
	if !ok {
		return false
	}
	f.image = f.shard.image(whole)
	if f.user, good = c.isGood(f.shard, whole, f.image); good {
		prefetch.Line(c.clock.wordsOf(f.user))
		f.shard.looked(whole)
	}
	return good
}
