package pebble

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/rollcall-id/rollcall"
)

// The key space. All of one user's rows share a prefix, so that a page is one
// short range and begins with the user's row:
//
//	s <length> <user> 0                          the user's row
//	s <length> <user> 1 <newest first> <id>      a session, perhaps with an ending behind it
//	s <length> <user> 2 <newest first> <id>      a session that was ended, and read for it or moved
//	i <id>                                       pointer: where the session lies
//	x <due> <id>                                 filing for the sweep
//	e <sequence>                                 event
//	d <name>                                     document
//	t <sequence>                                 uses of sessions
//	m <name>                                     what the store keeps of itself
//
// The user's length comes first, so no user's prefix is the beginning of
// another's.
const (
	spaceUser     = 's'
	spacePointer  = 'i'
	spaceFiling   = 'x'
	spaceEvent    = 'e'
	spaceDocument = 'd'
	spaceUse      = 't'
	spaceMeta     = 'm'

	kindUser  = 0
	kindLive  = 1
	kindEnded = 2
)

// maxUserID is the length, in bytes, that a key has room to say.
const maxUserID = math.MaxUint16

func appendUserPrefix(b []byte, userID string) []byte {
	b = append(b, spaceUser)
	b = binary.BigEndian.AppendUint16(b, uint16(len(userID)))
	return append(b, userID...)
}

func userKey(userID string) []byte {
	return append(appendUserPrefix(make([]byte, 0, 4+len(userID)), userID), kindUser)
}

// sessionKey places a session: kindLive or kindEnded, newest first, then by id.
func sessionKey(kind byte, userID string, p rollcall.Position) []byte {
	b := make([]byte, 0, 12+len(userID)+len(p.ID))
	b = append(appendUserPrefix(b, userID), kind)
	b = binary.BigEndian.AppendUint64(b, math.MaxUint64-uint64(p.CreatedAt.UnixMilli()))
	return append(b, p.ID...)
}

func pointerKey(id string) []byte {
	return append(append(make([]byte, 0, 1+len(id)), spacePointer), id...)
}

func filingKey(due time.Time, id string) []byte {
	b := append(make([]byte, 0, 9+len(id)), spaceFiling)
	b = binary.BigEndian.AppendUint64(b, uint64(due.UnixMilli()))
	return append(b, id...)
}

// readFiling is the inverse of filingKey.
func readFiling(key []byte) (due time.Time, id string) {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(key[1:]))).UTC(), string(key[9:])
}

func eventKey(sequence uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceEvent}, sequence)
}

func useKey(sequence uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceUse}, sequence)
}

func documentKey(name string) []byte { return append([]byte{spaceDocument}, name...) }

func metaKey(name string) []byte { return append([]byte{spaceMeta}, name...) }

// A pointer says where a session's row lies. It is written under the session's
// id, and claims the id.
type pointer struct {
	kind      byte
	createdAt time.Time
	userID    string
}

func (p pointer) encode() []byte {
	b := append(make([]byte, 0, 9+len(p.userID)), p.kind)
	b = binary.BigEndian.AppendUint64(b, uint64(p.createdAt.UnixMilli()))
	return append(b, p.userID...)
}

func decodePointer(b []byte) (pointer, error) {
	if len(b) > 0 && b[0] > kindEnded {
		// The kind is the record's format, too: a later one has another.
		return pointer{}, errNewer("a pointer", b[0], kindEnded)
	}
	if len(b) < 9 || b[0] == kindUser {
		return pointer{}, errCorrupt("a pointer")
	}
	return pointer{
		kind:      b[0],
		createdAt: time.UnixMilli(int64(binary.BigEndian.Uint64(b[1:]))).UTC(),
		userID:    string(b[9:]),
	}, nil
}

func (p pointer) row(id string) []byte {
	return sessionKey(p.kind, p.userID, rollcall.Position{CreatedAt: p.createdAt, ID: id})
}
