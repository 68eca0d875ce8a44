package rollcall

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"
)

// TokenPrefix begins every session token, so that scanners find leaked ones:
// rcs_[A-Za-z0-9_-]{65,99}.
const TokenPrefix = "rcs_"

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

func newEventID() string {
	var b [16]byte
	rand.Read(b[:])
	return "evt_" + strict.EncodeToString(b[:])
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

// A Secret is the part of a session token that proves its possession. It never
// prints: every formatting of it yields a placeholder.
type Secret [32]byte

// NewSecret returns 256 random bits.
func NewSecret() (s Secret) {
	rand.Read(s[:])
	return s
}

// Hash is what is kept of the secret.
func (s Secret) Hash() SecretHash { return sha256.Sum256(s[:]) }

const redacted = "[redacted]"

// String hides the secret.
func (s Secret) String() string { return redacted }

// GoString hides the secret.
func (s Secret) GoString() string { return redacted }

// Format hides the secret, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText hides the secret, in JSON too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue hides the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// A SecretHash is the SHA-256 of a secret: all that is stored of it.
type SecretHash [sha256.Size]byte

// Matches reports in constant time whether s is the hashed secret.
func (h SecretHash) Matches(s Secret) bool { return h.equal(s.Hash()) }

func (h SecretHash) equal(sum SecretHash) bool { return subtle.ConstantTimeCompare(h[:], sum[:]) == 1 }

// A Token is what its holder shows to use a session: the id and the secret.
type Token struct {
	ID     string
	Secret Secret
}

// Reveal returns the token's text: prefix, id, secret, checksum. It is the only
// way by which a secret leaves the process.
func (t Token) Reveal() string {
	b := make([]byte, 0, len(TokenPrefix)+len(t.ID)+secretLength+checksumLength)
	b = append(b, TokenPrefix...)
	b = append(b, t.ID...)
	b = strict.AppendEncode(b, t.Secret[:])
	return string(appendChecksum(b))
}

// String names the token without its secret.
func (t Token) String() string { return TokenPrefix + t.ID + redacted }

func appendChecksum(b []byte) []byte {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE(b))
	return strict.AppendEncode(b, sum[:])
}

// tokenID returns the id of a text that has the form of a token. It counts from the
// right: the id may have any length that an id can have.
func tokenID(text string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(text, TokenPrefix)
	idLength := len(rest) - secretLength - checksumLength
	if !ok || idLength < minIDLength || idLength > maxIDLength {
		return "", false
	}
	return rest[:idLength], IsSessionID(rest[:idLength])
}

// ParseToken reads a token's text. The checksum refuses typos before anything is
// looked up.
func ParseToken(text string) (Token, bool) {
	id, ok := tokenID(text)
	if !ok {
		return Token{}, false
	}
	return parseToken(text, id)
}

// parseToken is ParseToken for a text whose id has been read.
func parseToken(text, id string) (t Token, ok bool) {
	t.ID = id
	var buffer [len(TokenPrefix) + maxIDLength + secretLength + checksumLength]byte
	unsigned := text[:len(text)-checksumLength]
	if string(appendChecksum(append(buffer[:0], unsigned...))) != text {
		return Token{}, false
	}
	if n, err := strict.Decode(t.Secret[:], []byte(unsigned[len(unsigned)-secretLength:])); err != nil || n != len(t.Secret) {
		return Token{}, false
	}
	return t, true
}

// A DerivationKey makes what may have to be answered twice: the same inputs
// give the same token, and without the key nobody can make it.
type DerivationKey Secret

// String hides the key.
func (k DerivationKey) String() string { return redacted }

// GoString hides the key.
func (k DerivationKey) GoString() string { return redacted }

// token derives an id and a secret from what the purpose and the parts say.
func (k DerivationKey) token(purpose string, parts ...string) Token {
	id := k.derive(purpose+" id", parts)
	return Token{
		ID:     spellID(id[:24]),
		Secret: k.derive(purpose+" secret", parts),
	}
}

func (k DerivationKey) derive(label string, parts []string) (out [32]byte) {
	mac := hmac.New(sha256.New, k[:])
	for _, part := range append([]string{label}, parts...) {
		var size [8]byte // a length before each part: no two lists read alike
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		mac.Write(size[:])
		mac.Write([]byte(part))
	}
	mac.Sum(out[:0])
	return out
}
