package sessions

import (
	"context"
	"sync"
)

// A userQueue lets one act at a time work on a user, within this process, in
// the order they came. It keeps nothing about users nobody works on.
type userQueue struct {
	mu    sync.Mutex
	lines map[string]*line
}

type line struct {
	turn    chan struct{} // holds one token: whoever takes it is next
	waiting int
}

func (q *userQueue) init() { q.lines = map[string]*line{} }

// enter waits for the user's turn and returns what gives it up. It fails with
// the context's error, and then there is nothing to give up.
func (q *userQueue) enter(ctx context.Context, userID string) (leave func(), err error) {
	q.mu.Lock()
	l := q.lines[userID]
	if l == nil {
		l = &line{turn: make(chan struct{}, 1)}
		l.turn <- struct{}{}
		q.lines[userID] = l
	}
	l.waiting++
	q.mu.Unlock()

	if err := l.enter(ctx); err != nil {
		q.forget(userID, l)
		return nil, err
	}
	return func() { l.turn <- struct{}{}; q.forget(userID, l) }, nil
}

func (l *line) enter(ctx context.Context) error {
	select {
	case <-l.turn:
		return nil
	default: // only who must wait needs the context's timer
	}
	select {
	case <-l.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *userQueue) forget(userID string, l *line) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l.waiting--; l.waiting == 0 {
		delete(q.lines, userID)
	}
}
