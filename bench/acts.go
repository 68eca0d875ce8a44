package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

const actsPerRound = 6000

func creations(b *bench, p *population) (side, int, int) {
	return side{requests: p.creates, status: 201, look: p.acts.made, again: new(acts).made, deferred: b.settled()}, actConnections, actsPerRound
}

// endings end what creations have made; what is missing, because creations were left out
// or made less, is made before.
func endings(b *bench, p *population) (side, int, int) {
	create := func(ctx context.Context, server *process) error {
		requests, err := p.creates(max(0, recorded+(b.rounds+1)*b.scaled(actsPerRound)-len(p.acts.ids)))
		if err != nil {
			return err
		}
		_, err = side{process: server, status: 201, look: p.acts.made}.send(ctx, actConnections, requests)
		return err
	}
	return side{requests: p.ends, before: create, status: 202, deferred: b.settled()}, actConnections, actsPerRound
}

// manyFirstPage holds the page of 50 of the user with most sessions against that
// of users who have no more than 50.
func manyFirstPage(ctx context.Context, b *bench, s scenario) (result, error) {
	p := b.population
	many := side{process: b.ours, status: 200, look: holds(longList), requests: p.lists(func(int) int { return 0 }, 1, "?take=50").drawn}
	few := side{process: b.ours, status: 200, look: holds(longList), requests: p.lists(p.longUser, p.hotLong(), "?take=50").drawn}
	mine, other, err := duel{ours: many, other: few, connections: readConnections, perRound: b.scaled(3000), rounds: b.rounds}.fight(ctx)
	return s.ratio(mine, other, mine, other), err
}

// checkByClient holds POST /v1/check against GET /check, about the same sessions.
func checkByClient(ctx context.Context, b *bench, s scenario) (result, error) {
	bearer, err := mint(ctx, b.binary, filepath.Join(b.work, "ours"), "check:sessions")
	if err != nil {
		return result{}, err
	}
	p := newPopulation(b.population.plan, bearer)
	isGood := func(body []byte) error {
		if !bytes.HasPrefix(body, []byte(`{"good":true,`)) {
			return fmt.Errorf("a check that is not good: %.200s", body)
		}
		return nil
	}
	post := side{process: b.ours, status: 200, deferred: b.settled(), look: isGood, requests: p.checksByClient(p.hotSessions()).drawn}
	get := side{process: b.ours, status: 200, deferred: b.settled(), requests: p.checks(p.hotSessions()).drawn}
	mine, other, err := duel{ours: post, other: get, connections: readConnections, perRound: b.scaled(40_000), rounds: b.rounds}.fight(ctx)
	return s.ratio(mine, other, mine, other), err
}

// manyTotal is how long one caller waits for the first page with the total.
func manyTotal(ctx context.Context, b *bench, s scenario) (result, error) {
	request := b.population.list(0, "?take=50&include_totals=true")
	one := side{process: b.ours, status: 200, look: holds(longList)}
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

// growth holds our server, with a large store, against one with a small store.
func growth(ctx context.Context, b *bench, s scenario) (result, error) {
	mine, other, err := b.againstOther(ctx, s)
	return s.ratio(mine, other, mine, other), err
}

// againstOther compares our server with the other one.
func (b *bench) againstOther(ctx context.Context, s scenario) (mine, others load, err error) {
	ours, connections, perRound := s.load(b, b.population)
	other, _, _ := s.load(b, b.otherPopulation)
	ours.process, other.process = b.ours, b.other
	if err := errors.Join(ours.heat(ctx, connections), other.heat(ctx, connections)); err != nil {
		return mine, others, err
	}
	profile := b.profile(ctx, s.key)
	mine, others, err = duel{ours: ours, other: other, connections: connections, perRound: b.scaled(perRound), rounds: b.rounds}.fight(ctx)
	return mine, others, errors.Join(err, profile())
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
