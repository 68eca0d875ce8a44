package rollcall_test

import (
	"encoding/base64"
	"testing"

	"github.com/rollcall-id/rollcall"
)

// TestEveryBitOfASecretIsRandom draws so many that a random bit which is always the same
// comes once in 10^35 runs.
func TestEveryBitOfASecretIsRandom(t *testing.T) {
	request := rollcall.NewSession{UserID: "u"}
	for name, tt := range map[string]struct {
		bytes int
		draw  func() []byte
	}{
		"secret": {32, func() []byte { s := rollcall.NewSecret(); return s[:] }},
		"session id": {24, func() []byte {
			b, err := base64.RawURLEncoding.DecodeString(rollcall.NewSessionID())
			if err != nil {
				t.Fatal(err)
			}
			return b
		}},
		"random part of a request digest": {16, func() []byte { d := rollcall.NewRequestDigest(request); return d[:16] }},
	} {
		ones, zeros := make([]byte, tt.bytes), make([]byte, tt.bytes)
		for range 128 {
			b := tt.draw()
			if len(b) != tt.bytes {
				t.Fatalf("%s: %d bytes, not %d", name, len(b), tt.bytes)
			}
			for i := range b {
				ones[i] |= b[i]
				zeros[i] |= ^b[i]
			}
		}
		for i := range ones {
			if ones[i] != 0xff || zeros[i] != 0xff {
				t.Errorf("%s: byte %d has bits that are always the same", name, i)
			}
		}
	}
}

func TestAHashMatchesNoneThatDiffersInABit(t *testing.T) {
	secret := rollcall.NewSecret()
	hash := secret.Hash()
	for bit := range 8 * len(hash) {
		other := hash
		other[bit/8] ^= 1 << (bit % 8)
		if other.MatchesHash(hash) || hash.MatchesHash(other) || other.Matches(secret) {
			t.Errorf("a hash of which bit %d is another matches", bit)
		}
	}
}
