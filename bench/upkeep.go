package main

import (
	"context"
	"time"
)

const mb = 1e6

const memoryKey = "memory"

func memory(_ context.Context, b *bench, s scenario) (result, error) { return s.memoryOf(b.ours) }

func (s scenario) memoryOf(p *process) (result, error) {
	_, peak, err := p.memory()
	return s.values([]float64{float64(peak) / mb}), err
}

func disk(_ context.Context, b *bench, s scenario) (result, error) {
	return s.values([]float64{float64(b.loaded.Bytes) / float64(b.loaded.Plan.Sessions)}), nil
}

// restarts is how often a start is timed.
func (b *bench) restarts() int {
	if b.quick {
		return 1
	}
	return 3
}

func readyAfterStop(ctx context.Context, b *bench, s scenario) (result, error) {
	var took []time.Duration
	for range b.restarts() {
		if err := b.ours.stop(); err != nil {
			return result{}, err
		}
		if err := b.startOurs(ctx); err != nil {
			return result{}, err
		}
		took = append(took, b.ours.ready)
	}
	return s.values(inUnits(took, time.Second)), nil
}

// readyAfterKill kills the server while it creates sessions.
func readyAfterKill(ctx context.Context, b *bench, s scenario) (result, error) {
	var took []time.Duration
	for range b.restarts() {
		requests, err := b.population.creates(200_000)
		if err != nil {
			return result{}, err
		}
		loading, cancel := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			// It ends with an error: the server is killed under it.
			_, _ = side{process: b.ours, status: 201}.send(loading, actConnections, requests)
		}()
		time.Sleep(2 * b.touchInterval())
		b.ours.kill()
		cancel()
		<-ended
		if err := b.startOurs(ctx); err != nil {
			return result{}, err
		}
		took = append(took, b.ours.ready)
	}
	return s.values(inUnits(took, time.Second)), nil
}
