package rollcall

import (
	"time"

	"github.com/rollcall-id/rollcall/internal/prefetch"
)

// A look is for the session with an id. To wait for memory takes most of it, since nothing
// on the way lies near anything else; so it is asked for ahead, by those who have something
// else to do in between.
type look struct {
	cache *cache
	id    string
	hash  uint64
}

// lookFor begins a look, and asks for the entry of the table.
func (c *cache) lookFor(id string) look {
	l := look{cache: c, id: id}
	if c != nil {
		l.hash = c.clock.hash(id)
		prefetch.Line(&c.owners.bucket(l.hash, false)[0])
	}
	return l
}

// approach asks for the session, by its entry. There has to be a cache.
func (l *look) approach() {
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
func (c *cache) byteAt(l location) *byte {
	return &c.memory[(int(l.place().segment())*len(c.users)+l.shard())*c.segment+l.place().offset()]
}

// session puts the remembered session with the id into out. known is false when
// nothing good is remembered.
func (c *cache) session(id string, out *Session, u *User) (known bool) {
	l := c.lookFor(id)
	f, ok := l.find(out, u)
	if ok {
		f.shard.mu.Unlock()
	}
	return ok
}

// owner returns whose the remembered session is, and since when it is.
func (c *cache) owner(id string) (userID string, createdAt time.Time, known bool) {
	var s Session
	known = c.session(id, &s, &User{})
	return s.UserID, s.CreatedAt, known
}

// A finding is where a good session is remembered. Its shard is locked.
type finding struct {
	shard *userShard
	user  uint64 // its hash
	at    place
	image image
	part  image // of the image
}

// find puts the session and its user into s and u. Whoever finds one unlocks its shard.
// What s and u are is of no use otherwise.
func (l *look) find(s *Session, u *User) (f finding, ok bool) {
	c := l.cache
	there := c.owners.get(l.hash)
	if there == 0 {
		return f, false
	}
	f.shard = &c.users[there.shard()]
	f.shard.mu.Lock()
	moved := c.owners.get(l.hash) != there
	if !moved && f.read(there.place(), l.id, s, u) {
		return f, true
	}
	f.shard.mu.Unlock()
	return f, false
}

// read reads the session with an id if it is at a place, and good.
func (f *finding) read(at place, id string, s *Session, u *User) bool {
	c := f.shard.cache
	part, entry := f.shard.part(at)
	if part[atFlags]&isGone != 0 || string(part.sessionID()) != id {
		return false
	}
	prefetch.Bytes(f.shard.byteAt(entry), mostHead) // which the session can be read without
	var texts gathered
	texts.grow(len(part))
	f.shard.dictionaries.session(part, "", s, &texts)
	whole, ok := f.shard.whole(entry)
	if !ok {
		return false
	}
	f.at, f.image, f.part = at, f.shard.image(whole), part
	f.user, ok = c.isGood(f.shard, whole, f.image)
	if !ok {
		return false
	}
	prefetch.Line(c.clock.wordsOf(f.user))
	f.shard.looked(whole)
	s.UserID = texts.add(f.image.userID())
	u.ID, u.Generation = s.UserID, f.image.generation()
	return true
}
