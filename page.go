package rollcall

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"
)

// Bounds and default of a page (docs/published-api.md P36).
const (
	DefaultTake = 50
	MaxTake     = 100
)

// A Position is a place in a user's sessions, which are ordered newest created
// first and then by id. The zero Position is before the first.
type Position struct {
	CreatedAt time.Time
	ID        string
}

// Before reports whether a session at p comes before one at other.
func (p Position) Before(other Position) bool {
	if !p.CreatedAt.Equal(other.CreatedAt) {
		return p.CreatedAt.After(other.CreatedAt)
	}
	return p.ID < other.ID
}

// Position returns the session's place in its user's list.
func (s *Session) Position() Position { return Position{CreatedAt: s.CreatedAt, ID: s.ID} }

// A Page is a part of a user's live sessions.
type Page struct {
	Sessions []Session
	// Next is the cursor of the page that follows, "" when no session does.
	Next string
	// Total is the number of the user's live sessions, when it was asked for; -1 when it is
	// larger than ListQuery.TotalUpTo.
	Total int
	// Until is the first instant at which a session that the page depends on comes to
	// its own end; the zero time if there is none. Before Until the page changes only
	// by what somebody does.
	Until time.Time
}

const (
	cursorVersion      = 1
	cursorUserSessions = 's'
	cursorHeader       = 2 + 8 + 8
)

// EncodeCursor returns the cursor for what follows the position in the user's
// sessions: base64url of version, kind of list, a hash of the user,
// created_at, id. It holds on every node, for ever, and when the session at the
// position is gone.
func EncodeCursor(userID string, p Position) string {
	b := make([]byte, 0, cursorHeader+maxIDLength)
	b = append(b, cursorVersion, cursorUserSessions)
	user := sha256.Sum256([]byte(userID))
	b = append(b, user[:8]...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.CreatedAt.UnixMilli()))
	b = append(b, p.ID...)
	return strict.EncodeToString(b)
}

// ErrBadCursor refuses a cursor that is not ours, or not of this list. Its text
// is the published one (docs/published-api.md P37).
var ErrBadCursor = Errorf(CodeInvalid, "The checkpoint ID provided in the 'from' parameter has expired or is invalid, please remove the checkpoint ID and try again")

// DecodeCursor is the inverse of EncodeCursor. It fails with ErrBadCursor, also for
// what only encoding/base64 would pass over: line breaks.
func DecodeCursor(userID, cursor string) (Position, error) {
	b, err := strict.DecodeString(cursor)
	if err != nil || strings.ContainsAny(cursor, "\r\n") || len(b) < cursorHeader || b[0] != cursorVersion || b[1] != cursorUserSessions {
		return Position{}, ErrBadCursor
	}
	user := sha256.Sum256([]byte(userID))
	p := Position{
		CreatedAt: time.UnixMilli(int64(binary.BigEndian.Uint64(b[10:]))).UTC(),
		ID:        string(b[cursorHeader:]),
	}
	if string(b[2:10]) != string(user[:8]) || !IsSessionID(p.ID) {
		return Position{}, ErrBadCursor
	}
	return p, nil
}

// A ListQuery asks for a page of a user's live sessions.
type ListQuery struct {
	UserID string
	// From is a cursor that an earlier page gave, "" for the first page.
	From string
	// Take is the number of sessions at most, 1 to MaxTake.
	Take int
	// Total asks for the number of the user's live sessions as well.
	Total bool
	// TotalUpTo bounds how far is counted for Total, and so what the query costs; 0 counts
	// all of the user's sessions.
	TotalUpTo int
}

// After holds the query against its bounds and returns the position that its cursor names.
//
// Errors: CodeInvalid, ErrBadCursor among them.
func (q ListQuery) After() (after Position, err error) {
	if err := CheckUserID(q.UserID); err != nil {
		return Position{}, err
	}
	if q.Take < 1 || q.Take > MaxTake {
		return Position{}, Errorf(CodeInvalid, "A page has 1 to %d sessions", MaxTake)
	}
	if q.From == "" {
		return Position{}, nil
	}
	return DecodeCursor(q.UserID, q.From)
}
