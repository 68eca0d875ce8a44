package sessions

import (
	"log/slog"
	"time"
)

// A clockGuard notices when the Manager's clock jumps, by holding it against the
// machine's monotonic one: a clock that jumps must delete nothing.
type clockGuard struct {
	started time.Time     // with its monotonic reading
	base    time.Time     // what the Manager's clock said then
	skew    time.Duration // by which the two had parted when they were last seen
	since   time.Time     // when the skew was first seen, by the monotonic clock
}

// clockJump is the parting that counts as a jump; after clockSettled without
// another, the clock is trusted again.
const (
	clockJump    = time.Minute
	clockSettled = sweepMargin
)

func newClockGuard(now time.Time) *clockGuard {
	return &clockGuard{started: time.Now(), base: now.Round(0)}
}

// steady reports whether the clock agrees with the monotonic one, or has settled
// since it jumped.
func (g *clockGuard) steady(now time.Time, log *slog.Logger) bool {
	monotonic := time.Since(g.started)
	wall := now.Round(0).Sub(g.base) // without its monotonic reading
	return g.observe(wall-monotonic, g.started.Add(monotonic), log)
}

func (g *clockGuard) observe(skew time.Duration, at time.Time, log *slog.Logger) bool {
	if (skew - g.skew).Abs() > clockJump {
		log.Warn("the clock has jumped, sweeping pauses for a day", "by", skew-g.skew)
		g.skew, g.since = skew, at
	}
	return g.since.IsZero() || at.Sub(g.since) >= clockSettled
}
