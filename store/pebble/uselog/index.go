package uselog

import (
	"hash/maphash"
	"math/bits"
	"sync"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
)

// A Key names a session and its user: 128 bits of a hash with a seed of this process,
// which nobody can aim at.
type Key [2]uint64

// A slot holds the latest use that is known of a session. A slot has no pointers, so
// that a million slots cost the garbage collector nothing.
type slot struct {
	key        Key
	at, idle   int64
	born       uint64
	ip         [16]byte
	agent, asn uint32 // numbers of texts
	ipText     uint32
	where      uint32 // the lower half of the number of the record that holds the use
	form, laps uint8
}

// slotBytes is about what a slot takes with its place in the table.
const slotBytes = 88

// slotPage is how many slots are made at a time.
const slotPage = 4096

// An Index is the latest use of each session whose latest use is not in its row yet. Its
// lock is held by readers for a look, and by whoever enters uses for a few hundred at a
// time.
type Index struct {
	seeds [4]maphash.Seed

	mu    sync.RWMutex
	state State
	table []uint32
	pages [][]slot
	free  []uint32
	count int
	texts texts

	// deciding is the session that a sweep decides on, while decided is not nil:
	// no use of the session is entered before decided is closed.
	deciding Key
	decided  chan struct{}
}

// A State tells two moments of an index apart. A read of rows that has the same State
// before and after, and finds no use born later than Published, is of one moment with the
// uses that it shows.
type State struct {
	Published uint64 // every use born up to this number is in the index, or in its row
	Settled   uint64 // how often uses have left for their rows
}

// RLock keeps uses out until RUnlock.
func (x *Index) RLock() { x.mu.RLock() }

// RUnlock lets uses in again.
func (x *Index) RUnlock() { x.mu.RUnlock() }

// State returns the state. The caller holds the lock.
func (x *Index) State() State { return x.state }

// Now returns the state for a caller who does not hold the lock.
func (x *Index) Now() State {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.state
}

// Len is how many sessions the index has a use of.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.count
}

// TextBytes is about how many bytes the texts of uses take, each text once.
func (x *Index) TextBytes() int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.texts.bytes
}

// init makes the table for so many sessions. Memory that is not used yet takes no room.
func (x *Index) init(sessions int64) {
	for i := range x.seeds {
		x.seeds[i] = maphash.MakeSeed()
	}
	size := 1 << bits.Len64(uint64(max(sessions, 256)*2-1))
	x.table = make([]uint32, size)
	x.texts.init()
}

// Key returns the key of a session and its user.
func (x *Index) Key(userID, sessionID string) Key {
	return Key{
		maphash.String(x.seeds[0], sessionID) ^ bits.RotateLeft64(maphash.String(x.seeds[1], userID), 1),
		maphash.String(x.seeds[2], sessionID) ^ bits.RotateLeft64(maphash.String(x.seeds[3], userID), 1),
	}
}

func (x *Index) at(number uint32) *slot { return &x.pages[number/slotPage][number%slotPage] }

// find returns the slot of a session and the slot's place in the table, or nil and the
// place where a slot of the session belongs.
func (x *Index) find(key Key) (*slot, int) {
	mask := len(x.table) - 1
	for place := int(key[0]) & mask; ; place = (place + 1) & mask {
		number := x.table[place]
		if number == 0 {
			return nil, place
		}
		if sl := x.at(number - 1); sl.key == key {
			return sl, place
		}
	}
}

// add returns an empty slot for a session that has none.
func (x *Index) add(key Key, place int) *slot {
	if (x.count+1)*8 > len(x.table)*7 {
		x.grow()
		_, place = x.find(key)
	}
	var number uint32
	if n := len(x.free); n > 0 {
		number, x.free = x.free[n-1], x.free[:n-1]
	} else {
		number = uint32(x.count) // every slot that was made is taken
		if int(number) == len(x.pages)*slotPage {
			x.pages = append(x.pages, make([]slot, slotPage))
		}
	}
	x.count++
	x.table[place] = number + 1
	sl := x.at(number)
	sl.key = key
	return sl
}

func (x *Index) grow() {
	old := x.table
	x.table = make([]uint32, 2*len(old))
	for _, number := range old {
		if number != 0 {
			_, place := x.find(x.at(number - 1).key)
			x.table[place] = number
		}
	}
}

// remove takes the slot at a place away, and moves the slots that stand behind the place
// for want of a free one before.
func (x *Index) remove(place int) {
	number := x.table[place] - 1
	sl := x.at(number)
	x.texts.release(sl)
	*sl = slot{}
	x.free = append(x.free, number)
	x.count--
	mask := len(x.table) - 1
	for next := (place + 1) & mask; x.table[next] != 0; next = (next + 1) & mask {
		home := int(x.at(x.table[next] - 1).key[0]) & mask
		if (next-home)&mask >= (next-place)&mask {
			x.table[place] = x.table[next]
			place = next
		}
	}
	x.table[place] = 0
}

// enter notes uses of a record. Cases, for each use:
//
//  1. no use of the session is known, or the known one is earlier: the use is noted
//  2. the known one is as late or later, and was born before: the use is stuck, and not
//     noted
//  3. the known one is the same use: it now lies in this record
//  4. the known one was born later: nothing
//
// When a sweep decides on one of the sessions, enter stops and returns what to wait for;
// entering a use again changes nothing.
func (x *Index) enter(r *record, bite []Use, numbers []uint32) (stuck []*Use, wait chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range bite {
		u := &bite[i]
		if u.void {
			continue
		}
		if x.decided != nil && u.key == x.deciding {
			return nil, x.decided
		}
		sl, place := x.find(u.key)
		switch {
		case sl == nil:
			sl = x.add(u.key, place)
		case u.at > sl.at:
		case u.born > sl.born:
			stuck = append(stuck, u)
			continue
		case u.born == sl.born && u.at == sl.at:
			sl.where, sl.laps = uint32(r.number), u.laps
			continue
		default:
			continue
		}
		x.texts.assign(&sl.agent, r.texts, numbers, u.agent)
		x.texts.assign(&sl.asn, r.texts, numbers, u.asn)
		x.texts.assign(&sl.ipText, r.texts, numbers, u.ip.text)
		sl.at, sl.idle, sl.born, sl.where, sl.laps = u.at, u.idle, u.born, uint32(r.number), u.laps
		sl.ip, sl.form = u.ip.bytes, u.ip.form
	}
	return stuck, nil
}

func (x *Index) publish(number uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.state.Published = number
}

// Show puts the latest use of a session into the session, where the use has an effect: a
// use that was born up to the row's mark is in the row, or had no effect. Show returns the
// number that the use was born with, 0 for no use, and whether the session changed. The
// caller holds the lock.
func (x *Index) Show(session *rollcall.Session, mark uint64) (born uint64, changed bool) {
	if x.count == 0 {
		return 0, false
	}
	sl, _ := x.find(x.Key(session.UserID, session.ID))
	if sl == nil {
		return 0, false
	}
	if sl.born <= mark || !session.EndedAt.IsZero() || sl.at <= session.Last.At.UnixMilli() {
		return sl.born, false
	}
	origin := rollcall.Origin{UserAgent: x.texts.text(sl.agent), ASN: x.texts.text(sl.asn)}
	if sl.form == formText {
		origin.IP = x.texts.text(sl.ipText)
	} else {
		origin.IP = spell(sl.form, &sl.ip)
	}
	session.Last = rollcall.Interaction{At: codec.Milli(sl.at), IdleExpiresAt: codec.Milli(sl.idle), Origin: origin}
	return sl.born, true
}

// Decide keeps uses of a session out until decided is called.
func (x *Index) Decide(key Key) (decided func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	done := make(chan struct{})
	x.deciding, x.decided = key, done
	return func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.decided = nil
		close(done)
	}
}

// full reports whether the index has uses of more than so many sessions. Texts count as
// well, by their bytes: a sender may send ever new ones.
func (x *Index) full(sessions int64) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return int64(x.count)+x.texts.bytes/slotBytes > sessions
}
