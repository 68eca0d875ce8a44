package request

import (
	"net/http"
	"testing"
)

func TestGzipIsAcceptedByWhoSaysSo(t *testing.T) {
	for _, tt := range []struct {
		lines []string
		want  bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"identity"}, false},
		{[]string{"br"}, false},
		{[]string{"gzip"}, true},
		{[]string{"GZIP"}, true},
		{[]string{"x-gzip"}, true},
		{[]string{"gzipped"}, false},
		{[]string{"gzip, deflate, br, zstd"}, true},
		{[]string{"br, gzip"}, true},
		{[]string{"br", "gzip"}, true},
		{[]string{"gzip;q=0.001"}, true},
		{[]string{"gzip ; q=1.000"}, true},
		{[]string{"gzip;q=0"}, false},
		{[]string{"gzip;q=0.000, *"}, false},
		{[]string{"*, gzip;q=0"}, false},
		{[]string{"gzip;Q=0"}, false},
		{[]string{"gzip;q=2"}, false},
		{[]string{"gzip;q=a"}, false},
		{[]string{"*"}, true},
		{[]string{"*;q=0"}, false},
		{[]string{"identity;q=1, *;q=0"}, false},
		{[]string{"identity;q=0, *;q=0.5"}, true},
	} {
		h := http.Header{}
		if tt.lines != nil {
			h["Accept-Encoding"] = tt.lines
		}
		if got := AcceptsGzip(h); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.lines, got, tt.want)
		}
	}
}
