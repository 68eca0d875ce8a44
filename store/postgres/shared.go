package postgres

import (
	"context"
	"sync"
	"time"
)

// sharedWait is how long a statement waits for the one before to be answered. After that
// the two run beside each other, so that one connection that hangs holds up nobody for long.
const sharedWait = 100 * time.Millisecond

// checks let reads of sessions that come at once share a statement. A read that comes
// while no statement is under way has one begin at once. Those that come meanwhile share
// the next. So each id was asked for before its statement began.
//
// Each statement has a goroutine of its own, which lasts for sharedWait and readTimeout at
// most: a caller who goes away takes no answer from others.
type checks struct {
	mu      sync.Mutex
	next    *batch          // the batch whose statement has not begun; nil for none
	running <-chan struct{} // closed when the statement that began last was answered; nil before the first
	under   sync.WaitGroup
}

// A batch is the ids that share a statement. ids is fixed when the statement begins; found
// and err are set when done is closed, and nobody changes found.
type batch struct {
	ids   []string
	done  chan struct{}
	found map[string]*foundSession
	err   error
}

// A foundSession is a session as a statement tells it.
type foundSession struct {
	session  sessionRow
	standing standingRow
}

// join has id read by a statement that begins after the call.
func (c *checks) join(id string, read func(context.Context, *batch)) *batch {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next != nil {
		c.next.ids = append(c.next.ids, id)
		return c.next
	}
	b := &batch{ids: []string{id}, done: make(chan struct{})}
	before := c.running
	if isClosed(before) {
		c.running = b.done
		before = nil
	} else {
		c.next = b
	}
	c.under.Go(func() {
		defer close(b.done)
		if before != nil {
			c.begin(b, before)
		}
		read(context.Background(), b)
	})
	return b
}

// begin waits for the turn of b, which is next.
func (c *checks) begin(b *batch, before <-chan struct{}) {
	patience := time.NewTimer(sharedWait)
	defer patience.Stop()
	select {
	case <-before:
	case <-patience.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next, c.running = nil, b.done
}

// isClosed reports whether done is nil or closed.
func isClosed(done <-chan struct{}) bool {
	if done == nil {
		return true
	}
	select {
	case <-done:
		return true
	default:
		return false
	}
}
