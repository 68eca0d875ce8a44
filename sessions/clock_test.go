package sessions

import (
	"log/slog"
	"testing"
	"time"
)

func TestAClockThatJumpsPausesTheSweepForADay(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	start := time.Now()
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 61 * time.Second} {
		c := &clock{log: log}
		steps := []struct {
			after  time.Duration
			skew   time.Duration
			steady bool
		}{
			{time.Minute, 0, true},
			{2 * time.Minute, 30 * time.Second, true}, // slewing is no jump
			{3 * time.Minute, jump, false},
			{4 * time.Minute, jump, false},
			{24 * time.Hour, jump, false},
			{24*time.Hour + 3*time.Minute, jump, true},
			{25 * time.Hour, 0, false}, // and back again
			{49 * time.Hour, 0, true},
		}
		for _, s := range steps {
			at := start.Add(s.after)
			c.observe(s.skew, at)
			if got := c.settled(); got != s.steady {
				t.Errorf("jump %v, after %v at skew %v: settled %v, want %v", jump, s.after, s.skew, got, s.steady)
			}
		}
	}
}
