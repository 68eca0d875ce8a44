package server

import (
	"testing"
)

func FuzzParseProxies(f *testing.F) {
	f.Add("10.0.0.0/8")
	f.Add("::1")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := ParseProxies([]string{text}); err == nil && (len(p) != 1 || !p[0].IsValid()) {
			t.Errorf("%q gives %v", text, p)
		}
	})
}
