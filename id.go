package rollcall

import (
	"crypto/rand"
	"encoding/base64"
)

const (
	minIDLength    = 16
	maxIDLength    = 50
	secretLength   = 43 // base64url of 32 bytes
	checksumLength = 6  // base64url of a CRC-32
)

// strict refuses what decodes to the same bytes but is spelled differently.
var strict = base64.RawURLEncoding.Strict()

// NewSessionID returns a new random id: 32 characters of base64url.
func NewSessionID() string {
	var b [24]byte
	rand.Read(b[:])
	return spellID(b[:])
}

// spellID writes an id. None of ours begins with a hyphen, so that no command
// line takes it for a flag.
func spellID(b []byte) string {
	id := strict.EncodeToString(b)
	if id[0] == '-' {
		return "_" + id[1:]
	}
	return id
}

// CheckSessionID reports whether an id made elsewhere has the form that is
// accepted: 16 to 50 characters of base64url.
func CheckSessionID(id string) error {
	if !IsSessionID(id) {
		return Errorf(CodeInvalid, "A session id has %d to %d characters of A-Z, a-z, 0-9, _ and -", minIDLength, maxIDLength)
	}
	return nil
}

// IsSessionID reports whether id can be the id of a session.
func IsSessionID(id string) bool {
	if len(id) < minIDLength || len(id) > maxIDLength {
		return false
	}
	for i := range len(id) {
		if !isIDByte(id[i]) {
			return false
		}
	}
	return true
}

func isIDByte(c byte) bool { return idBytes[c] }

// idBytes are what an id is made of. It is a table since ids are random: no processor
// guesses which kind of character comes next.
var idBytes = func() (t [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-" {
		t[c] = true
	}
	return t
}()
