package recall

import (
	"sync"
	"sync/atomic"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/hugepages"
)

// A cache remembers what was read of users, for a store that no other process
// writes. It never answers with what an act has changed: when an act begins to commit,
// what is remembered of its user is suspended, and a fill is discarded if the user's
// word of the act clock moved since its read began.
//
// Its methods may be called at once from many goroutines.
type Memory struct {
	clock   *actClock
	users   []userShard
	memory  []byte // of all segments, which are so long
	segment int
	owners  *owners
	spilled func(rollcall.Touch) // takes the uses that are recorded in what is dropped

	// dictionaries are what images are made with. When they are full, all images go.
	dictionaries atomic.Pointer[dictionaries]
	beginning    sync.Mutex

	everybody atomic.Pointer[rememberedEverybody]

	hits, misses atomic.Uint64
	warmed       atomic.Bool // a count has begun to fill it
}

type rememberedEverybody struct {
	rollcall.Everybody
	word uint64
}

// ownedBytes is about the least that a session takes in an image.
const ownedBytes = 128

// New returns a Memory with so many bytes for images; what it takes to find them comes on
// top. The uses that are recorded in images which it drops go to spilled.
func New(images int64, spilled func(rollcall.Touch)) *Memory {
	c := &Memory{
		clock: newActClock(), owners: newOwners(int(images / ownedBytes)), spilled: spilled,
	}
	c.dictionaries.Store(newDictionaries())
	shards := 1
	for shards < maxShards && int64(2*shards*shardSegments*minSegment) <= images {
		shards *= 2
	}
	segment := min(max(int(images)/shards/shardSegments, minSegment), maxSegment-1)
	c.users = make([]userShard, shards)
	c.memory, c.segment = make([]byte, shards*shardSegments*segment), segment
	hugepages.Advise(c.memory)
	for i := range c.users {
		s := &c.users[i]
		s.number, s.index = location(i)<<placeBits, map[uint64]place{}
		s.cache, s.dictionaries, s.uses.turn = c, c.dictionaries.Load(), 1
	}
	// The first segments of all shards lie side by side, and so on: what is not needed
	// is not looked at.
	for i := range shards * shardSegments {
		c.users[i%shards].segments[i/shards] = c.memory[i*segment : i*segment : (i+1)*segment]
	}
	return c
}

// begin begins anew with empty dictionaries, unless somebody did so meanwhile.
func (c *Memory) begin(old *dictionaries) {
	c.beginning.Lock()
	defer c.beginning.Unlock()
	if c.dictionaries.Load() != old {
		return
	}
	next := newDictionaries()
	c.dictionaries.Store(next)
	for i := range c.users {
		c.users[i].begin(next)
	}
}

func (c *Memory) user(hash uint64) *userShard { return &c.users[hash>>32%uint64(len(c.users))] }

// lock locks the user's shard. Whoever calls it unlocks it.
func (c *Memory) lock(userID string) (shard *userShard, hash uint64) {
	hash = c.clock.hash(userID)
	shard = c.user(hash)
	shard.mu.Lock()
	return shard, hash
}

// counted counts a look, found or not.
func (c *Memory) Counted(known bool) bool {
	if known {
		c.hits.Add(1)
	} else {
		c.misses.Add(1)
	}
	return known
}

// A recollection is a copy of what is remembered of a user.
type Recollection struct {
	dictionaries *dictionaries
	image        image
	texts        gathered // of the session
	session      rollcall.Session
}

// recall copies what is remembered of a user into a recollection that may have been
// used before.
func (c *Memory) Recall(userID string, r *Recollection) (known bool) {
	shard, hash := c.lock(userID)
	defer shard.mu.Unlock()
	p, ok := shard.get(hash)
	if !ok {
		return false
	}
	if i := shard.image(p); i.overflows() || !i.isGood() || string(i.userID()) != userID {
		return false
	}
	r.dictionaries, r.image = shard.dictionaries, shard.gather(r.image[:0], p)
	return true
}

// sessions yields the sessions in order. Each holds until the next.
func (r *Recollection) Sessions(userID string, yield func(*rollcall.Session) bool) {
	for part := range r.image.sessions {
		r.texts = r.texts[:0]
		r.dictionaries.session(part, userID, &r.session, &r.texts)
		if !yield(&r.session) {
			return
		}
	}
}

// worthFilling reports whether reading the user's sessions may help: not when there
// are known to be too many.
func (c *Memory) WorthFilling(userID string) bool {
	shard, hash := c.lock(userID)
	defer shard.mu.Unlock()
	p, ok := shard.get(hash)
	if !ok {
		return true
	}
	i := shard.image(p)
	return !i.overflows() || !i.isGood()
}

// fill remembers what was read of a user, unless an act on the user began since
// word was read. latest, which is called under a lock that touches of the user wait
// for, brings a session up to date with what is not in the store yet; it reports
// false when it cannot.
func (c *Memory) Fill(u rollcall.User, sessions []rollcall.Session, word uint64, latest func(*rollcall.Session) bool) {
	if !quiet(word) {
		return
	}
	hash, count := c.clock.hash(u.ID), len(sessions)
	if count > MaxSessions {
		count, sessions = tooMany, nil
	}
	c.fillImage(hash, newImage(u, count), hash, sessions, word, latest)
}

// fillImage is fill for an image that has no sessions yet, of a user with a hash.
func (c *Memory) fillImage(hash uint64, i image, user uint64, sessions []rollcall.Session, word uint64, latest func(*rollcall.Session) bool) {
	d, ok := c.dictionaries.Load(), true
	begins := make([]int, len(sessions))
	for n := range sessions {
		begins[n] = len(i)
		if i, ok = d.appendSession(i, &sessions[n]); !ok {
			if d.full() {
				c.begin(d)
			}
			return
		}
	}
	c.keep(d, hash, i, func() bool {
		if c.clock.of(user).Load() != word {
			return false
		}
		for n := range sessions {
			stored := sessions[n].Last
			if !latest(&sessions[n]) || sessions[n].Last != stored && !d.putInteraction(i[begins[n]:], sessions[n].Last) {
				return false
			}
		}
		return true
	})
}

// keep puts an image in its place, unless it is not good any more. good is asked under
// a lock that touches of the user wait for.
func (c *Memory) keep(d *dictionaries, hash uint64, i image, good func() bool) {
	shard := c.user(hash)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if p, ok := shard.index[hash]; ok {
		shard.spill(p)
	}
	if shard.dictionaries != d || !good() {
		return
	}
	if !shard.put(hash, i) { // too large: not worth reading for again
		shard.put(hash, newImage(i.user(), tooMany))
	}
}

// touch shows a use, which is recorded elsewhere, in what is remembered of the
// session. What cannot be shown is forgotten.
func (c *Memory) Touch(t *rollcall.Touch) {
	words := c.clock.wordsOf(c.clock.hash(t.UserID))
	words.touched() // before: who does not find an image must not find one that is made without the use
	c.eachImage(t.UserID, t.SessionID, func(s *userShard, hash uint64, p place) {
		part, ok := s.find(p, t.SessionID)
		if ok && t.Interaction.At.After(readTime(part[atLast:])) && !s.dictionaries.putInteraction(part, t.Interaction) {
			s.forget(hash)
		}
	})
	words.touched() // after the use can be seen: a page read before it is outdated
}

// rememberEverybody remembers the generation of all users, as read while the word
// was quiet.
func (c *Memory) RememberEverybody(e rollcall.Everybody, word uint64) {
	if quiet(word) && c.clock.everybody.Load() == word {
		c.everybody.Store(&rememberedEverybody{e, word})
	}
}

func (c *Memory) KnownEverybody() (rollcall.Everybody, bool) {
	e := c.everybody.Load()
	if e == nil || e.word != c.clock.everybody.Load() {
		return rollcall.Everybody{}, false
	}
	return e.Everybody, true
}

// word is the user's word of the act clock as it is now; "" is everybody's.
func (c *Memory) Word(userID string) uint64 { return c.clock.word(userID).Load() }

// moves counts the moves of all words.
func (c *Memory) Moves() uint64 { return c.clock.moves.Load() }

// user is whose sessions these are.
func (r *Recollection) User() rollcall.User { return r.image.user() }

// A stamp says what a user's list depends on.
type Stamp struct{ User, Acts, Touches, Everybody uint64 }

// seen is the stamp of a user's list that is about to be read.
func (c *Memory) Seen(userID string) Stamp {
	hash := c.clock.hash(userID)
	words := c.clock.wordsOf(hash)
	return Stamp{hash, words.acts.Load(), words.seen(), c.clock.everybody.Load()}
}

// holds reports whether what was read with a stamp is still so.
func (c *Memory) Holds(s Stamp) bool {
	words := c.clock.wordsOf(s.User)
	return quiet(s.Acts) && quiet(s.Everybody) &&
		words.acts.Load() == s.Acts && words.touches.Load() == s.Touches && c.clock.everybody.Load() == s.Everybody
}

func (c *Memory) Lookups() (hits, misses uint64) { return c.hits.Load(), c.misses.Load() }
