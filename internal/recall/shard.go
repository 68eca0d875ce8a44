package recall

import "sync"

// A userShard holds images in segments, which are written one after the other. When
// there is no room the oldest segment is cleared, but for what was looked for since the
// last time.
type userShard struct {
	mu       sync.Mutex
	number   location // its bits of a location
	index    map[uint64]place
	segments [shardSegments][]byte // each in its capacity
	newest   uint64                // the segment that is written
	marked   uint32                // images so far, which are told apart by it
	uses     recordedUses

	cache        *Memory
	dictionaries *dictionaries // of the images
}

// A place is where in a shard an image begins, or a part of one: a segment, and an
// offset in it.
type place uint64

// A location is a place and its shard; 0 is none, since an image has a head.
type location uint64

const (
	shardSegments = 8
	// minSegment has room for the largest image there is.
	minSegment = 128 << 10
	maxShards  = 64 // a power of two, as all numbers of shards

	offsetBits = 31
	maxSegment = 1 << offsetBits
	placeBits  = offsetBits + 3
	placeMask  = 1<<placeBits - 1
)

func at(segment uint64, offset int) place { return place(segment<<offsetBits | uint64(offset)) }

func (p place) segment() uint64 { return uint64(p >> offsetBits) }

func (p place) offset() int { return int(p & (maxSegment - 1)) }

func (l location) place() place { return place(l & placeMask) }

func (l location) shard() int { return int(l>>placeBits) % maxShards }

// get returns where the user's image is, good or not.
func (s *userShard) get(hash uint64) (p place, ok bool) {
	if p, ok = s.index[hash]; ok {
		s.looked(p)
	}
	return p, ok
}

// looked notes that the image at a place has been looked for.
func (s *userShard) looked(p place) { s.segments[p.segment()][p.offset()+atLooked] = 1 }

func (s *userShard) oldest() uint64 { return (s.newest + 1) % shardSegments }

// image returns the image at a place, with its length before it.
func (s *userShard) image(p place) image {
	b := s.segments[p.segment()][p.offset():]
	n := bytesOrder.Uint32(b)
	return b[entryHead : entryHead+n : entryHead+n]
}

// byteAt is where in memory a place is.
func (s *userShard) byteAt(p place) *byte { return &s.segments[p.segment()][p.offset()] }

// part returns the session at a place, and where the entry is that it is a part of.
func (s *userShard) part(p place) (part image, entry place) {
	segment, offset := s.segments[p.segment()], p.offset()
	size := int(bytesOrder.Uint16(segment[offset:]))
	entry = p - place(bytesOrder.Uint32(segment[offset+atBack:])+entryHead)
	return segment[offset : offset+size : offset+size], entry
}

// The head of an entry is its length, the hash of its user, and whether it was looked
// for.
const (
	atUser    = 4
	atLooked  = atUser + 8
	entryHead = atLooked + 1
)

func (s *userShard) hash(p place) uint64 {
	return bytesOrder.Uint64(s.segments[p.segment()][p.offset()+atUser:])
}

// put adds an image that has no uses to write, in the place of the user's present one,
// whose uses have been spilled. It reports false for one that is too large.
func (s *userShard) put(hash uint64, i image) bool {
	segment := &s.segments[s.newest]
	if entryHead+len(i) > cap(*segment) {
		return false
	}
	if len(*segment)+entryHead+len(i) > cap(*segment) {
		s.turn()
		segment = &s.segments[s.newest]
	}
	if p, ok := s.index[hash]; ok {
		s.image(p).outdate()
	}
	p := at(s.newest, len(*segment))
	*segment = append(s.appendEntry(hash, len(i)), i...)
	s.index[hash] = p
	kept := s.image(p)
	s.marked++
	bytesOrder.PutUint32(kept[atMark:], s.marked)
	s.uses.forget(kept)
	for part := range kept.sessions {
		s.cache.owners.put(s.cache.clock.hashBytes(part.sessionID()), s.located(p, part))
	}
	return true
}

// appendEntry is the newest segment with the head of an entry of a size behind it.
func (s *userShard) appendEntry(hash uint64, size int) []byte {
	b := bytesOrder.AppendUint32(s.segments[s.newest], uint32(size))
	return append(bytesOrder.AppendUint64(b, hash), 0)
}

// located is where a part of the entry at a place lies.
func (s *userShard) located(p place, part image) location {
	return s.number | location(p) + location(entryHead+bytesOrder.Uint32(part[atBack:]))
}

// turn clears the oldest segment, which is the newest from then on. What was looked for
// stays, if it leaves room for others.
func (s *userShard) turn() {
	oldest := s.oldest()
	b := s.segments[oldest]
	stays := map[uint64]image{}
	size := 0
	for offset := 0; offset < len(b); offset += entryHead + int(bytesOrder.Uint32(b[offset:])) {
		p := at(oldest, offset)
		if hash := s.hash(p); s.index[hash] == p && b[offset+atLooked] == 1 {
			if i := s.gather(nil, p); size+len(i) < cap(b)*3/4 {
				stays[hash] = i
				size += entryHead + len(i)
			}
		}
	}
	s.drop(oldest)
	s.newest = oldest
	for hash, i := range stays {
		s.put(hash, i)
	}
}

// drop forgets all that is in a segment.
func (s *userShard) drop(segment uint64) {
	b := s.segments[segment]
	for offset := 0; offset < len(b); offset += entryHead + int(bytesOrder.Uint32(b[offset:])) {
		p := at(segment, offset)
		if hash := s.hash(p); s.index[hash] == p {
			s.forget(hash)
		}
		for part := range s.image(p).parts {
			s.cache.owners.remove(s.cache.clock.hashBytes(part.sessionID()), s.located(p, part))
		}
	}
	s.uses.leave(segment)
	s.segments[segment] = b[:0]
}

// forget makes the user's image one that is not found any more.
func (s *userShard) forget(hash uint64) {
	if p, ok := s.index[hash]; ok {
		s.spill(p)
		s.image(p).outdate()
		delete(s.index, hash)
	}
}

// begin drops everything; from now on images are made with these dictionaries.
func (s *userShard) begin(d *dictionaries) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for segment := range uint64(shardSegments) {
		s.drop(segment)
	}
	s.dictionaries = d
}
