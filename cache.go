package rollcall

import (
	"strings"
	"sync"
	"sync/atomic"
)

// A cache remembers what was read of users, for a store that no other process
// writes. It never answers with what an act has changed: what it holds is good only
// while the user's word of the act clock is what it was before the read. A fill
// during which the word moved is discarded.
//
// Its methods may be called at once from many goroutines.
type cache struct {
	clock     *actClock
	budget    int64 // bytes, of images
	state     atomic.Pointer[cacheState]
	resetting sync.Mutex
	pages     pageCache
	touches   *pendingTouches // takes the uses that are recorded in what is dropped

	everybody atomic.Pointer[rememberedEverybody]

	hits, misses atomic.Uint64
	warmed       atomic.Bool // a count has begun to fill it
}

// A cacheState is everything whose parts refer to each other by number. When the
// words run out it is replaced by an empty one.
type cacheState struct {
	*dictionaries
	users  []userShard
	owners *owners
}

type rememberedEverybody struct {
	Everybody
	word uint64
}

const (
	maxShards = 64 // a power of two, as all numbers of shards
	// ownedBytes is about the least that a session takes in an image.
	ownedBytes = 128
)

// newCache returns a cache of so many bytes: half of them for images, three tenths for
// pages, and what it takes to find both.
func newCache(size int64, touches *pendingTouches) *cache {
	c := &cache{clock: newActClock(), budget: size / 2, touches: touches}
	c.pages.init(size / 10 * 3)
	c.reset(nil)
	return c
}

// reset begins anew with an empty state, unless somebody did so meanwhile. Uses that
// are recorded in what is dropped go to touches.
func (c *cache) reset(old *cacheState) {
	c.resetting.Lock()
	defer c.resetting.Unlock()
	if c.state.Load() != old {
		return
	}
	if old != nil {
		for i := range old.users {
			old.users[i].close()
		}
	}
	s := &cacheState{dictionaries: newDictionaries(), owners: newOwners(int(c.budget / ownedBytes))}
	shards := 1
	for shards < maxShards && int64(2*shards*shardSegments*minSegment) <= c.budget {
		shards *= 2
	}
	s.users = make([]userShard, shards)
	for i := range s.users {
		s.users[i].init(int(c.budget)/shards, s.dictionaries, c.touches)
	}
	c.state.Store(s)
}

func (s *cacheState) user(hash uint64) *userShard { return &s.users[hash>>32%uint64(len(s.users))] }

// counted counts a look, found or not.
func (c *cache) counted(known bool) bool {
	if known {
		c.hits.Add(1)
	} else {
		c.misses.Add(1)
	}
	return known
}

// session puts the remembered session with the id into out. known is false when
// nothing good is remembered.
func (c *cache) session(id string, out *Session, u *User) (known bool) {
	f, ok := c.find(id)
	if !ok {
		return false
	}
	defer f.shard.mu.Unlock()
	f.decode(out, u)
	return true
}

// A finding is where a good session is remembered. Its shard is locked.
type finding struct {
	state *cacheState
	shard *userShard
	hash  uint64 // of the user
	image image
	part  image // of the image
}

// find looks for a session. Whoever finds one unlocks its shard.
func (c *cache) find(id string) (f finding, ok bool) {
	f.state = c.state.Load()
	if f.hash, ok = f.state.owners.get(c.clock.hash(id)); !ok {
		return f, false
	}
	f.shard = f.state.user(f.hash)
	f.shard.mu.Lock()
	if f.image, ok = f.shard.get(f.hash); ok && f.image.word() == c.clock.of(f.hash).Load() {
		if f.part, ok = f.image.find(id); ok {
			return f, true
		}
	}
	f.shard.mu.Unlock()
	return f, false
}

func (f *finding) decode(out *Session, u *User) {
	var texts strings.Builder
	texts.Grow(len(f.image.userID()) + len(f.part))
	*u = User{ID: gather(&texts, f.image.userID()), Generation: f.image.generation()}
	f.state.session(f.part, u.ID, out, &texts)
}

// A recollection is a copy of what is remembered of a user.
type recollection struct {
	dictionaries *dictionaries
	image        image
}

// recall copies what is remembered of a user into a recollection that may have been
// used before.
func (c *cache) recall(userID string, r *recollection) (known bool) {
	s := c.state.Load()
	hash := c.clock.user(userID)
	shard := s.user(hash)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	i, ok := shard.get(hash)
	if !ok || i.overflows() || i.word() != c.clock.of(hash).Load() || string(i.userID()) != userID {
		return false
	}
	r.dictionaries, r.image = s.dictionaries, append(r.image[:0], i...)
	return true
}

// sessions yields the sessions in order. Each holds until the next.
func (r *recollection) sessions(userID string, yield func(*Session) bool) {
	var texts strings.Builder
	texts.Grow(len(r.image) / 2)
	var s Session
	for part := range r.image.sessions {
		r.dictionaries.session(part, userID, &s, &texts)
		if !yield(&s) {
			return
		}
	}
}

// worthFilling reports whether reading the user's sessions may help: not when there
// are known to be too many.
func (c *cache) worthFilling(userID string) bool {
	s := c.state.Load()
	hash := c.clock.user(userID)
	shard := s.user(hash)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	i, ok := shard.get(hash)
	return !ok || !i.overflows() || i.word() != c.clock.of(hash).Load()
}

// fill remembers what was read of a user, unless an act on the user began since
// word was read. latest, which is called under a lock that touches of the user wait
// for, brings a session up to date with what is not in the store yet; it reports
// false when it cannot.
func (c *cache) fill(u User, sessions []Session, word uint64, latest func(*Session) bool) {
	s := c.state.Load()
	hash := c.clock.user(u.ID)
	count := len(sessions)
	if count > maxImageSessions {
		count, sessions = tooMany, nil
	}
	i, ok := newImage(u.ID, u, word, count), true
	begins, owned := make([]int, len(sessions)), make([]uint64, len(sessions))
	for n := range sessions {
		begins[n], owned[n] = len(i), c.clock.hash(sessions[n].ID)
		if i, ok = s.appendSession(i, &sessions[n]); !ok {
			if s.full() {
				c.reset(s)
			}
			return
		}
	}
	c.keep(s, hash, i, owned, func() bool {
		if c.clock.of(hash).Load() != word {
			return false
		}
		for n := range sessions {
			stored := sessions[n].Last
			if !latest(&sessions[n]) || sessions[n].Last != stored && !s.putInteraction(i[begins[n]:], sessions[n].Last) {
				return false
			}
		}
		return true
	})
}

// keep puts an image in its place, and says whose the sessions are that it owns,
// unless it is not good any more. good is asked under a lock that touches of the user
// wait for.
func (c *cache) keep(s *cacheState, hash uint64, i image, owned []uint64, good func() bool) {
	shard := s.user(hash)
	shard.mu.Lock()
	shard.spill(hash)
	kept := false
	if good() {
		if kept = shard.put(hash, i); !kept { // too large: not worth reading for again
			shard.put(hash, newImage(i.user().ID, i.user(), i.word(), tooMany))
		}
	}
	shard.mu.Unlock()
	if !kept {
		return
	}
	for _, id := range owned {
		s.owners.put(id, hash)
	}
}

// touch shows a use, which is recorded elsewhere, in what is remembered of the
// session. What cannot be shown is forgotten.
func (c *cache) touch(t *Touch) {
	s := c.state.Load()
	hash := c.clock.user(t.UserID)
	shard := s.user(hash)
	shard.mu.Lock()
	if i, ok := shard.get(hash); ok {
		part, ok := i.find(t.SessionID)
		switch {
		case !ok || !t.Interaction.At.After(readTime(part[atLast:])):
		case !s.putInteraction(part, t.Interaction):
			shard.forget(hash)
		}
	}
	shard.mu.Unlock()
	c.clock.touched(hash).Add(1) // after the use can be seen: a page read before it is outdated
}

// rememberEverybody remembers the generation of all users, as read while the word
// was quiet.
func (c *cache) rememberEverybody(e Everybody, word uint64) {
	if quiet(word) && c.clock.everybody.Load() == word {
		c.everybody.Store(&rememberedEverybody{e, word})
	}
}

func (c *cache) knownEverybody() (Everybody, bool) {
	e := c.everybody.Load()
	if e == nil || e.word != c.clock.everybody.Load() {
		return Everybody{}, false
	}
	return e.Everybody, true
}
