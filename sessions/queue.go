package sessions

import (
	"context"
	"slices"
	"sync"
)

// A priority says which of the acts that wait for one user comes first.
type priority bool

const (
	ordinary priority = false
	// ahead is for endings of many: they must not wait behind a flood of sign-ins.
	ahead priority = true
)

// A userQueue lets one act at a time work on a user, within this process: those ahead
// first, and each kind in the order they came. The queue keeps nothing about users nobody
// works on.
type userQueue struct {
	mu    sync.Mutex
	lines map[string]*line
}

// A line is who waits for one user while somebody works on the user. Each waits for its
// channel to be closed.
type line struct {
	ahead, ordinary []chan struct{}
}

func (q *userQueue) init() { q.lines = map[string]*line{} }

// enter waits for the user's turn and returns what gives the turn up, and whether
// somebody else had the turn before. It fails with the context's error, and then there is
// nothing to give up.
func (q *userQueue) enter(ctx context.Context, userID string, p priority) (leave func(), waited bool, err error) {
	leave = func() { q.leave(userID) }
	q.mu.Lock()
	l := q.lines[userID]
	if l == nil {
		q.lines[userID] = &line{}
		q.mu.Unlock()
		return leave, false, nil
	}
	turn := make(chan struct{})
	waiting := l.of(p)
	*waiting = append(*waiting, turn)
	q.mu.Unlock()
	select {
	case <-turn:
		return leave, true, nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	i := slices.Index(*waiting, turn)
	if i >= 0 {
		*waiting = slices.Delete(*waiting, i, i+1)
	}
	q.mu.Unlock()
	if i < 0 { // the turn came meanwhile
		leave()
	}
	return nil, true, ctx.Err()
}

func (l *line) of(p priority) *[]chan struct{} {
	if p == ahead {
		return &l.ahead
	}
	return &l.ordinary
}

// leave gives the turn to the next.
func (q *userQueue) leave(userID string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[userID]
	for _, waiting := range []*[]chan struct{}{&l.ahead, &l.ordinary} {
		if len(*waiting) > 0 {
			close((*waiting)[0])
			*waiting = slices.Delete(*waiting, 0, 1)
			return
		}
	}
	delete(q.lines, userID)
}
