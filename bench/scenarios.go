package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Connections of the generator: reads come over fewer than acts, whose commits
// share syncs.
const (
	readConnections = 32
	actConnections  = 64
)

// settled is how long to wait for the work that a server does after its answers:
// interactions are written once a second, in a quick run more often.
func (b *bench) settled() time.Duration { return b.touchInterval() + b.touchInterval()/5 }

func (b *bench) touchInterval() time.Duration {
	if b.quick {
		return 100 * time.Millisecond
	}
	return time.Second
}

// A target is what a measured value must be. The zero target judges nothing.
type target struct {
	Value   float64 `json:"value"`
	AtLeast bool    `json:"at_least"`
	// Within is that the value lies in the interval, instead of a bound on the median.
	Within bool `json:"within,omitempty"`
}

func atLeast(v float64) target { return target{Value: v, AtLeast: true} }
func atMost(v float64) target  { return target{Value: v} }
func within(v float64) target  { return target{Value: v, Within: true} }

func (t target) metBy(e estimate) bool {
	switch {
	case t.Within:
		return e.Low <= t.Value && t.Value <= e.High
	case t.AtLeast:
		return e.Median >= t.Value
	}
	return e.Median <= t.Value
}

// A workload says what is asked of a server whose store has a population, over how many
// connections, and how many requests a round has. It leaves the side's process out.
type workload func(b *bench, p *population) (s side, connections, perRound int)

// The units of results.
const (
	floorByOurs  = "floor / ours"
	oursByFloor  = "ours / floor"
	largeBySmall = "large / small"
	manyByFew    = "many / few"
	oldByNew     = "old / new"
	postByGet    = "POST / GET"
)

// A scenario is one line of the report.
type scenario struct {
	key, title string
	unit       string
	target     target
	measure    func(ctx context.Context, b *bench, s scenario) (result, error)
	load       workload // of the lines that compare two servers, but for the control; else nil
}

// scenarios lists what is measured, in order: the control first, the endings after
// the creations that make their sessions, and last what stops the server.
func scenarios() []scenario {
	list := []scenario{
		{controlKey, "control: floor against floor", "floor / floor", atLeast(1), control, nil},
		{"check-uniform", "check, drawn from all sessions", floorByOurs, atLeast(0.80), floored, checks(false)},
		{"check-hot", "check, drawn from a hot set", floorByOurs, atLeast(0.88), floored, checks(true)},
		{"check-by-client", "check by an application's server, held against one by a proxy", postByGet, atMost(1.25), checkByClient, nil},
	}
	for _, length := range []int{shortList, longList} {
		for _, query := range []string{"", "?include_totals=true"} {
			key, title := fmt.Sprintf("list-%d", length), fmt.Sprintf("list of %d", length)
			if query != "" {
				key, title = key+"-total", title+" with its total"
			}
			list = append(
				list,
				scenario{key + "-uniform", title + ", drawn from all such users", floorByOurs, atLeast(0.65), floored, lists(length, query, false)},
				scenario{key + "-hot", title + ", drawn from a hot set", floorByOurs, atLeast(0.80), floored, lists(length, query, true)},
			)
		}
	}
	return append(
		list,
		scenario{"create", "durable creations", oursByFloor, atMost(4), floored, creations},
		scenario{"end", "durable endings", oursByFloor, atMost(4), floored, endings},
		scenario{"create-syncs", "log syncs of a creation", "syncs", atMost(0.25), createSyncs, nil},
		scenario{"end-syncs", "log syncs of an ending", "syncs", atMost(0.25), endSyncs, nil},
		scenario{"many-first-page", "first page of many sessions, held against one of 50", manyByFew, atMost(1.5), manyFirstPage, nil},
		scenario{"many-total", "first page of many sessions with its total", "ms", atMost(30), manyTotal, nil},
		scenario{"growth-check", "check, held against a small store", largeBySmall, atMost(1.3), growth, growChecks},
		scenario{"growth-list-5", "list of 5, held against a small store", largeBySmall, atMost(1.3), growth, growShort},
		scenario{"growth-list-50", "list of 50, held against a small store", largeBySmall, atMost(1.3), growth, growLong},
		scenario{"growth-create", "creation, held against a small store", largeBySmall, atMost(2), growth, growCreates},
		scenario{memoryKey, "memory, at its peak", "MB", atMost(700), memory, nil},
		scenario{"disk", "disk for a session, after compaction", "B", atMost(600), disk, nil},
		scenario{"ready-stop", "ready after a clean stop", "s", atMost(2), readyAfterStop, nil},
		scenario{"ready-kill", "ready after a kill amid creations", "s", atMost(5), readyAfterKill, nil},
	)
}

// longPerRound is how many lists of 50 a round has.
const longPerRound = 12_000

// recorded is how many answers of ours the floor gives in turn, so that both sides
// send as many bytes, and read them from memory: few answers would lie in the
// processor's caches.
const recorded = 2000

// floored holds our server against a floor.
func floored(ctx context.Context, b *bench, s scenario) (result, error) {
	mine, floor, err := b.againstFloor(ctx, s)
	if s.unit == floorByOurs {
		return s.ratio(floor, mine, mine, floor), err
	}
	return s.ratio(mine, floor, mine, floor), err
}

// againstFloor compares our server with a floor that gives its answers.
func (b *bench) againstFloor(ctx context.Context, s scenario) (mine, floor load, err error) {
	ours, connections, perRound := s.load(b, b.population)
	ours.process = b.ours
	if err := ours.heat(ctx, connections); err != nil {
		return mine, floor, err
	}
	requests, err := ours.requests(recorded)
	if err != nil {
		return mine, floor, err
	}
	answers := make([]answer, len(requests))
	for i, request := range requests {
		if answers[i], err = record(b.ours.address, request); err != nil {
			return mine, floor, err
		}
		if err := ours.hold(answers[i].Status, answers[i].Body); err != nil {
			return mine, floor, err
		}
		if ours.verify != nil {
			if err := ours.verify(answers[i]); err != nil {
				return mine, floor, err
			}
		}
	}
	p, err := startFloor(ctx, answers)
	if err != nil {
		return mine, floor, err
	}
	defer p.kill()
	// The generator has as much to do with the floor's answers as with ours: a server
	// that waits for it sleeps, and waking up counts.
	bare := side{process: p, status: ours.status, look: ours.look}
	if ours.again != nil {
		bare.look = ours.again
	}
	profile := b.profile(ctx, s.key)
	mine, floor, err = duel{
		ours: ours, other: bare,
		connections: connections, perRound: b.scaled(perRound), rounds: b.rounds,
	}.fight(ctx)
	return mine, floor, errors.Join(err, profile())
}

// control compares a floor with another one that gives the same answers.
func control(ctx context.Context, b *bench, s scenario) (result, error) {
	request := b.population.checks(b.population.Sessions).drawn
	requests, err := request(recorded)
	if err != nil {
		return result{}, err
	}
	answers := make([]answer, len(requests))
	for i := range requests {
		if answers[i], err = record(b.ours.address, requests[i]); err != nil {
			return result{}, err
		}
		if err := (side{status: 200}).hold(answers[i].Status, answers[i].Body); err != nil {
			return result{}, err
		}
	}
	var sides [2]side
	for i := range sides {
		p, err := startFloor(ctx, answers)
		if err != nil {
			return result{}, err
		}
		defer p.kill()
		sides[i] = side{process: p, requests: request, status: 200}
	}
	sides[1].requests = nil
	one, other, err := duel{ours: sides[0], other: sides[1], connections: readConnections, perRound: b.scaled(40_000), rounds: b.rounds}.fight(ctx)
	return s.ratio(other, one, one, other), err
}

func checks(hot bool) workload {
	return func(b *bench, p *population) (side, int, int) {
		s := side{status: 200, deferred: b.settled(), verify: verifyCheck}
		sessions := p.checks(p.Sessions)
		if hot {
			sessions = p.checks(p.hotSessions())
			s.each = sessions.each
		}
		s.requests = sessions.drawn
		return s, readConnections, 40_000
	}
}

func verifyCheck(a answer) error {
	if a.Header.Get("X-Rollcall-User") == "" || a.Header.Get("X-Rollcall-Session") == "" {
		return fmt.Errorf("a check's answer names nobody: %v", a.Header)
	}
	return nil
}

func lists(length int, query string, hot bool) workload {
	return func(_ *bench, p *population) (side, int, int) {
		kind, size, perRound := p.shortUser, p.short(), 24_000
		if hot {
			size = p.hotShort()
		}
		if length == longList {
			kind, size, perRound = p.longUser, p.long(), longPerRound
			if hot {
				size = p.hotLong()
			}
		}
		users := p.lists(kind, size, query)
		s := side{requests: users.drawn, status: 200, look: holds(length)}
		s.verify = func(a answer) error { return verifyList(a.Body, length, query != "") }
		if hot || length == longList {
			s.each = users.each
		}
		return s, readConnections, perRound
	}
}

// lookEvery is of how many lists one is looked at: the generator must not be busy for
// longer than what it measures.
const lookEvery = 16

// holds looks whether a list has so many sessions.
func holds(length int) func([]byte) error {
	var asked atomic.Uint64
	return func(body []byte) error {
		if asked.Add(1)%lookEvery != 0 {
			return nil
		}
		if n := bytes.Count(body, []byte(`"user_id":`)); n != length {
			return fmt.Errorf("a list of %d sessions, not %d: %.200s", n, length, body)
		}
		return nil
	}
}

func verifyList(body []byte, length int, total bool) error {
	var page struct {
		Sessions []struct {
			ID string `json:"id"`
		} `json:"sessions"`
		Total *int `json:"total"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return err
	}
	if len(page.Sessions) != length || (page.Total != nil) != total || total && *page.Total < length {
		return fmt.Errorf("not the list that was asked for: %.200s", body)
	}
	return nil
}
