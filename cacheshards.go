package rollcall

import (
	"sync"
	"sync/atomic"
)

// A userShard holds images in segments, oldest first, which are written one after
// the other. The oldest goes when there is no room; an image that is found in it is
// written anew first, so what is used stays.
type userShard struct {
	mu       sync.Mutex
	index    map[uint64]place
	segments [shardSegments][]byte
	newest   uint32 // number of the segment that is written; its place is the number modulo their count
	size     int    // of a segment
	uses     recordedUses
}

// A place is a segment's number and an offset in it.
type place struct{ segment, offset uint32 }

const (
	shardSegments = 8
	// minSegment has room for the largest image there is.
	minSegment = 128 << 10
)

func (s *userShard) init(budget int, d *dictionaries, touches *pendingTouches) {
	s.index, s.size = map[uint64]place{}, max(budget/shardSegments, minSegment)
	s.newest = shardSegments
	s.uses = recordedUses{turn: 1, dictionaries: d, touches: touches}
}

func (s *userShard) get(hash uint64) (image, bool) {
	p, ok := s.index[hash]
	if !ok {
		return nil, false
	}
	i := s.at(p)
	if p.segment+shardSegments-1 == s.newest && s.put(hash, i) { // it would be the next to go
		i = s.at(s.index[hash])
	}
	return i, true
}

// at returns what lies at a place, with its length before it.
func (s *userShard) at(p place) image {
	b := s.segments[p.segment%shardSegments][p.offset:]
	n := bytesOrder.Uint32(b)
	return b[entryHead : entryHead+n : entryHead+n]
}

// entryHead is the length of an entry and the hash of its user.
const entryHead = 4 + 8

func (s *userShard) put(hash uint64, i image) bool {
	if entryHead+len(i) > s.size {
		return false
	}
	if segment := s.segments[s.newest%shardSegments]; segment == nil {
		s.segments[s.newest%shardSegments] = make([]byte, 0, s.size)
	} else if len(segment)+entryHead+len(i) > s.size {
		s.turn()
	}
	segment := &s.segments[s.newest%shardSegments]
	s.index[hash] = place{s.newest, uint32(len(*segment))}
	b := bytesOrder.AppendUint32(*segment, uint32(len(i)))
	b = bytesOrder.AppendUint64(b, hash)
	*segment = append(b, i...)
	return true
}

// turn drops the oldest segment and begins a new one in its memory.
func (s *userShard) turn() {
	segment := &s.segments[(s.newest+1)%shardSegments]
	for offset := 0; offset < len(*segment); {
		b := (*segment)[offset:]
		hash := bytesOrder.Uint64(b[4:])
		if s.index[hash] == (place{s.newest + 1 - shardSegments, uint32(offset)}) {
			s.forget(hash)
		}
		offset += entryHead + int(bytesOrder.Uint32(b))
	}
	if *segment == nil {
		*segment = make([]byte, 0, s.size)
	}
	*segment = (*segment)[:0]
	s.newest++
}

func (s *userShard) forget(hash uint64) {
	s.spill(hash)
	delete(s.index, hash)
}

// Owners know whose sessions are, by hashes, in a table of a fixed size. Whoever asks
// holds the answer against the image, so one that is wrong or outdated does no harm.
// An entry is 24 bits of the session's hash and the 40 bits of the user's. It lies in
// one of two buckets, each as long as a cache line.
type owners struct {
	entries []atomic.Uint64
	next    atomic.Uint32
}

const (
	bucketEntries = 8
	userHashBits  = 40
	userHashMask  = 1<<userHashBits - 1
)

// newOwners has room for so many entries, or a few more.
func newOwners(room int) *owners {
	size := bucketEntries
	for size < room {
		size *= 2
	}
	return &owners{entries: make([]atomic.Uint64, size)}
}

// buckets are where a session can be.
func (o *owners) buckets(id uint64) (first, second []atomic.Uint64) {
	mask := uint64(len(o.entries)/bucketEntries - 1)
	at := (id & mask) * bucketEntries
	other := ((id>>16 ^ id>>40*0x9e3779b1) & mask) * bucketEntries
	return o.entries[at : at+bucketEntries], o.entries[other : other+bucketEntries]
}

func (o *owners) get(id uint64) (user uint64, ok bool) {
	first, second := o.buckets(id)
	for _, bucket := range [...][]atomic.Uint64{first, second} {
		for i := range bucket {
			if e := bucket[i].Load(); e != 0 && e>>userHashBits == id>>userHashBits {
				return e & userHashMask, true
			}
		}
	}
	return 0, false
}

// put adds an owner, or says whose the session is now. When there is no room, another
// one goes.
func (o *owners) put(id, user uint64) {
	e := id&^userHashMask | user
	first, second := o.buckets(id)
	free := &first[o.next.Add(1)%bucketEntries]
	most := 0
	for _, bucket := range [...][]atomic.Uint64{first, second} {
		var room *atomic.Uint64
		empty := 0
		for i := range bucket {
			switch old := bucket[i].Load(); {
			case old != 0 && old>>userHashBits == id>>userHashBits:
				bucket[i].Store(e)
				return
			case old == 0:
				room = &bucket[i]
				empty++
			}
		}
		if empty > most {
			free, most = room, empty
		}
	}
	free.Store(e)
}
