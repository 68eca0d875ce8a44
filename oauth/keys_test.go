package oauth

import "testing"

func FuzzParseSigningKey(f *testing.F) {
	key, err := newSigningKey()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key)
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if k, err := parseSigningKey(data); err == nil && k.N.BitLen() < rsaBits {
			t.Errorf("a key of %d bits is read", k.N.BitLen())
		}
	})
}
