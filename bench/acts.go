package main

import (
	"context"
	"errors"
	"slices"
	"time"
)

const actsPerRound = 6000

func creations(ctx context.Context, b *bench, s scenario) (result, error) {
	p := b.population
	ours := side{requests: p.creates, status: 201, look: p.acts.made, again: new(acts).made, deferred: b.settled()}
	mine, floor, err := b.againstFloor(ctx, s, ours, actConnections, actsPerRound, nil)
	return s.ratio(mine, floor, mine, floor), err
}

// endings ends what creations has made, and makes it first when that was left out.
func endings(ctx context.Context, b *bench, s scenario) (result, error) {
	p := b.population
	if missing := recorded + (b.rounds+1)*b.scaled(actsPerRound) - len(p.acts.ids); missing > 0 {
		requests, err := p.creates(missing)
		if err != nil {
			return result{}, err
		}
		if _, err := (side{process: b.large, status: 201, look: p.acts.made}).send(ctx, actConnections, requests); err != nil {
			return result{}, err
		}
	}
	mine, floor, err := b.againstFloor(ctx, s, side{requests: p.ends, status: 202, deferred: b.settled()}, actConnections, actsPerRound, nil)
	return s.ratio(mine, floor, mine, floor), err
}

// manyFirstPage holds the page of 50 of the user with most sessions against that
// of users who have no more than 50.
func manyFirstPage(ctx context.Context, b *bench, s scenario) (result, error) {
	p := b.population
	many := side{process: b.large, status: 200, look: holds(longList), requests: p.lists(func(int) int { return 0 }, 1, "?take=50").drawn}
	few := side{process: b.large, status: 200, look: holds(longList), requests: p.lists(p.longUser, p.hotLong(), "?take=50").drawn}
	mine, other, err := duel{ours: many, other: few, connections: readConnections, perRound: b.scaled(3000), rounds: b.rounds}.fight(ctx)
	return s.ratio(mine, other, mine, other), err
}

// manyTotal is how long one caller waits for the first page with the total.
func manyTotal(ctx context.Context, b *bench, s scenario) (result, error) {
	request := b.population.list(0, "?take=50&include_totals=true")
	one := side{process: b.large, status: 200, look: holds(longList)}
	latency, err := one.send(ctx, 1, slices.Repeat([][]byte{request}, max(20, b.scaled(200))))
	if err != nil {
		return result{}, err
	}
	return s.values(inUnits(latency, time.Millisecond)), nil
}

func inUnits(durations []time.Duration, unit time.Duration) []float64 {
	values := make([]float64, len(durations))
	for i, d := range durations {
		values[i] = float64(d) / float64(unit)
	}
	return values
}

// growth holds the large server against one with a small store.
func growth(of func(*bench, *population) (side, int, int)) func(context.Context, *bench, scenario) (result, error) {
	return func(ctx context.Context, b *bench, s scenario) (result, error) {
		large, connections, perRound := of(b, b.population)
		small, _, _ := of(b, b.smallPopulation)
		large.process, small.process = b.large, b.small
		if err := errors.Join(large.heat(ctx, connections), small.heat(ctx, connections)); err != nil {
			return result{}, err
		}
		profile := b.profile(ctx, s.key)
		mine, other, err := duel{ours: large, other: small, connections: connections, perRound: b.scaled(perRound), rounds: b.rounds}.fight(ctx)
		return s.ratio(mine, other, mine, other), errors.Join(err, profile())
	}
}

func growChecks(b *bench, p *population) (side, int, int) {
	return side{requests: p.checks(p.Sessions).drawn, status: 200, deferred: b.settled()}, readConnections, 20_000
}

func growShort(_ *bench, p *population) (side, int, int) {
	return side{requests: p.lists(p.shortUser, p.short(), "").drawn, status: 200}, readConnections, 12_000
}

func growLong(_ *bench, p *population) (side, int, int) {
	all := p.lists(p.longUser, p.long(), "")
	return side{requests: all.drawn, each: all.each, status: 200}, readConnections, longPerRound
}

func growCreates(b *bench, p *population) (side, int, int) {
	return side{requests: p.creates, status: 201, deferred: b.settled()}, actConnections, actsPerRound
}
