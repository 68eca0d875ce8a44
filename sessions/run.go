package sessions

import (
	"context"
	"sync"
	"time"
)

// Run does what a Manager does beside its calls, until ctx is done: it reads the store
// once into memory, counts, writes interactions, tidies behind endings of many, and sweeps. Then
// it writes what is left to write, waits for writes that nobody else waits for any more,
// and returns. Run is called once. A Manager without Run keeps uses in memory without
// bound and removes nothing.
func (m *Manager) Run(ctx context.Context) error {
	defer m.writes.keep()()
	var loops sync.WaitGroup
	loops.Go(func() {
		every(ctx, m.touchInterval, func() {
			if err := m.Flush(ctx); err != nil && ctx.Err() == nil {
				m.log.Error("could not write interactions, trying again", "error", err)
			}
		})
	})
	loops.Go(func() { m.runCounts(ctx) })
	loops.Go(func() { m.runTidy(ctx) })
	loops.Go(func() {
		clock := m.newClock()
		every(ctx, m.sweepInterval, func() {
			if err := m.sweep(ctx, clock); err != nil && ctx.Err() == nil {
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

// sleep waits until the time has passed or ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
