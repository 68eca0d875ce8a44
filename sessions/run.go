package sessions

import (
	"context"
	"sync"
	"time"
)

// Run writes interactions and sweeps until ctx is done, then writes what is left
// to write, waits for writes that nobody else waits for any more, and returns. It is
// called once.
func (m *Manager) Run(ctx context.Context) error {
	defer m.writes.keep()()
	var loops sync.WaitGroup
	loops.Go(func() {
		every(ctx, m.touchInterval, func() {
			if err := m.touches.flush(ctx, m.store, m.cache); err != nil && ctx.Err() == nil {
				m.log.Error("could not write interactions, trying again", "error", err)
			}
		})
	})
	loops.Go(func() {
		guard := newClockGuard(m.clock())
		every(ctx, m.sweepInterval, func() {
			if !guard.steady(m.clock(), m.log) {
				return
			}
			if err := m.sweep(ctx); err != nil && ctx.Err() == nil {
				m.log.Error("could not sweep, trying again", "error", err)
			}
		})
	})
	loops.Wait()
	err := m.Flush(context.WithoutCancel(ctx))
	m.writes.settle()
	return err
}

func every(ctx context.Context, interval time.Duration, do func()) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			do()
		}
	}
}

// Flush writes the interactions that are recorded and not yet written.
func (m *Manager) Flush(ctx context.Context) error {
	return failed(m.touches.flush(ctx, m.store, m.cache))
}
