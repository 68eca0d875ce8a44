package rollcall

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"log/slog"
)

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
func (h SecretHash) Matches(s Secret) bool { return h.MatchesHash(s.Hash()) }

func (h SecretHash) MatchesHash(sum SecretHash) bool {
	return subtle.ConstantTimeCompare(h[:], sum[:]) == 1
}

// A DerivationKey makes what may have to be answered twice: the same inputs
// give the same token, and without the key nobody can make it.
type DerivationKey Secret

// String hides the key.
func (k DerivationKey) String() string { return redacted }

// GoString hides the key.
func (k DerivationKey) GoString() string { return redacted }

// Token derives an id and a secret from a purpose and parts: the same ones each time.
func (k DerivationKey) Token(purpose string, parts ...string) Token {
	id := k.Derive(purpose+" id", parts)
	return Token{
		ID:     spellID(id[:24]),
		Secret: k.Derive(purpose+" secret", parts),
	}
}

// Derive returns 32 bytes that depend on the key, the label and the parts alone.
func (k DerivationKey) Derive(label string, parts []string) (out [32]byte) {
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
