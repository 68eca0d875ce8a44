package rollcall

import "sync"

// A userShard holds images in segments, oldest first, which are written one after
// the other. The oldest goes when there is no room; an image that is found in it is
// written anew first, so what is used stays.
type userShard struct {
	mu       sync.Mutex
	index    map[uint64]place
	segments [shardSegments][]byte
	newest   uint32 // number of the segment that is written; its place is the number modulo their count
	size     int    // of a segment
}

// A place is a segment's number and an offset in it.
type place struct{ segment, offset uint32 }

const (
	shardSegments = 8
	// minSegment has room for the largest image there is.
	minSegment = 128 << 10
)

func (s *userShard) init(budget int) {
	s.index, s.size = map[uint64]place{}, max(budget/shardSegments, minSegment)
	s.newest = shardSegments
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
	if len(s.segments[s.newest%shardSegments])+entryHead+len(i) > s.size {
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
	s.newest++
	segment := &s.segments[s.newest%shardSegments]
	for offset := 0; offset < len(*segment); {
		b := (*segment)[offset:]
		hash := bytesOrder.Uint64(b[4:])
		if s.index[hash] == (place{s.newest - shardSegments, uint32(offset)}) {
			delete(s.index, hash)
		}
		offset += entryHead + int(bytesOrder.Uint32(b))
	}
	*segment = (*segment)[:0]
}

func (s *userShard) forget(hash uint64) { delete(s.index, hash) }

// An ownerShard knows whose sessions are, by hashes. Whoever asks holds the answer
// against the image, so one that is wrong or outdated does no harm.
type ownerShard struct {
	mu       sync.Mutex
	young    map[uint64]uint64
	previous map[uint64]uint64
}

func (o *ownerShard) get(id uint64) (user uint64, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if user, ok = o.young[id]; ok {
		return user, true
	}
	if user, ok = o.previous[id]; ok {
		o.young[id] = user
	}
	return user, ok
}

// put adds an owner. When there are more than most, what was neither put nor asked
// for since the last time goes.
func (o *ownerShard) put(id, user uint64, most int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.young) >= most {
		o.young, o.previous = map[uint64]uint64{}, o.young
	}
	o.young[id] = user
}
