package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A side is a server with what is asked of it.
type side struct {
	process *process
	// requests makes those of one round; nil takes the other side's.
	requests func(n int) ([][]byte, error)
	// each makes a request about each of those that the requests are about, where these are
	// so few that they are drawn again and again: all are asked for before the first round.
	// Else it is nil.
	each func() [][]byte
	// before is called once, before anything is asked for; nil does nothing.
	before func(ctx context.Context, p *process) error
	// verify looks at an answer as a whole, with its header; nil looks at nothing. It is called
	// with the answers that are recorded for a floor.
	verify func(answer) error
	// status is what every answer has.
	status int
	// look is called with every answer's body, perhaps from many goroutines. again is what
	// looks in the same way at answers that were given before; nil is look.
	look, again func(body []byte) error
	// deferred is how long the server goes on with work for the requests after it
	// has answered them; that counts.
	deferred time.Duration
}

// A duel is a comparison of two sides in alternating rounds.
type duel struct {
	ours, other side
	connections int
	perRound    int
	rounds      int
}

// A load is what one side took and gave, over all rounds.
type load struct {
	CPU      time.Duration `json:"cpu_per_request_ns"` // median over the rounds
	PerSec   float64       `json:"requests_per_second"`
	P50      time.Duration `json:"p50_ns"`
	P99      time.Duration `json:"p99_ns"`
	cpu      []float64
	took     time.Duration
	requests int
	latency  []time.Duration
}

// heat does what comes before the first round: it calls before, and asks for each of the few
// until it is remembered as well as it can be.
func (s side) heat(ctx context.Context, connections int) error {
	if s.before != nil {
		if err := s.before(ctx, s.process); err != nil {
			return err
		}
	}
	if s.each == nil {
		return nil
	}
	return s.turn(ctx, connections, slices.Repeat(s.each(), 4), new(load))
}

// fight runs the rounds, after one each that does not count. The rounds have fixed
// numbers of requests, so processor time per request is exact. After an error there is
// nothing to compare, and both loads are zero.
func (d duel) fight(ctx context.Context) (ours, other load, err error) {
	for round := -1; round < d.rounds; round++ {
		requests, err := d.ours.requests(d.perRound)
		if err != nil {
			return load{}, load{}, err
		}
		others := requests
		if d.other.requests != nil {
			if others, err = d.other.requests(d.perRound); err != nil {
				return load{}, load{}, err
			}
		}
		turns := []func() error{
			func() error { return d.ours.turn(ctx, d.connections, requests, &ours) },
			func() error { return d.other.turn(ctx, d.connections, others, &other) },
		}
		if round%2 != 0 {
			slices.Reverse(turns)
		}
		for _, turn := range turns {
			if err := turn(); err != nil {
				return load{}, load{}, err
			}
		}
		if round < 0 {
			ours, other = load{}, load{}
		}
	}
	ours.sum()
	other.sum()
	return ours, other, nil
}

// ratios divides what the sides took, round by round.
func ratios(above, below load) []float64 {
	r := make([]float64, len(above.cpu))
	for i := range r {
		r[i] = above.cpu[i] / below.cpu[i]
	}
	return r
}

// turn sends one round's requests and adds what they took.
func (s side) turn(ctx context.Context, connections int, requests [][]byte, l *load) error {
	before, err := cpuTime(s.process.cmd.Process.Pid)
	if err != nil {
		return err
	}
	began := time.Now()
	latency, err := s.send(ctx, connections, requests)
	took := time.Since(began)
	if err != nil {
		return fmt.Errorf("loading %s: %w", s.process.name, err)
	}
	time.Sleep(s.deferred)
	after, err := cpuTime(s.process.cmd.Process.Pid)
	if err != nil {
		return err
	}
	l.cpu = append(l.cpu, float64(after-before)/float64(len(requests)))
	l.took += took
	l.requests += len(requests)
	l.latency = append(l.latency, latency...)
	return nil
}

// extendEvery is how many answers there are to one deadline.
const extendEvery = 64

// send sends the requests over so many connections, one at a time on each.
func (s side) send(ctx context.Context, connections int, requests [][]byte) ([]time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	latency := make([]time.Duration, len(requests))
	var next atomic.Int64
	var all sync.WaitGroup
	for range connections {
		c, err := dial(s.process.address)
		if err != nil {
			cancel(err)
			break
		}
		all.Go(func() {
			defer c.close()
			for n := 0; ctx.Err() == nil; n++ {
				i := int(next.Add(1)) - 1
				if i >= len(requests) {
					return
				}
				if n%extendEvery == 0 {
					if err := c.extend(); err != nil {
						cancel(err)
						return
					}
				}
				began := time.Now()
				status, body, err := c.send(requests[i])
				latency[i] = time.Since(began)
				if err == nil {
					err = s.hold(status, body)
				}
				if err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	all.Wait()
	return latency, context.Cause(ctx)
}

// hold holds an answer against what it must be.
func (s side) hold(status int, body []byte) error {
	if status != s.status {
		return fmt.Errorf("status %d, not %d: %.200s", status, s.status, body)
	}
	if s.look == nil {
		return nil
	}
	return s.look(body)
}

func (l *load) sum() {
	slices.Sort(l.latency)
	l.CPU = time.Duration(estimated(l.cpu).Median)
	l.PerSec = float64(l.requests) / l.took.Seconds()
	l.P50, l.P99 = quantile(l.latency, 0.5), quantile(l.latency, 0.99)
}
