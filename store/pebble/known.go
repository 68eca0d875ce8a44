package pebble

import (
	"encoding/binary"
	"hash/maphash"
	"strings"
	"sync"

	"github.com/rollcall-id/rollcall"
)

// knownUsers are users' rows as they are stored, of the users that acted last. Every
// change of a row goes through this process, under the user's stripe, so a known row is
// exact; what is not known is looked for in the store. The table has no pointers, so that
// it costs the garbage collector nothing, and its memory is taken as it fills: 10 MiB
// at most.
type knownUsers struct {
	seeds  [2]maphash.Seed
	locks  [64]sync.Mutex // of every 64th set
	sets   []knownSet
	causes causes
}

// A knownSet is where a user's row can be: entries, the one that came last first, and
// zeroes behind them. A set has room for 20 rows of users whose generation has not moved,
// or for 16 others: sets of this size are full evenly, of 200,000 users nearly all have a
// place.
//
//	size   1  of the entry in bytes; 0 ends the entries
//	user  12  hashes of the user's id, with seeds of this process: nobody can aim at them
//	cause     uvarint: the number of why and by whom the generation moved, 0 for none
//	row       as it is stored, without what the cause says
type knownSet [640]byte

const (
	defaultKnownSets = 1 << 14

	knownKey  = 12
	knownHead = 1 + knownKey
	// maxKnown bounds an entry: a row that takes more is not known.
	maxKnown = 160
)

func (k *knownUsers) init(sets int) {
	k.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	k.sets = make([]knownSet, sets)
	k.causes.init()
}

// find returns a user's key and set, which find locks.
func (k *knownUsers) find(userID string) (key [knownKey]byte, set *knownSet, unlock func()) {
	first, second := maphash.String(k.seeds[0], userID), maphash.String(k.seeds[1], userID)
	binary.LittleEndian.PutUint64(key[:], first)
	binary.LittleEndian.PutUint32(key[8:], uint32(second))
	n := second >> 32 % uint64(len(k.sets))
	lock := &k.locks[n%uint64(len(k.locks))]
	lock.Lock()
	return key, &k.sets[n], lock.Unlock
}

// place returns where the entry of a key begins and ends; both are where the entries end
// when there is none.
func (s *knownSet) place(key [knownKey]byte) (from, to int) {
	for from < len(s) && s[from] != 0 {
		to = from + int(s[from])
		if [knownKey]byte(s[from+1:from+knownHead]) == key {
			return from, to
		}
		from = to
	}
	return from, from
}

// end returns where the last entry ends that ends at most at limit.
func (s *knownSet) end(limit int) (end int) {
	for end < len(s) && s[end] != 0 && end+int(s[end]) <= limit {
		end += int(s[end])
	}
	return end
}

// cut takes the bytes from from to to out of the set.
func (s *knownSet) cut(from, to int) { clear(s[from+copy(s[from:], s[to:]):]) }

func (k *knownUsers) get(userID string) (userRow, bool) {
	key, set, unlock := k.find(userID)
	defer unlock()
	from, to := set.place(key)
	if from == to {
		return userRow{}, false
	}
	number, n := binary.Uvarint(set[from+knownHead : to])
	u, err := decodeUser(userID, set[from+knownHead+n:to])
	if err != nil {
		return userRow{}, false
	}
	if number != 0 {
		u.GenerationReason, u.GenerationBy = k.causes.get(uint32(number), userID)
	}
	return u, true
}

// put notes a row, or forgets the user when the row takes more room than maxKnown. The
// caller holds the user's stripe, or gives still, which says whether nobody else has held
// the stripe since the row was read.
func (k *knownUsers) put(u userRow, still func() bool) { k.note(u, still, true) }

// offer notes a row if that pushes out nobody else's.
func (k *knownUsers) offer(u userRow, still func() bool) { k.note(u, still, false) }

func (k *knownUsers) note(u userRow, still func() bool, pushes bool) {
	var room [maxKnown]byte
	entry := k.entry(room[:0], u)
	key, set, unlock := k.find(u.ID)
	defer unlock()
	if still != nil && !still() {
		return
	}
	full := set.end(len(set))+len(entry) > len(set)
	if full && !pushes {
		return
	}
	set.cut(set.place(key))
	if len(entry) > maxKnown {
		return
	}
	copy(entry[1:], key[:])
	end := set.end(len(set) - len(entry))
	copy(set[len(entry):], set[:end])
	copy(set[:], entry)
	clear(set[len(entry)+end:])
}

// entry appends the entry of a row to b, without the user's key.
func (k *knownUsers) entry(b []byte, u userRow) []byte {
	cause := k.causes.number(&u.User)
	if cause != 0 {
		u.GenerationReason, u.GenerationBy = "", ""
	}
	var head [knownHead]byte
	b = append(b, head[:]...)
	b = binary.AppendUvarint(b, uint64(cause))
	b = u.appendTo(b)
	b[0] = byte(len(b))
	return b
}

// drop forgets a row. The caller holds the user's stripe.
func (k *knownUsers) drop(userID string) {
	key, set, unlock := k.find(userID)
	defer unlock()
	set.cut(set.place(key))
}

// causes number the reasons and actors of generations that moved, so that most known rows
// have no texts. There are few: a handful of reasons, and clients or the user's own id. A
// row whose cause finds no number keeps the texts.
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

// number returns the number of why and by whom a user's generation moved, 0 when there is
// no cause, and when no number is left.
func (c *causes) number(u *rollcall.User) uint32 {
	if u.GenerationReason == "" && u.GenerationBy == "" {
		return 0
	}
	wanted := cause{reason: u.GenerationReason, by: u.GenerationBy, self: u.GenerationBy == u.ID}
	if wanted.self {
		wanted.by = ""
	}
	c.mu.RLock()
	n, ok := c.numbers[wanted]
	c.mu.RUnlock()
	if ok {
		return n
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n, ok := c.numbers[wanted]; ok {
		return n
	}
	if len(c.all) >= maxCauses {
		return 0
	}
	n = uint32(len(c.all))
	wanted.reason, wanted.by = rollcall.Reason(strings.Clone(string(wanted.reason))), strings.Clone(wanted.by) // not whole records
	c.numbers[wanted], c.all = n, append(c.all, wanted)
	return n
}

func (c *causes) get(number uint32, userID string) (reason rollcall.Reason, by string) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	found := c.all[number]
	if found.self {
		return found.reason, userID
	}
	return found.reason, found.by
}
