package rollcall

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A User is what is kept of a user: nothing but what guards the user's
// sessions. The zero value, but for ID, is a user nobody has seen.
type User struct {
	ID string
	// Version moves whenever a session of the user is added or ended.
	Version uint64
	// Generation of the user: sessions with a smaller one are over.
	Generation uint64
	// GenerationAt is when Generation last moved.
	GenerationAt time.Time
}

// Everybody is the generation of all users, kept as a [Document] of name
// [EverybodyDocument].
type Everybody struct {
	Generation   uint64    `json:"generation"`
	GenerationAt time.Time `json:"generation_at"`
}

// EverybodyDocument is the name of the document that holds [Everybody].
const EverybodyDocument = "everybody"

// CheckUserID holds a user id against the rule: valid UTF-8, 1 to 300 code
// points, no control characters, no space at either end.
func CheckUserID(id string) error {
	switch n := utf8.RuneCountInString(id); {
	case n == 0:
		return Errorf(CodeInvalid, "A user id must not be empty")
	case n > MaxUserIDLength:
		return Errorf(CodeInvalid, "A user id has at most %d characters", MaxUserIDLength)
	case !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) || strings.TrimSpace(id) != id:
		return Errorf(CodeInvalid, "A user id is valid UTF-8 without control characters and without space at either end")
	}
	return nil
}
