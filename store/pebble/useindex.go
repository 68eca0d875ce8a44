package pebble

import (
	"hash/maphash"
	"math/bits"
	"sync"

	"github.com/rollcall-id/rollcall"
)

// A sessionUse stands for a session and its user: 128 bits of a hash with a seed of
// this process, which nobody can aim at.
type sessionUse [2]uint64

// A slot holds the latest use that is known of a session. It has no pointers, so
// that a million of them cost the garbage collector nothing.
type slot struct {
	key        sessionUse
	at, idle   int64
	born       uint64
	ip         [16]byte
	agent, asn uint32 // numbers of texts
	ipText     uint32
	where      uint32 // the lower half of the number of the record that holds it
	form, laps uint8
}

// slotBytes is about what a slot takes with its place in the table.
const slotBytes = 88

// slotPage is how many slots are made at a time.
const slotPage = 4096

// uses are the latest uses of sessions. One lock: readers hold it for a look, and
// whoever enters uses for a few hundred at a time.
type uses struct {
	seeds [4]maphash.Seed

	mu        sync.RWMutex
	published uint64 // every use born up to here is here, or is in its row
	settled   uint64 // how often uses have left for their rows
	table     []uint32
	pages     [][]slot
	free      []uint32
	count     int
	texts     texts

	// deciding is the session that a sweep decides on, while decided is not nil:
	// no use of it is entered before decided is closed.
	deciding sessionUse
	decided  chan struct{}
}

// init makes the table for so many sessions. It is not filled before it is used,
// and memory that is not used takes no room.
func (x *uses) init(sessions int64) {
	for i := range x.seeds {
		x.seeds[i] = maphash.MakeSeed()
	}
	size := 1 << bits.Len64(uint64(max(sessions, 256)*2-1))
	x.table = make([]uint32, size)
	x.texts.init()
}

func (x *uses) key(userID, sessionID string) sessionUse {
	return sessionUse{
		maphash.String(x.seeds[0], sessionID) ^ bits.RotateLeft64(maphash.String(x.seeds[1], userID), 1),
		maphash.String(x.seeds[2], sessionID) ^ bits.RotateLeft64(maphash.String(x.seeds[3], userID), 1),
	}
}

func (x *uses) at(number uint32) *slot { return &x.pages[number/slotPage][number%slotPage] }

// find returns the slot of a session, nil when there is none, and its place in the
// table, which else is the place where it belongs.
func (x *uses) find(key sessionUse) (*slot, int) {
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
func (x *uses) add(key sessionUse, place int) *slot {
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

func (x *uses) grow() {
	old := x.table
	x.table = make([]uint32, 2*len(old))
	for _, number := range old {
		if number != 0 {
			_, place := x.find(x.at(number - 1).key)
			x.table[place] = number
		}
	}
}

// remove takes a session's slot away, and moves those that had to stand behind it.
func (x *uses) remove(place int) {
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

// enter notes uses of a record. It returns those whose session has a use that
// is as late and came before: they are not noted. When a sweep decides on one of the
// sessions it returns what to wait for. Entering a use again changes nothing.
func (x *uses) enter(r *useRecord, bite []use, numbers []uint32) (stuck []*use, wait chan struct{}) {
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
			sl.where, sl.laps = uint32(r.seq), u.laps
			continue
		default:
			continue
		}
		x.texts.assign(&sl.agent, r.texts, numbers, u.agent)
		x.texts.assign(&sl.asn, r.texts, numbers, u.asn)
		x.texts.assign(&sl.ipText, r.texts, numbers, u.ip.text)
		sl.at, sl.idle, sl.born, sl.where, sl.laps = u.at, u.idle, u.born, uint32(r.seq), u.laps
		sl.ip, sl.form = u.ip.bytes, u.ip.form
	}
	return stuck, nil
}

func (x *uses) publish(seq uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.published = seq
}

// show shows the latest use of a session in its row, where it has an effect: what was
// born up to the row's mark is in the row, or had none. It reports whether that
// changed it, and when the use was born. The caller holds the lock.
func (x *uses) show(session *rollcall.Session, mark uint64) (born uint64, changed bool) {
	if x.count == 0 {
		return 0, false
	}
	sl, _ := x.find(x.key(session.UserID, session.ID))
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
	session.Last = rollcall.Interaction{At: milli(sl.at), IdleExpiresAt: milli(sl.idle), Origin: origin}
	return sl.born, true
}

// showIn is show for a caller who keeps other writes to the user out, or their
// effect: it needs no moment.
func (x *uses) showIn(r *row) (changed bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	_, changed = x.show(&r.session, r.mark)
	return changed
}

// decide keeps uses of a session out until what it returns is called.
func (x *uses) decide(key sessionUse) (decided func()) {
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

// full reports whether there are uses of more than so many sessions. Texts count
// as well: who sends them may send ever new ones.
func (x *uses) full(sessions int64) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return int64(x.count)+x.texts.bytes/slotBytes > sessions
}
