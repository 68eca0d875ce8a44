package sessions

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/rollcall-id/rollcall"
)

// Nodes that share a store share the number of live sessions, in one document: each adds what
// its commits have moved, and one of them counts for all.

// maxShareConflicts is how often a node begins anew because others were quicker, before it
// waits for its next turn.
const maxShareConflicts = 10

// shareInterval is how often a node adds to the document and reads it: half a minute, unless
// sweeps have another interval. What one node does, another shows after two intervals at most.
func (m *Manager) shareInterval() time.Duration { return m.sweepInterval / 2 }

// A sharedTally is the document.
type sharedTally struct {
	version uint64
	tally
	// Claimed is when a node began to count for all, in milliseconds by the store's clock.
	// The claim holds for recountInterval, also when that node has gone since.
	Claimed int64 `json:"claimed"`
}

// isDue reports whether somebody should count. A claim of the far future is that of a clock
// which has been set back.
func (t *sharedTally) isDue(now time.Time) bool {
	age := now.Sub(time.UnixMilli(t.Claimed))
	return age >= recountInterval || age <= -recountInterval
}

// runShared shares the number of live sessions until ctx is done, and then adds what is left
// to add.
func (m *Manager) runShared(ctx context.Context) {
	failing := false
	share := func() {
		_, err := m.countForAll(ctx, false)
		if err != nil && !failing && ctx.Err() == nil {
			m.log.Warn("could not share the number of live sessions, trying again", "error", err)
		}
		failing = err != nil
	}
	share()
	every(ctx, m.shareInterval(), share)
	last := within(context.WithoutCancel(ctx), m.writes.timeout)
	defer last.end()
	if _, err := m.share(last, func(*sharedTally) {}); err != nil {
		m.log.Warn("could not share the number of live sessions: the next count puts it right", "error", err)
	}
}

// countForAll adds to the document what this node has moved. When a count is due, or is asked
// for, this node claims it, counts, and puts what it has found into the document. What others
// moved shortly before and had not added yet is in the number twice, until the next count.
func (m *Manager) countForAll(ctx context.Context, asked bool) (live int, err error) {
	now, err := m.store.Ready(ctx)
	if err != nil {
		return 0, err
	}
	if now.IsZero() {
		now = m.now()
	}
	var claims bool
	began, err := m.share(ctx, func(t *sharedTally) {
		if claims = asked || t.isDue(now); claims {
			t.Claimed = now.UnixMilli()
		}
	})
	if err != nil || !claims {
		return 0, err
	}
	if live, err = m.walk(ctx, func(*rollcall.Walked) {}); err != nil {
		return 0, err
	}
	_, err = m.share(ctx, func(t *sharedTally) { t.take(began, int64(live)) })
	return live, err
}

// share lets change change the document, adds to it what this node has moved, and returns
// the document's tally as it then is. What changes nothing is not written. After an error
// whose outcome is unknown, what was added may be added again: the next count puts the number
// right.
func (m *Manager) share(ctx context.Context, change func(*sharedTally)) (tally, error) {
	l := &m.counts
	for conflicts := 1; ; conflicts++ {
		read, err := m.readShared(ctx)
		if err != nil {
			return tally{}, err
		}
		l.mu.Lock()
		l.shared = read.tally
		own := l.own
		l.mu.Unlock()
		t := read
		change(&t)
		t.add(own)
		if t != read {
			err = m.writeShared(ctx, t)
		}
		switch {
		case err == nil:
			l.mu.Lock()
			l.shared, l.own = t.tally, l.own.without(own)
			l.mu.Unlock()
			return t.tally, nil
		case !errors.Is(err, rollcall.ErrConflict) || conflicts == maxShareConflicts:
			return tally{}, err
		}
		if err := pause(ctx, conflicts); err != nil {
			return tally{}, err
		}
	}
}

func (m *Manager) readShared(ctx context.Context) (sharedTally, error) {
	d, err := m.store.Document(ctx, liveDocument)
	if err != nil {
		return sharedTally{}, err
	}
	t := sharedTally{version: d.Version}
	if d.Version == 0 {
		return t, nil
	}
	return t, json.Unmarshal(d.Body, &t)
}

func (m *Manager) writeShared(ctx context.Context, t sharedTally) error {
	body, err := json.Marshal(t)
	if err == nil {
		_, err = m.store.Commit(ctx, rollcall.Change{Documents: []rollcall.PutDocument{{Name: liveDocument, Body: body, Replaces: t.version}}})
	}
	return err
}
