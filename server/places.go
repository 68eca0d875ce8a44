package server

import (
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/rollcall-id/rollcall/internal/request"
)

// places are what a listener has for open connections: one limit for all, and a bound an
// address.
//
// A connection is idle until its first request has been read, and between requests. Cases, for
// one that comes:
//
//   - there is a place: the connection takes it
//   - all are taken: the connection that has been idle the longest is closed for it
//   - all are taken and none is idle: it waits until one is closed or idle
//   - its address has as many as it may: that address's longest idle one is closed for it
//   - its address has as many as it may, none of them idle: it is closed
type places struct {
	most       int // 0 sets no limit
	perAddress int // of what request.Shared counts as one; 0 sets no bound
	// excepted reports whether an address has no bound of its own; nil excepts none.
	excepted func(netip.Addr) bool

	mu      sync.Mutex
	changed sync.Cond // of mu: a place is free, a connection idle, or all is over
	over    bool
	open    int
	idle    queue
	parties map[netip.Prefix]*party

	closed atomic.Uint64 // connections that a limit closed
	log    *slog.Logger  // is told of that, once a minute; set before the first connection
	warn   rate.Sometimes
}

// A party is an address's, or a network's that counts as one.
type party struct {
	network netip.Prefix
	open    int
	idle    queue
}

func newPlaces(most, perAddress int, excepted func(netip.Addr) bool) *places {
	p := &places{most: most, perAddress: perAddress, excepted: excepted, warn: rate.Sometimes{Interval: time.Minute}, idle: queue{kind: ofAll}, parties: map[netip.Prefix]*party{}}
	p.changed.L = &p.mu
	return p
}

// enter takes a place for a connection, which is idle. It reports false once close was called.
func (p *places) enter(c *connection) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.most > 0 && p.open >= p.most && !p.over {
		if p.idle.first != nil {
			p.evict(p.idle.first, "max_connections")
			break
		}
		p.changed.Wait()
	}
	if p.over {
		return false
	}
	p.open++
	c.placed, c.idle = true, true
	p.idle.push(c)
	return true
}

// admit counts a connection that has a place to its address; an invalid address is that of a
// Unix socket, and counts to none. It reports false when the address has too many.
func (p *places) admit(c *connection, addr netip.Addr) bool {
	if p.perAddress == 0 || !addr.IsValid() || p.excepted != nil && p.excepted(addr) {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !c.placed { // it was closed for another one meanwhile
		return false
	}
	network := request.Shared(addr)
	of := p.parties[network]
	if of == nil {
		of = &party{network: network, idle: queue{kind: ofParty}}
	}
	if of.open >= p.perAddress {
		if of.idle.first == nil {
			p.note("max_connections_per_address")
			return false
		}
		p.evict(of.idle.first, "max_connections_per_address")
	}
	of.open++
	p.parties[network], c.party = of, of
	if c.idle {
		of.idle.push(c)
	}
	return true
}

// setIdle notes that a connection is idle from now on, or is not.
func (p *places) setIdle(c *connection, idle bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !c.placed || c.idle == idle {
		return
	}
	p.queue(c, idle)
	if idle {
		p.changed.Signal()
	}
}

// leave gives the place of a connection back, once.
func (p *places) leave(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(c)
}

// close lets nobody wait any more.
func (p *places) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.changed.Broadcast()
}

// evict gives the place of a connection back, and closes it. mu is held: closing a socket does
// not wait.
func (p *places) evict(c *connection, limit string) {
	p.remove(c)
	p.note(limit)
	_ = c.Conn.Close() // its reader learns of it, and closes the rest
}

// note counts a connection that a limit closes.
func (p *places) note(limit string) {
	p.closed.Add(1)
	if p.log == nil {
		return
	}
	p.warn.Do(func() {
		p.log.Warn("connections are closed for others: a limit is reached", "limit", limit, "connections", p.open, "closed_so_far", p.closed.Load())
	})
}

func (p *places) remove(c *connection) {
	if !c.placed {
		return
	}
	if c.idle {
		p.queue(c, false)
	}
	c.placed = false
	p.open--
	if of := c.party; of != nil {
		if of.open--; of.open == 0 {
			delete(p.parties, of.network)
		}
	}
	p.changed.Signal()
}

// queue puts a connection at the end of its queues, or takes it out of them.
func (p *places) queue(c *connection, idle bool) {
	c.idle = idle
	for _, q := range []*queue{&p.idle, c.partyIdle()} {
		switch {
		case q == nil:
		case idle:
			q.push(c)
		default:
			q.remove(c)
		}
	}
}

func (c *connection) partyIdle() *queue {
	if c.party == nil {
		return nil
	}
	return &c.party.idle
}

// A queue has idle connections, the one that has been so the longest first. A connection is in
// at most one queue of each kind.
type queue struct {
	kind        int
	first, last *connection
}

const (
	ofAll   = iota // connections of a listener
	ofParty        // connections of an address
	kinds
)

// links are the neighbours of a connection in a queue.
type links struct{ before, after *connection }

func (q *queue) push(c *connection) {
	c.queued[q.kind] = links{before: q.last}
	if q.last == nil {
		q.first = c
	} else {
		q.last.queued[q.kind].after = c
	}
	q.last = c
}

func (q *queue) remove(c *connection) {
	l := c.queued[q.kind]
	if l.before == nil {
		q.first = l.after
	} else {
		l.before.queued[q.kind].after = l.after
	}
	if l.after == nil {
		q.last = l.before
	} else {
		l.after.queued[q.kind].before = l.before
	}
	c.queued[q.kind] = links{}
}
