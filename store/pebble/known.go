package pebble

import (
	"hash/maphash"
	"strings"
	"sync"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
)

// knownUsers are users' rows as they are stored, of the users that acted last. Every
// change of a row goes through this process, under the user's stripe, so a known row is
// exact; what is not known is looked for in the store. The table has no pointers, so that
// it costs the garbage collector nothing, and its memory is taken as it fills: 21 MiB
// at most.
type knownUsers struct {
	seeds  [2]maphash.Seed
	locks  [64]sync.Mutex // of every 64th set
	sets   []knownSet
	causes causes
}

// A knownSet is where a user's row can be: the one that came last first. Sets of this
// size are full evenly: of 200,000 users, sets of 4 had no place for one in eight.
type knownSet [16]knownUser

// A knownUser is the row of one user. The user is named by 128 bits of a hash with a seed
// of this process, which nobody can aim at.
type knownUser struct {
	key                                  [2]uint64
	version, generation, tokenGeneration uint64
	generationAt, tokenGenerationAt      int64
	events, latestEvent                  uint64
	cause                                uint32 // number of why and by whom the generation moved
}

// noKey is that of an empty place.
var noKey [2]uint64

const defaultKnownSets = 1 << 14

func (k *knownUsers) init(sets int) {
	k.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	k.sets = make([]knownSet, sets)
	k.causes.init()
}

// find returns a user's key and set, which find locks.
func (k *knownUsers) find(userID string) (key [2]uint64, set *knownSet, unlock func()) {
	key = [2]uint64{maphash.String(k.seeds[0], userID) | 1, maphash.String(k.seeds[1], userID)} // no key is that of an empty place
	n := (key[0] >> 1) % uint64(len(k.sets))
	lock := &k.locks[n%uint64(len(k.locks))]
	lock.Lock()
	return key, &k.sets[n], lock.Unlock
}

func (s *knownSet) place(key [2]uint64) int {
	for i := range s {
		if s[i].key == key {
			return i
		}
	}
	return -1
}

func (k *knownUsers) get(userID string) (userRow, bool) {
	key, set, unlock := k.find(userID)
	defer unlock()
	at := set.place(key)
	if at < 0 {
		return userRow{}, false
	}
	u := &set[at]
	reason, by := k.causes.get(u.cause, userID)
	return userRow{User: rollcall.User{
		ID: userID, Version: u.version, Generation: u.generation, TokenGeneration: u.tokenGeneration,
		GenerationAt: codec.Milli(u.generationAt), GenerationReason: reason, GenerationBy: by,
		TokenGenerationAt: codec.Milli(u.tokenGenerationAt), Events: u.events,
	}, latestEvent: u.latestEvent}, true
}

// put notes a row, or forgets the user when the table has no room for all of the row. The
// caller holds the user's stripe, or gives still, which says whether nobody else has held
// the stripe since the row was read.
func (k *knownUsers) put(u userRow, still func() bool) {
	cause, ok := k.causes.number(&u.User)
	if !ok || u.further != "" {
		if still == nil {
			k.drop(u.ID)
		}
		return
	}
	key, set, unlock := k.find(u.ID)
	defer unlock()
	if still != nil && !still() {
		return
	}
	at := set.place(key)
	if at < 0 {
		at = set.place(noKey)
	}
	if at < 0 {
		at = len(set) - 1
	}
	copy(set[1:at+1], set[:at]) // over an empty place, if there is one
	set[0] = knownUser{
		key: key, version: u.Version, generation: u.Generation, tokenGeneration: u.TokenGeneration,
		generationAt: u.GenerationAt.UnixMilli(), tokenGenerationAt: u.TokenGenerationAt.UnixMilli(),
		events: u.Events, latestEvent: u.latestEvent, cause: cause,
	}
}

// offer notes a row if that pushes out nobody else's.
func (k *knownUsers) offer(u userRow, still func() bool) {
	_, set, unlock := k.find(u.ID)
	free := set.place(noKey) >= 0
	unlock()
	if free {
		k.put(u, still)
	}
}

// drop forgets a row. The caller holds the user's stripe.
func (k *knownUsers) drop(userID string) {
	key, set, unlock := k.find(userID)
	defer unlock()
	if at := set.place(key); at >= 0 {
		set[at] = knownUser{}
	}
}

// causes number the reasons and actors of generations that moved, so that a known row has
// no texts. There are few: a handful of reasons, and clients or the user's own id. A row
// whose cause finds no number is not known.
type causes struct {
	mu      sync.RWMutex
	numbers map[cause]uint32
	all     []cause // number 0 is that of no cause
}

type cause struct {
	reason rollcall.Reason
	by     string // empty when the actor is the user
	self   bool   // the actor is the user
}

// maxCauses bounds the memory of causes to some megabytes.
const maxCauses = 1 << 14

func (c *causes) init() {
	c.numbers, c.all = map[cause]uint32{{}: 0}, []cause{{}}
}

// number returns the number of why and by whom a user's generation moved, false when no
// number is left.
func (c *causes) number(u *rollcall.User) (uint32, bool) {
	if u.GenerationReason == "" && u.GenerationBy == "" {
		return 0, true
	}
	wanted := cause{reason: u.GenerationReason, by: u.GenerationBy, self: u.GenerationBy == u.ID}
	if wanted.self {
		wanted.by = ""
	}
	c.mu.RLock()
	n, ok := c.numbers[wanted]
	c.mu.RUnlock()
	if ok {
		return n, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n, ok := c.numbers[wanted]; ok {
		return n, true
	}
	if len(c.all) >= maxCauses {
		return 0, false
	}
	n = uint32(len(c.all))
	wanted.reason, wanted.by = rollcall.Reason(strings.Clone(string(wanted.reason))), strings.Clone(wanted.by) // not whole records
	c.numbers[wanted], c.all = n, append(c.all, wanted)
	return n, true
}

func (c *causes) get(number uint32, userID string) (reason rollcall.Reason, by string) {
	if number == 0 {
		return "", ""
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	found := c.all[number]
	if found.self {
		return found.reason, userID
	}
	return found.reason, found.by
}
