package recall

import (
	"sync/atomic"

	"github.com/rollcall-id/rollcall/internal/hugepages"
)

// Owners say where sessions are remembered, by hashes, in a table of a fixed size. An
// entry is 24 bits of the session's hash and where its part of an image lies; two
// sessions can be mistaken for each other, so whoever asks looks at the id. It is in one
// of two buckets, each as long as a cache line: in the first if that is not nearly full,
// so that most are found at the first look.
//
// What concerns one session is changed under the lock of the shard that holds it.
type owners struct {
	entries []atomic.Uint64
	next    atomic.Uint32 // whom to drop when there is no room
}

const (
	bucketEntries = 8
	locationBits  = 40
	locationMask  = 1<<locationBits - 1
)

// newOwners has room for so many entries, or a few more.
func newOwners(room int) *owners {
	size := bucketEntries
	for size < room {
		size *= 2
	}
	o := &owners{entries: make([]atomic.Uint64, size)}
	hugepages.Advise(o.entries)
	return o
}

// bucket is the first or second place where a session can be.
func (o *owners) bucket(id uint64, second bool) []atomic.Uint64 {
	if second {
		id = id>>16 ^ id>>locationBits*0x9e3779b1
	}
	at := id % uint64(len(o.entries)/bucketEntries) * bucketEntries
	return o.entries[at : at+bucketEntries : at+bucketEntries]
}

// get returns where the session is, 0 when that is not known.
func (o *owners) get(id uint64) location {
	_, e := o.slot(id)
	return location(e & locationMask)
}

// slot returns the session's entry and what it is now, nil and 0 if there is none.
func (o *owners) slot(id uint64) (*atomic.Uint64, uint64) {
	for _, second := range [...]bool{false, true} {
		bucket := o.bucket(id, second)
		for i := range bucket {
			if e := bucket[i].Load(); e != 0 && e>>locationBits == id>>locationBits {
				return &bucket[i], e
			}
		}
	}
	return nil, 0
}

// put says where a session is now. When there is no room, another one is forgotten.
func (o *owners) put(id uint64, at location) {
	e := id&^locationMask | uint64(at)
	for {
		if known, _ := o.slot(id); known != nil {
			known.Store(e)
			return
		}
		free := o.free(id)
		if free == nil {
			o.bucket(id, false)[o.next.Add(1)%bucketEntries].Store(e)
			return
		}
		if free.CompareAndSwap(0, e) {
			return
		}
	}
}

// free is a free entry of the first bucket if it has a few, else of the emptier one, nil
// if there is none.
func (o *owners) free(id uint64) (found *atomic.Uint64) {
	const few = 3
	most := 0
	for _, second := range [...]bool{false, true} {
		if most >= few {
			break
		}
		bucket := o.bucket(id, second)
		empty, last := 0, 0
		for i := range bucket {
			if bucket[i].Load() == 0 {
				empty, last = empty+1, i
			}
		}
		if empty > most {
			most, found = empty, &bucket[last]
		}
	}
	return found
}

// remove forgets that a session is there. It looks at both buckets, since what get finds
// may be another session's: where nothing is any more must not be found.
func (o *owners) remove(id uint64, at location) {
	e := id&^locationMask | uint64(at)
	for _, second := range [...]bool{false, true} {
		bucket := o.bucket(id, second)
		for i := range bucket {
			if bucket[i].Load() == e {
				bucket[i].CompareAndSwap(e, 0)
			}
		}
	}
}
