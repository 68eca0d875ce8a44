package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
)

// TestEveryBitOfASecretThatIsMadeIsRandom draws so many that a random bit which is always
// the same comes once in 10^15 runs.
func TestEveryBitOfASecretThatIsMadeIsRandom(t *testing.T) {
	const draws = 64
	made := map[string][][]byte{}
	for range draws {
		secret, _ := NewClientSecret()
		b, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(secret, SecretPrefix))
		if err != nil {
			t.Fatal(err)
		}
		made["client secret"] = append(made["client secret"], b)
		d := newKeyDir(t)
		d.rotateDerivation()
		keys, err := readDerivationKeys(d.path)
		if err != nil || len(keys) != 2 {
			t.Fatalf("%d derivation keys, %v", len(keys), err)
		}
		for i, name := range []string{"first derivation key", "derivation key of an exchange"} {
			made[name] = append(made[name], keys[i].key[:])
		}
	}
	for name, drawn := range made {
		var ones, zeros [32]byte
		for _, b := range drawn {
			if len(b) != len(ones) {
				t.Fatalf("%s: %d bytes", name, len(b))
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

func TestAClientsSecretIsHeldAgainstTheWholeHash(t *testing.T) {
	secret, _ := NewClientSecret()
	hash := sha256.Sum256([]byte(secret))
	if !(&Client{SecretHashes: [][32]byte{{}, hash}}).accepts(secret) {
		t.Error("the secret is refused")
	}
	for bit := range 8 * len(hash) {
		other := hash
		other[bit/8] ^= 1 << (bit % 8)
		if (&Client{SecretHashes: [][32]byte{other}}).accepts(secret) {
			t.Errorf("a secret whose hash differs in bit %d is accepted", bit)
		}
	}
	for _, c := range []*Client{nil, {}} {
		if c.accepts(secret) || c.accepts("") {
			t.Error("a client without a secret accepts one")
		}
	}
}

func TestATokenMintedOfflineHasTheScopesThatItWasMintedWithAndNoOther(t *testing.T) {
	f := newFixture(t)
	for _, scope := range rollcall.Scopes() {
		token, err := f.issuer.MintOffline("", []string{scope}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		caller, refusal := f.verify(token)
		if diff := cmp.Diff([]string{scope}, caller.Scopes); refusal != nil || diff != "" {
			t.Errorf("%s: %v %s", scope, refusal, diff)
		}
	}
	for _, scopes := range [][]string{{"everything"}, {""}, {"read:sessions", "backup end:everybody"}, {"Read:sessions"}} {
		if _, err := f.issuer.MintOffline("", scopes, time.Hour); err == nil {
			t.Errorf("a token is minted with the scopes %q", scopes)
		}
	}
}
