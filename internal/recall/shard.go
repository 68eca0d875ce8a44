package recall

import (
	"sync"

	"github.com/rollcall-id/rollcall"
)

// A shard holds the blocks of the users whose hashes choose the shard. Blocks and
// appended sessions are entries of segments, which are written one after the other. When
// there is no room the oldest segment is cleared, but for the blocks that were looked for
// since the segment was written.
//
// All of a user lies in one shard: the user's block, the sessions appended to that, and
// lone blocks of the user's sessions.
type shard struct {
	mu       sync.Mutex
	number   address           // the shard's bits of an address
	blocks   map[uint64]offset // by key: the user's hash, or the key of a lone block
	segments [shardSegments][]byte
	newest   uint64 // the segment that is written
	serials  uint32 // how many blocks were put, which gives each its serial
	uses     uses
	hits     uint64 // looks that were answered

	memory       *Memory
	dictionaries *dictionaries // of the blocks

	// standing is what the decision about a use is given, under mu: a variable of the
	// call would be allocated.
	standing rollcall.Standing
}

// An offset is where in a shard an entry begins, or a record: a segment, and a position
// in that.
type offset uint64

// An address is an offset and its shard; 0 is none, since no record begins an entry.
type address uint64

// noOffset is where nothing is.
const noOffset = ^offset(0)

const (
	shardSegments = 8
	// minSegment has room for the largest block that there is.
	minSegment = 128 << 10
	maxShards  = 64 // the number of shards is a power of two

	positionBits = 31
	maxSegment   = 1 << positionBits
	offsetBits   = positionBits + 3
	offsetMask   = 1<<offsetBits - 1
)

func offsetOf(segment uint64, position int) offset {
	return offset(segment<<positionBits | uint64(position))
}

func (o offset) segment() uint64 { return uint64(o >> positionBits) }

func (o offset) position() int { return int(o & (maxSegment - 1)) }

func (a address) offset() offset { return offset(a & offsetMask) }

func (a address) shard() int { return int(a>>offsetBits) % maxShards }

// The head of an entry.
const (
	atUser    = 4          // after the size of what follows the head
	atLooked  = atUser + 8 // after the user's hash: 1 if the entry was looked for
	entryHead = atLooked + 1
)

// userOf is the hash of the user whose entry this is.
func (s *shard) userOf(entry offset) uint64 {
	return bytesOrder.Uint64(s.segments[entry.segment()][entry.position()+atUser:])
}

// block returns the block, or the appended session, of an entry.
func (s *shard) block(entry offset) block {
	b := s.segments[entry.segment()][entry.position():]
	n := bytesOrder.Uint32(b)
	return b[entryHead : entryHead+n : entryHead+n]
}

// key is what the block of an entry is found by.
func (s *shard) key(entry offset) uint64 {
	if b := s.block(entry); !b.isAppended() && b.isLone() {
		return s.memory.loneKeyOf(b)
	}
	return s.userOf(entry)
}

// isCurrent reports whether the block of an entry is found by its key.
func (s *shard) isCurrent(entry offset) bool {
	found, ok := s.blocks[s.key(entry)]
	return ok && found == entry
}

// get returns the entry of the block with the key, good or not.
func (s *shard) get(key uint64) (entry offset, ok bool) {
	if entry, ok = s.blocks[key]; ok {
		s.looked(entry)
	}
	return entry, ok
}

// looked notes that the entry was looked for.
func (s *shard) looked(entry offset) {
	s.segments[entry.segment()][entry.position()+atLooked] = 1
}

// byteAt is where in memory an offset is.
func (s *shard) byteAt(o offset) *byte { return &s.segments[o.segment()][o.position()] }

// record returns the record at an offset, and the entry that the record is a part of.
func (s *shard) record(at offset) (r record, entry offset) {
	segment, position := s.segments[at.segment()], at.position()
	size := int(bytesOrder.Uint16(segment[position:]))
	entry = at - offset(bytesOrder.Uint32(segment[position+atBack:])+entryHead)
	return record(segment[position : position+size : position+size]), entry
}

// addressOf is the address of a record of the entry.
func (s *shard) addressOf(entry offset, r record) address {
	return s.number | address(entry) + address(entryHead+bytesOrder.Uint32(r[atBack:]))
}

// list lets the index lead to a record of the entry.
func (s *shard) list(entry offset, r record) {
	s.memory.index.put(s.memory.epochs.hashBytes(r.sessionID()), s.addressOf(entry, r))
}

// put adds a block in the place of the one that has the key. The uses of the replaced
// block, and those that the new one shows, must have been handed over. put reports false
// for a block that is too large.
func (s *shard) put(key, user uint64, b block) bool {
	segment := &s.segments[s.newest]
	if entryHead+len(b) > cap(*segment) {
		return false
	}
	if len(*segment)+entryHead+len(b) > cap(*segment) {
		s.rotate()
		segment = &s.segments[s.newest]
	}
	if old, ok := s.blocks[key]; ok {
		s.block(old).outdate()
	}
	entry := offsetOf(s.newest, len(*segment))
	*segment = append(s.appendEntry(user, len(b)), b...)
	s.blocks[key] = entry
	kept := s.block(entry)
	s.serials++
	bytesOrder.PutUint32(kept[atSerial:], s.serials)
	s.uses.settle(kept)
	for r := range kept.records {
		s.list(entry, r)
	}
	return true
}

// appendEntry returns the newest segment with the head of an entry of a size behind it.
func (s *shard) appendEntry(user uint64, size int) []byte {
	b := bytesOrder.AppendUint32(s.segments[s.newest], uint32(size))
	return append(bytesOrder.AppendUint64(b, user), 0)
}

// entries yields the entries of a segment.
func (s *shard) entries(segment uint64) func(yield func(offset) bool) {
	return func(yield func(offset) bool) {
		b := s.segments[segment]
		for position := 0; position < len(b); position += entryHead + int(bytesOrder.Uint32(b[position:])) {
			if !yield(offsetOf(segment, position)) {
				return
			}
		}
	}
}

// rotate clears the oldest segment, which is the newest from then on. The blocks that were
// looked for stay, as far as they leave a quarter of the room for others.
func (s *shard) rotate() {
	type staying struct {
		key, user uint64
		block     block
	}
	oldest := (s.newest + 1) % shardSegments
	var stays []staying
	size := 0
	for entry := range s.entries(oldest) {
		b := s.block(entry)
		if s.segments[oldest][entry.position()+atLooked] != 1 || !s.isCurrent(entry) || b.isLone() && !s.isGood(entry, b) {
			continue
		}
		if b = s.gather(nil, entry); size+len(b) < cap(s.segments[oldest])*3/4 {
			stays = append(stays, staying{s.key(entry), s.userOf(entry), b})
			size += entryHead + len(b)
		}
	}
	s.drop(oldest)
	s.newest = oldest
	for _, b := range stays {
		s.put(b.key, b.user, b.block)
	}
}

// drop forgets all that is in a segment.
func (s *shard) drop(segment uint64) {
	for entry := range s.entries(segment) {
		if s.isCurrent(entry) {
			s.forget(s.key(entry))
		}
		for r := range s.block(entry).all {
			s.memory.index.remove(s.memory.epochs.hashBytes(r.sessionID()), s.addressOf(entry, r))
		}
	}
	s.uses.leave(segment)
	s.segments[segment] = s.segments[segment][:0]
}

// forget hands the uses of the block with the key over and lets the block not be found any
// more.
func (s *shard) forget(key uint64) {
	if entry, ok := s.blocks[key]; ok {
		s.handOver(entry)
		s.block(entry).outdate()
		delete(s.blocks, key)
	}
}

// begin drops everything; from now on blocks are made with these dictionaries.
func (s *shard) begin(d *dictionaries) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for segment := range uint64(shardSegments) {
		s.drop(segment)
	}
	s.dictionaries = d
}
