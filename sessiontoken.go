package rollcall

import (
	"encoding/binary"
	"hash/crc32"
	"strings"
)

// TokenPrefix begins every session token, so that scanners find leaked ones:
// rcs_[A-Za-z0-9_-]{65,99}.
const TokenPrefix = "rcs_"

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

// TokenID returns the id of a text that has the form of a token. It counts from the
// right: the id may have any length that an id can have.
func TokenID(text string) (id string, ok bool) {
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
	id, ok := TokenID(text)
	if !ok {
		return Token{}, false
	}
	return ParseTokenOf(text, id)
}

// ParseTokenOf reads a token's text as [ParseToken] does, for a text of which [TokenID]
// has returned the id.
func ParseTokenOf(text, id string) (t Token, ok bool) {
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
