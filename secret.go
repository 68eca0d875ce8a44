package rollcall

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
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

// A DerivationKey makes what may have to be answered twice: ids and secrets, the same ones
// from the same inputs. Without the key nobody can make an id. With the key alone nobody can
// make a secret: that also takes the RequestDigest in the session's row.
type DerivationKey Secret

// String hides the key.
func (k DerivationKey) String() string { return redacted }

// GoString hides the key.
func (k DerivationKey) GoString() string { return redacted }

// SessionID derives the id of a session from parts.
func (k DerivationKey) SessionID(parts ...string) string {
	id := k.derive("session id", parts)
	return spellID(id[:24])
}

// Secret derives the secret of a session from parts and from the digest that the session's
// row keeps with the secret's hash.
func (k DerivationKey) Secret(d RequestDigest, parts ...string) Secret {
	return k.derive("secret", append([]string{string(d[:])}, parts...))
}

// Fingerprint names the key without telling anything of it, in 43 characters of base64url.
func (k DerivationKey) Fingerprint() string {
	sum := k.derive("fingerprint", nil)
	return strict.EncodeToString(sum[:])
}

// derive returns 32 bytes that depend on the key, the label and the parts alone.
func (k DerivationKey) derive(label string, parts []string) (out [32]byte) {
	mac := hmac.New(sha256.New, k[:])
	writeParts(mac, append([]string{label}, parts...))
	mac.Sum(out[:0])
	return out
}

// writeParts writes each part behind its length: no two lists read alike.
func writeParts(to hash.Hash, parts []string) {
	for _, part := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		to.Write(size[:])
		to.Write([]byte(part))
	}
}

// A RequestDigest is what a session's row keeps of a request with an Idempotency-Key: 16
// random bytes, and the first 16 bytes of the SHA-256 of these and of the request. The digest
// tells two requests under one key apart. The random bytes make the secret that the request
// gave one that no other request gives again. The zero RequestDigest is that of no request.
type RequestDigest [32]byte

// requestNonce is how many random bytes a RequestDigest begins with.
const requestNonce = 16

// NewRequestDigest returns a digest of the request, another one at each call.
func NewRequestDigest(request any) (d RequestDigest) {
	rand.Read(d[:requestNonce])
	return d.with(request)
}

// Of reports whether d is a digest of the request.
func (d RequestDigest) Of(request any) bool { return d == d.with(request) }

// with returns the digest of the request that begins with d's random bytes.
func (d RequestDigest) with(request any) RequestDigest {
	b, err := json.Marshal(request)
	if err != nil {
		panic("rollcall: a request is always JSON: " + err.Error())
	}
	sum := sha256.Sum256(append(d[:requestNonce:requestNonce], b...))
	copy(d[requestNonce:], sum[:])
	return d
}

// A KeyMark is the beginning of the SHA-256 of an Idempotency-Key with its caller and its
// session: it tells that the key was used, whatever derivation keys there are by now.
type KeyMark [16]byte

// MarkKey returns the mark of a caller's Idempotency-Key for a session.
func MarkKey(callerID, sessionID, key string) KeyMark {
	sum := sha256.New()
	writeParts(sum, []string{callerID, sessionID, key})
	return KeyMark(sum.Sum(nil)[:len(KeyMark{})])
}
