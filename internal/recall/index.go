package recall

import (
	"sync/atomic"

	"github.com/rollcall-id/rollcall/internal/hugepages"
)

// An index says where the record of a session is, by the hash of the session's id, in a
// table of a fixed size that holds no pointers. An entry is 24 bits of the hash and an
// address of 40 bits; 0 is a free entry.
//
// Two sessions have the same 24 bits and share a bucket once in some 2^24 pairs of a
// bucket. So whoever finds an entry compares the session's id with the record's.
//
// An entry is in one of two buckets, each as long as a line of the processor's cache: in
// the first unless that is nearly full, so that most are found at the first look.
//
// The entry of a session is changed under the lock of the shard that the entry leads to,
// and read without a lock.
type index struct {
	entries []atomic.Uint64
	next    atomic.Uint32 // which entry of a bucket to take over when both are full
}

const (
	bucketEntries = 8
	addressBits   = 40
	addressMask   = 1<<addressBits - 1
)

// newIndex has room for so many entries, or up to twice as many.
func newIndex(room int) *index {
	size := bucketEntries
	for size < room {
		size *= 2
	}
	x := &index{entries: make([]atomic.Uint64, size)}
	hugepages.Advise(x.entries)
	return x
}

// bucket returns the first or the second bucket that the entry of a session can be in.
func (x *index) bucket(session uint64, second bool) []atomic.Uint64 {
	if second {
		session = session>>16 ^ session>>addressBits*0x9e3779b1
	}
	at := session % uint64(len(x.entries)/bucketEntries) * bucketEntries
	return x.entries[at : at+bucketEntries : at+bucketEntries]
}

// get returns the address of the session's record, 0 when there is no entry.
func (x *index) get(session uint64) address {
	_, e := x.entry(session)
	return address(e & addressMask)
}

// entry returns the session's entry and the present content, nil and 0 if there is none.
func (x *index) entry(session uint64) (*atomic.Uint64, uint64) {
	for _, second := range [...]bool{false, true} {
		bucket := x.bucket(session, second)
		for i := range bucket {
			if e := bucket[i].Load(); e != 0 && e>>addressBits == session>>addressBits {
				return &bucket[i], e
			}
		}
	}
	return nil, 0
}

// put sets the address of the session's record. When both buckets are full, another
// session loses its entry: that one is then read from the store again.
func (x *index) put(session uint64, a address) {
	e := session&^addressMask | uint64(a)
	for {
		if known, _ := x.entry(session); known != nil {
			known.Store(e)
			return
		}
		free := x.free(session)
		if free == nil {
			x.bucket(session, false)[x.next.Add(1)%bucketEntries].Store(e)
			return
		}
		if free.CompareAndSwap(0, e) {
			return
		}
	}
}

// free returns a free entry for the session: of the first bucket if that has a few, else
// of the emptier one; nil if both are full.
func (x *index) free(session uint64) (found *atomic.Uint64) {
	const few = 3
	most := 0
	for _, second := range [...]bool{false, true} {
		if most >= few {
			break
		}
		bucket := x.bucket(session, second)
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

// remove frees the entry that leads the session to the address. It looks through both
// buckets for exactly that entry, not for the one that get finds, which may be another
// session's: an entry that stayed would lead to bytes that are used for something else.
func (x *index) remove(session uint64, a address) {
	e := session&^addressMask | uint64(a)
	for _, second := range [...]bool{false, true} {
		bucket := x.bucket(session, second)
		for i := range bucket {
			if bucket[i].Load() == e {
				bucket[i].CompareAndSwap(e, 0)
			}
		}
	}
}
