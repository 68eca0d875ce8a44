package server

import (
	"log/slog"
	"net/http"
	"testing"
	"time"
)

// TestNoConnectionIsWithoutItsBounds looks at the settings: to wait for the bounds
// themselves takes minutes.
func TestNoConnectionIsWithoutItsBounds(t *testing.T) {
	s := newServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	for name, tt := range map[string]struct{ set, most time.Duration }{
		"reading a header": {s.ReadHeaderTimeout, 10 * time.Second},
		"reading":          {s.ReadTimeout, 30 * time.Second},
		"writing":          {s.WriteTimeout, time.Minute},
		"idle":             {s.IdleTimeout, 5 * time.Minute},
	} {
		if tt.set <= 0 || tt.set > tt.most {
			t.Errorf("%s may take %s; more than 0, and no more than %s, is safe", name, tt.set, tt.most)
		}
	}
	if s.MaxHeaderBytes <= 0 || s.MaxHeaderBytes > 64<<10 {
		t.Errorf("a header may have %d bytes", s.MaxHeaderBytes)
	}
}
