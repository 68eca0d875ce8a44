package server

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommandsAndTokensNameWhereTheServerListens(t *testing.T) {
	for _, tt := range []struct {
		plain, tls string
		nearest    string
		origins    []string
	}{
		{"127.0.0.1:8080", "127.0.0.1:8443", "http://127.0.0.1:8080", []string{"https://localhost:8443", "https://127.0.0.1:8443", "http://localhost:8080", "http://127.0.0.1:8080"}},
		{"127.0.0.1:8080", "", "http://127.0.0.1:8080", []string{"http://localhost:8080", "http://127.0.0.1:8080"}},
		{"", "[::1]:8443", "https://[::1]:8443", []string{"https://localhost:8443", "https://[::1]:8443"}},
		{"[::1]:8080", "[::1]:443", "http://[::1]:8080", []string{"https://localhost", "https://[::1]", "http://localhost:8080", "http://[::1]:8080"}},
		{"127.0.0.5:80", "", "http://127.0.0.5", []string{"http://127.0.0.5"}},
		{"localhost:8080", "", "http://localhost:8080", []string{"http://localhost:8080"}},
		{"0.0.0.0:8080", ":8443", "http://127.0.0.1:8080", []string{"https://localhost:8443", "https://127.0.0.1:8443", "http://localhost:8080", "http://127.0.0.1:8080"}},
		{"", "[::]:443", "https://127.0.0.1", []string{"https://localhost", "https://127.0.0.1"}},
		{"192.0.2.1:8080", "[2001:db8::1]:8443", "http://192.0.2.1:8080", []string{"https://[2001:db8::1]:8443", "http://192.0.2.1:8080"}},
		{"[fe80::1%eth0]:8080", "", "http://[fe80::1%25eth0]:8080", []string{"http://[fe80::1%25eth0]:8080"}},
		{"", "", "", nil},
	} {
		if got := NearestOrigin(tt.plain, tt.tls, false); got != tt.nearest {
			t.Errorf("%q, %q: nearest is %s, want %s", tt.plain, tt.tls, got, tt.nearest)
		}
		if diff := cmp.Diff(tt.origins, Origins(tt.plain, tt.tls)); diff != "" {
			t.Errorf("%q, %q (-want +got):\n%s", tt.plain, tt.tls, diff)
		}
	}
}
