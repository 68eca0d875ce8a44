package oauth

import "testing"

func FuzzParseSigningKey(f *testing.F) {
	for _, alg := range Algorithms() {
		key, err := newSigningKey(alg)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(key)
	}
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := parseSigningKey(data)
		if err != nil {
			return
		}
		if _, err := newJWK(k.Public()); err != nil {
			t.Errorf("a key is read that cannot be published: %v", err)
		}
	})
}
