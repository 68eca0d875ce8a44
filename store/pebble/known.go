package pebble

import (
	"hash/maphash"
	"sync"

	"github.com/rollcall-id/rollcall"
)

// knownUsers are users' rows as they are stored, of the users that acted last. Every
// change of a row goes through this process, under the user's stripe, so what is
// here is exact; what is not here is in the store. It has no pointers, so that it
// costs the garbage collector nothing, and its memory is taken as it fills: 10 MiB
// at most.
type knownUsers struct {
	seeds [2]maphash.Seed
	locks [64]sync.Mutex // of every 64th set
	sets  []knownSet
}

// A knownSet is where a user's row can be: the one that came last first. Sets of this
// size are full evenly: of 200,000 users, sets of 4 had no place for one in eight.
type knownSet [16]knownUser

// A knownUser stands for a user by 128 bits of a hash with a seed of this process,
// which nobody can aim at.
type knownUser struct {
	key                 [2]uint64
	version, generation uint64
	generationAt        int64
}

// noKey is that of an empty place.
var noKey [2]uint64

const defaultKnownSets = 1 << 14

func (k *knownUsers) init(sets int) {
	k.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	k.sets = make([]knownSet, sets)
}

// find returns a user's key and set, which it locks.
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

func (k *knownUsers) get(userID string) (rollcall.User, bool) {
	key, set, unlock := k.find(userID)
	defer unlock()
	at := set.place(key)
	if at < 0 {
		return rollcall.User{}, false
	}
	u := &set[at]
	return rollcall.User{ID: userID, Version: u.version, Generation: u.generation, GenerationAt: milli(u.generationAt)}, true
}

// put notes a row. The caller holds the user's stripe, or says whether nobody else
// has held it since the row was read.
func (k *knownUsers) put(u rollcall.User, still func() bool) {
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
	set[0] = knownUser{key: key, version: u.Version, generation: u.Generation, generationAt: u.GenerationAt.UnixMilli()}
}

// offer notes a row if that pushes out nobody else's.
func (k *knownUsers) offer(u rollcall.User, still func() bool) {
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
