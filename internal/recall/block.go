package recall

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/rollcall-id/rollcall"
)

// A block is what is remembered of one user, as one run of bytes without pointers: the
// user's row, then a record of each session; see doc.go for a picture. Numbers are
// little-endian.
//
//	state       1
//	serial      4  that no other block of the shard has
//	next        8  the offset of the latest appended session, or noOffset;
//	               in a lone block the user's epoch
//	appended    2  how many sessions were appended
//	version     8  of the user's row
//	generation  8  of the user
//	events      4  of the user
//	used        4  the latest round in which a use of one of the sessions was recorded
//	count       2  of the records when the block was made; or tooMany, or loneCount
//	id size     2
//	rest size   2
//	id             of the user
//	rest           of the user's row; see appendUserRest
//	records        see record
type block []byte

const (
	atSerial     = 1
	atNext       = atSerial + 4
	atAppended   = atNext + 8
	atVersion    = atAppended + 2
	atGeneration = atVersion + 8
	atEvents     = atGeneration + 8
	atUsed       = atEvents + 4
	atCount      = atUsed + 4
	atIDSize     = atCount + 2
	atRestSize   = atIDSize + 2
	blockHead    = atRestSize + 2

	// MaxSessions bounds the sessions of a block, and so what a fill reads.
	MaxSessions = 64
	// tooMany is the count of a block without records, of a user with more sessions.
	tooMany = 1<<16 - 1
	// loneCount is the count of a lone block.
	loneCount = tooMany - 1
)

// The states of a block.
const (
	// blockGood: the block is what is stored, but for uses.
	blockGood = iota
	// blockSuspended: an act on the user is under way.
	blockSuspended
	// blockGone: the block is never good again.
	blockGone
	// appendedState is that of an appended session, which is no block.
	appendedState
)

var bytesOrder = binary.LittleEndian

// newBlock is a block without records. It reports false when no block can hold the user's
// row.
func (d charged) newBlock(u *rollcall.User, count int) (block, bool) {
	var room [64]byte
	rest, ok := d.appendUserRest(room[:0], u)
	if !ok || u.Events > math.MaxUint32 || len(u.ID) > math.MaxUint16 {
		return nil, false
	}
	b := make(block, 0, blockHead+len(u.ID)+len(rest)+min(count, MaxSessions)*usualRecord)
	b = append(b, blockGood)
	b = bytesOrder.AppendUint32(b, 0)
	b = bytesOrder.AppendUint64(b, uint64(noOffset))
	b = bytesOrder.AppendUint16(b, 0)
	b = bytesOrder.AppendUint64(b, u.Version)
	b = bytesOrder.AppendUint64(b, u.Generation)
	b = bytesOrder.AppendUint32(b, uint32(u.Events))
	b = bytesOrder.AppendUint32(b, 0)
	b = bytesOrder.AppendUint16(b, uint16(count))
	b = bytesOrder.AppendUint16(b, uint16(len(u.ID)))
	b = bytesOrder.AppendUint16(b, uint16(len(rest)))
	return append(append(b, u.ID...), rest...), true
}

// appendUserRest appends what of a user's row is not in the head of a block: nothing for
// a user whose generations have not moved, as of most.
//
//	token generation     8
//	generation at        6
//	token generation at  6
//	reason               2  text
//	by                      the rest
func (d charged) appendUserRest(b []byte, u *rollcall.User) ([]byte, bool) {
	if u.TokenGeneration == u.Generation && u.GenerationAt.IsZero() && u.TokenGenerationAt.IsZero() && u.GenerationReason == "" && u.GenerationBy == "" {
		return b, true
	}
	ok := len(u.GenerationBy) <= maxText
	b = bytesOrder.AppendUint64(b, u.TokenGeneration)
	b, ok = appendTime(b, u.GenerationAt, ok)
	b, ok = appendTime(b, u.TokenGenerationAt, ok)
	b, ok = d.appendNumber(b, string(u.GenerationReason), ok)
	return append(b, u.GenerationBy...), ok
}

// user is the user's row without the id.
func (d *dictionaries) user(b block) rollcall.User {
	u := rollcall.User{Version: b.version(), Generation: b.generation(), Events: uint64(bytesOrder.Uint32(b[atEvents:]))}
	rest := b.userRest()
	if len(rest) == 0 {
		u.TokenGeneration = u.Generation
		return u
	}
	u.TokenGeneration, rest = bytesOrder.Uint64(rest), rest[8:]
	u.GenerationAt, u.TokenGenerationAt, rest = readTime(rest), readTime(rest[timeSize:]), rest[2*timeSize:]
	u.GenerationReason, u.GenerationBy = rollcall.Reason(d.texts.value(rest)), string(rest[2:])
	return u
}

// setUser puts what most changes move of a user's row into the block. It reports false,
// and has done nothing, when something else has moved as well.
func (d charged) setUser(b block, u *rollcall.User) bool {
	var room [64]byte
	rest, ok := d.appendUserRest(room[:0], u)
	if !ok || u.Events > math.MaxUint32 || u.Generation != b.generation() || !bytes.Equal(rest, b.userRest()) {
		return false
	}
	bytesOrder.PutUint64(b[atVersion:], u.Version)
	bytesOrder.PutUint32(b[atEvents:], uint32(u.Events))
	return true
}

func (b block) isGood() bool { return b[0] == blockGood }

// suspend is called when an act begins. A block that an earlier act left suspended has
// not got that act's change and is gone.
func (b block) suspend() {
	if b[0] == blockGood {
		b[0] = blockSuspended
	} else {
		b[0] = blockGone
	}
}

func (b block) outdate() { b[0] = blockGone }

func (b block) serial() uint32 { return bytesOrder.Uint32(b[atSerial:]) }

func (b block) appended() int { return int(bytesOrder.Uint16(b[atAppended:])) }

func (b block) version() uint64 { return bytesOrder.Uint64(b[atVersion:]) }

func (b block) generation() uint64 { return bytesOrder.Uint64(b[atGeneration:]) }

func (b block) used() uint32 { return bytesOrder.Uint32(b[atUsed:]) }

func (b block) setUsed(round uint32) { bytesOrder.PutUint32(b[atUsed:], round) }

func (b block) count() int { return int(bytesOrder.Uint16(b[atCount:])) }

// overflows reports whether the user has more sessions than a block holds.
func (b block) overflows() bool { return b.count() == tooMany }

func (b block) isLone() bool { return b.count() == loneCount }

func (b block) userID() []byte { return b[blockHead : blockHead+int(bytesOrder.Uint16(b[atIDSize:]))] }

func (b block) userRest() []byte {
	begins := blockHead + int(bytesOrder.Uint16(b[atIDSize:]))
	return b[begins : begins+int(bytesOrder.Uint16(b[atRestSize:]))]
}

func (b block) headSize() int {
	return blockHead + int(bytesOrder.Uint16(b[atIDSize:])) + int(bytesOrder.Uint16(b[atRestSize:]))
}

// records yields the records of a block or of an appended session that are remembered.
func (b block) records(yield func(record) bool) {
	for r := range b.all {
		if !r.is(isGone) && !yield(r) {
			return
		}
	}
}

// all yields all records, those that are gone too.
func (b block) all(yield func(record) bool) {
	begins := appendedHead
	if !b.isAppended() {
		begins = b.headSize()
	}
	for rest := b[begins:]; len(rest) > 0; {
		size := int(bytesOrder.Uint16(rest))
		if !yield(record(rest[:size:size])) {
			return
		}
		rest = rest[size:]
	}
}

// appendRecord appends a record of another block to the block that begins at start.
func (b block) appendRecord(start int, r record) block {
	at := len(b)
	b = append(b, r...)
	bytesOrder.PutUint32(b[at+atBack:], uint32(at-start))
	return b
}
