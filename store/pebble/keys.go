package pebble

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
)

// The key space. All of one user's rows share a prefix, so that a page is one
// short range and begins with the user's row:
//
//	s <length> <user> 0                          the user's row
//	s <length> <user> 1 <newest first> <id>      a session, perhaps with an ending behind the row
//	s <length> <user> 2 <newest first> <id>      a session whose row says that it ended
//	i <id>                                       pointer: where the session's row lies
//	x <due> <id>                                 filing: when a sweep looks at the session
//	e <number>                                   event
//	d <name>                                     document
//	a                                            everybody's row
//	t <number>                                   record of uses of sessions
//	m <name>                                     what the store keeps of itself
//
// The user's length comes first, so no user's prefix is the beginning of
// another's.
const (
	spaceUser      = 's'
	spacePointer   = 'i'
	spaceFiling    = 'x'
	spaceEvent     = 'e'
	spaceDocument  = 'd'
	spaceEverybody = 'a'
	spaceUse       = 't'
	spaceMeta      = 'm'

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

// filingKey is the key of a filing under an instant of filedAt.
func filingKey(due time.Time, id string) []byte {
	b := append(make([]byte, 0, 9+len(id)), spaceFiling)
	b = binary.BigEndian.AppendUint64(b, uint64(due.UnixMilli()))
	return append(b, id...)
}

// filedAt is the instant that a filing can have: keys have no order before 1970.
func filedAt(t time.Time) time.Time { return codec.Milli(max(t.UnixMilli(), 0)) }

// readFiling is the inverse of filingKey.
func readFiling(key []byte) (due time.Time, id string) {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(key[1:]))).UTC(), string(key[9:])
}

func eventKey(number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceEvent}, number)
}

func useKey(number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceUse}, number)
}

func documentKey(name string) []byte { return append([]byte{spaceDocument}, name...) }

func metaKey(name string) []byte { return append([]byte{spaceMeta}, name...) }

// readRowKey returns what kind of row a key of the users' space is of, and whose.
func readRowKey(key []byte) (kind byte, userID []byte) {
	end := 3 + int(binary.BigEndian.Uint16(key[1:]))
	return key[end], key[3:end]
}

// A pointer says where a session's row lies. A pointer is written under the session's
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
	if len(b) < 9 || b[0] != kindLive && b[0] != kindEnded {
		return pointer{}, codec.Corrupt("a pointer")
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
