package oauth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-id/rollcall"
)

// SecretPrefix begins every client secret, so that scanners find leaked ones.
const SecretPrefix = "rccs_"

// A Client is an application that may call the Management API and ours.
type Client struct {
	ID   string
	Name string
	// SecretHashes are SHA-256 of its secrets; two while one is exchanged.
	SecretHashes [][sha256.Size]byte
	// Keys verify its assertions, for a client that signs instead of sending a
	// secret.
	Keys   PublicKeys
	Scopes []string
}

var clientID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Check reports what is wrong with the client's declaration, if anything.
func (c Client) Check() error {
	if !clientID.MatchString(c.ID) {
		return fmt.Errorf("client %q: an id has 1 to 64 characters of A-Z, a-z, 0-9, _ and -", rollcall.Echo(c.ID))
	}
	if len(c.SecretHashes) == 0 && len(c.Keys.set) == 0 {
		return fmt.Errorf("client %s: it has no client_secret_sha256, which `rollcall client new` makes, and no public_key_file", c.ID)
	}
	for _, hash := range c.SecretHashes {
		if word, known := guessable(c.ID, hash); known {
			return fmt.Errorf("client %s: client_secret_sha256 is the hash of %s: `rollcall client new` makes a secret that nobody guesses", c.ID, word)
		}
	}
	for _, scope := range c.Scopes {
		if !slices.Contains(rollcall.Scopes(), scope) {
			return fmt.Errorf("client %s: there is no scope %q; there are %v", c.ID, rollcall.Echo(scope), rollcall.Scopes())
		}
	}
	return nil
}

// NewClientSecret returns a new secret of 256 bits, which is shown once, and the
// hash that is kept of it, in hexadecimal.
func NewClientSecret() (secret, hash string) {
	var b [secretBytes]byte
	rand.Read(b[:])
	secret = SecretPrefix + base64.RawURLEncoding.EncodeToString(b[:])
	sum := sha256.Sum256([]byte(secret))
	return secret, hex.EncodeToString(sum[:])
}

// ParseSecretHash reads what NewClientSecret returned of a secret.
func ParseSecretHash(text string) (hash [sha256.Size]byte, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(hash) {
		return hash, fmt.Errorf("a client_secret_sha256 is %d hexadecimal digits", 2*len(hash))
	}
	copy(hash[:], b)
	return hash, nil
}

// secretBytes is how many random bytes a secret has.
const secretBytes = 32

// isSecret reports whether a text has the form of what NewClientSecret makes. No other text
// is ever accepted, whatever hash is declared.
func isSecret(text string) bool {
	encoded, prefixed := strings.CutPrefix(text, SecretPrefix)
	b, err := decodeBase64URL(encoded)
	return prefixed && err == nil && len(b) == secretBytes
}

// wellKnownSecrets are what people write into an example and forget there.
var wellKnownSecrets = []string{
	"", "test", "secret", "password", "changeme", "change-me", "changeit", "admin", "root", "example", "demo", "dev", "default",
	"client", "client_secret", "client-secret", "mysecret", "my-secret", "supersecret", "letmein", "foo", "bar", "foobar", "hello",
	"123456", "12345678", "qwerty", "none", "null", "undefined", "rollcall", "TODO", "xxx", SecretPrefix, SecretPrefix + "test",
}

// guessable says of what a hash is that must not be declared: of nothing, of a well-known
// word, of the client's own id, each with a line end behind it as well, as a shell's echo
// leaves one; or no hash at all.
func guessable(id string, hash [sha256.Size]byte) (what string, known bool) {
	if hash == [sha256.Size]byte{} {
		return "no text: it is all zeros", true
	}
	for _, word := range append([]string{id}, wellKnownSecrets...) {
		for _, end := range []string{"", "\n", "\r\n"} {
			if sum := sha256.Sum256([]byte(word + end)); subtle.ConstantTimeCompare(sum[:], hash[:]) == 1 {
				if word == "" {
					return "nothing", true
				}
				return strconv.Quote(word), true
			}
		}
	}
	return "", false
}

// accepts reports whether secret is one of the client's. A secret of the right form takes
// as long for a client that does not exist, or has none.
func (c *Client) accepts(secret string) bool {
	if !isSecret(secret) {
		return false
	}
	sum := sha256.Sum256([]byte(secret))
	hashes := [][sha256.Size]byte{{}}
	known := c != nil && len(c.SecretHashes) > 0
	if known {
		hashes = c.SecretHashes
	}
	ok := 0
	for _, h := range hashes {
		ok |= subtle.ConstantTimeCompare(sum[:], h[:])
	}
	return ok == 1 && known
}
