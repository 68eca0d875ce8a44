package oauth

import (
	"crypto"
	"strings"
	"testing"
)

// The key, and its thumbprint, of RFC 8037 appendix A.
func TestKeyIDsAreThumbprints(t *testing.T) {
	key, err := jwk{Kty: "OKP", Crv: "Ed25519", X: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}.parse()
	if err != nil {
		t.Fatal(err)
	}
	if j, err := newJWK(key); err != nil || j.Kid != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
		t.Errorf("%+v %v", j, err)
	}
}

func TestPublishedKeysReadBack(t *testing.T) {
	for _, alg := range Algorithms() {
		s := newSigner(t, alg, "x")
		keys, skipped, err := parseKeySet([]byte(keySetOf(t, s.jwk())))
		if err != nil || len(skipped) > 0 {
			t.Fatalf("%s: %v %v", alg, err, skipped)
		}
		equal := s.key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal
		if !equal(keys.named("x", alg)) {
			t.Errorf("%s: another key", alg)
		}
	}
}

func TestKeysThatCannotBeUsedArePassedOver(t *testing.T) {
	good, ec := newSigner(t, "EdDSA", "good").jwk(), newSigner(t, "ES256", "ec").jwk()
	offCurve, padded := ec, good
	offCurve.Y = ec.X
	padded.X += "="
	for name, bad := range map[string]jwk{
		"a point off the curve": offCurve,
		"padding":               padded,
		"another curve":         {Kty: "EC", Kid: "x", Crv: "P-384", X: ec.X, Y: ec.Y},
		"another OKP curve":     {Kty: "OKP", Kid: "x", Crv: "X25519", X: good.X},
		"a short X":             {Kty: "OKP", Kid: "x", Crv: "Ed25519", X: good.X[:20]},
		"an even exponent":      {Kty: "RSA", Kid: "x", N: strings.Repeat("_", 342), E: "AQAA"},
		"a huge exponent":       {Kty: "RSA", Kid: "x", N: strings.Repeat("_", 342), E: "AQAAAAAAAAAB"},
		"a small modulus":       {Kty: "RSA", Kid: "x", N: strings.Repeat("_", 171), E: "AQAB"},
		"a huge modulus":        {Kty: "RSA", Kid: "x", N: strings.Repeat("_", 3000), E: "AQAB"},
		"for encryption":        {Kty: "OKP", Use: "enc", Kid: "x", Crv: "Ed25519", X: good.X},
		"that only signs":       {Kty: "OKP", KeyOps: []string{"sign"}, Kid: "x", Crv: "Ed25519", X: good.X},
		"of another alg":        {Kty: "OKP", Alg: "ES256", Kid: "x", Crv: "Ed25519", X: good.X},
		"a secret":              {Kty: "oct", Kid: "x"},
		"an endless kid":        {Kty: "OKP", Kid: strings.Repeat("x", maxKeyID+1), Crv: "Ed25519", X: good.X},
		"the same kid twice":    good,
	} {
		keys, skipped, err := parseKeySet([]byte(keySetOf(t, good, bad)))
		if err != nil || len(keys) != 1 || len(skipped) != 1 || keys.named("good", "EdDSA") == nil {
			t.Errorf("%s: %v %v %v", name, keys, skipped, err)
		}
	}
}

func FuzzParseKeySet(f *testing.F) {
	for _, alg := range Algorithms() {
		f.Add([]byte(keySetOf(f, newSigner(f, alg, "x").jwk())))
	}
	f.Add([]byte(`{"keys":[null,1,{"kty":"RSA","kid":"a","n":"AQ","e":"AQ"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, _, err := parseKeySet(data)
		if err == nil && len(keys) == 0 {
			t.Error("a set without keys is read")
		}
		for _, k := range keys {
			if j, err := newJWK(k.key); err != nil || j.Alg != k.alg {
				t.Errorf("a key is read that could not be published: %v", err)
			}
			_ = methods[k.alg].Verify("text", make([]byte, 64), k.key) // must not panic
		}
	})
}
