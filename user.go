package rollcall

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A User is what is kept of a user: what guards and ends the user's sessions. The zero
// value, but for ID, is a user whom nobody has seen.
type User struct {
	ID string
	// Version moves whenever a session of the user is added or ended. 0 is a row that
	// does not exist.
	Version uint64
	// Generation of the user: a session of another generation is over.
	Generation uint64
	// GenerationAt, GenerationReason and GenerationBy are when, why and by whom
	// Generation last moved; zero when it never has.
	GenerationAt     time.Time
	GenerationReason Reason
	GenerationBy     string
	// TokenGeneration of the user: a refresh token of another one is over.
	TokenGeneration   uint64
	TokenGenerationAt time.Time
	// Events is the number of the user's events so far. The engine counts.
	Events uint64
}

// Everybody is what ends the sessions of all users. The zero value is a store in which
// nothing was ever ended so.
type Everybody struct {
	// Version moves with every put of the row. 0 is a row that was never put.
	Version uint64
	// Generation of all users: a session with a smaller one is over.
	Generation uint64
	// GenerationAt and GenerationBy are when and by whom Generation last moved.
	GenerationAt time.Time
	GenerationBy string
	// Settings is the version of the settings that are policy.
	Settings uint64
	// Clients are the generations of clients' refresh tokens. Nil when none ever moved.
	Clients map[string]uint64
}

// A Standing is all that decides, beside the session's own row, whether the session is
// over.
type Standing struct {
	User      User
	Everybody Everybody
}

// CheckUserID holds a user id against the rule: valid UTF-8, 1 to 300 code
// points, no control characters, no space at either end, and none of ".", ".." and "/": whoever
// parses a path on the way takes such a segment for no name.
func CheckUserID(id string) error {
	switch n := utf8.RuneCountInString(id); {
	case n == 0:
		return Errorf(CodeInvalid, "A user id must not be empty")
	case n > MaxUserIDLength:
		return Errorf(CodeInvalid, "A user id has at most %d characters", MaxUserIDLength)
	case !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) || strings.TrimSpace(id) != id:
		return Errorf(CodeInvalid, "A user id is valid UTF-8 without control characters and without space at either end")
	case id == "." || id == ".." || id == "/":
		return Errorf(CodeInvalid, `A user id is none of ".", ".." and "/": no client can name these in a path`)
	}
	return nil
}
