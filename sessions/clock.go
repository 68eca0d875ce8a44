package sessions

import (
	"context"
	"log/slog"
	"time"

	"github.com/rollcall-id/rollcall"
)

// A clock that is wrong must delete nothing, whatever an operator has set it to. The
// Manager's clock is held against three others before a sweep:
//
//   - the machine's monotonic clock, for jumps while the process runs;
//   - the last notes of a sweep, or the first event before there are notes, for a clock
//     that was wrong when the process began;
//   - the store's own clock, for a node among several.
//
// Checks and endings go on with any clock.

const (
	// clockJump is a parting of the clocks that counts.
	clockJump = time.Minute
	// clockSettled is for how long of monotonic time, over all processes of the store,
	// a doubted clock must run before a sweep trusts the clock again; also the longest
	// that a store may have rested.
	clockSettled = 24 * time.Hour
)

// A clock is what one process knows of the reliability of its Manager's clock.
type clock struct {
	m       *Manager
	log     *slog.Logger
	started time.Time     // with its monotonic reading
	base    time.Time     // what the Manager's clock said then
	skew    time.Duration // by which the two had parted when they were last seen
	left    time.Duration // of clockSettled, until the clock is trusted again; 0 for no doubt
	last    time.Time     // when left was last counted down, by the monotonic clock
	asked   bool          // the notes were held against the clock
	warned  bool          // of the store's clock
}

func (m *Manager) newClock() *clock {
	return &clock{m: m, log: m.log, started: time.Now(), base: m.clock().Round(0)}
}

// agrees reports whether a sweep may rely on the clock at now.
func (c *clock) agrees(ctx context.Context, now time.Time, n *notes) (bool, error) {
	monotonic := time.Since(c.started)
	at := c.started.Add(monotonic)
	c.observe(c.m.clock().Round(0).Sub(c.base)-monotonic, at)
	if !c.asked {
		seen, err := c.lastSeen(ctx, now, n)
		if err != nil {
			return false, err
		}
		c.asked = true
		c.left = max(c.left, time.Duration(n.Doubt)*time.Millisecond)
		if now.Before(seen.Add(-clockJump)) || now.After(seen.Add(clockSettled+c.m.markInterval())) {
			c.doubt("the store was in use at another time than the clock makes likely, nothing is removed for a day", "used", seen.UTC(), "now", now)
		}
	}
	theirs, err := c.m.store.Ready(ctx)
	if err != nil {
		return false, err
	}
	if off := now.Sub(theirs).Abs(); !theirs.IsZero() && off > clockJump {
		if !c.warned {
			c.log.Warn("the clock is not the store's, nothing is removed while it is so", "by", off)
		}
		c.warned = true
		return false, nil
	}
	c.warned = false
	return c.settled(), nil
}

// observe takes by how much the Manager's clock and the monotonic one have parted since
// the start, at an instant of the monotonic clock.
func (c *clock) observe(skew time.Duration, at time.Time) {
	if !c.last.IsZero() {
		c.left = max(0, c.left-at.Sub(c.last))
	}
	c.last = at
	if (skew - c.skew).Abs() > clockJump {
		c.doubt("the clock has jumped, nothing is removed for a day", "by", skew-c.skew)
		c.skew = skew
	}
}

// settled reports whether the clock is trusted.
func (c *clock) settled() bool { return c.left == 0 }

// lastSeen is an instant at which the store was in use: of the last notes, of the first
// event of a store that was never swept, or now for one that has neither.
func (c *clock) lastSeen(ctx context.Context, now time.Time, n *notes) (time.Time, error) {
	if n.version > 0 {
		return time.UnixMilli(n.Seen), nil
	}
	page, err := c.m.store.Events(ctx, rollcall.EventsAfter{Limit: 1})
	if err != nil || len(page.Events) == 0 {
		return now, err
	}
	return page.Events[0].Event.At, nil
}

func (c *clock) doubt(why string, args ...any) {
	c.log.Warn(why, args...)
	c.left = clockSettled
}

// readyTimeout is how long a store may take to say that it can serve.
const readyTimeout = 3 * time.Second

// Ready returns nil when the store can serve, and this node's clock is near the store's. A
// store that does not answer within readyTimeout cannot serve. Error: CodeUnavailable.
func (m *Manager) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	theirs, err := m.store.Ready(ctx)
	if err != nil {
		return failed(err)
	}
	if off := m.now().Sub(theirs).Abs(); !theirs.IsZero() && off > rollcall.MaxClockError {
		return rollcall.Errorf(rollcall.CodeUnavailable, "This node's clock differs from the store's by %s", off.Round(time.Second))
	}
	return nil
}
