package sessions

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-id/rollcall"
)

// pendingTouches holds the interactions that are recorded and not yet written.
// What is being written stays visible until it is.
type pendingTouches struct {
	seed   maphash.Seed
	shards [64]touchShard
	// writing is held by whoever writes a batch, so that a batch is not
	// overtaken by a later one that is written sooner.
	writing sync.Mutex
	batch   []rollcall.Touch // its memory is used again
	// flushed counts the batches that were written. To merge store and memory: read
	// flushed, read the store, merge the pending uses, read flushed again; if it moved,
	// start over. flushed moves before a written batch leaves memory.
	flushed atomic.Uint64
}

// A pendingUse is a touch that is not written yet.
type pendingUse struct {
	rollcall.Touch
	// durable is the session's idle end as the store had it; zero when no other node
	// can have the session for idle. A use is not written later: it would bring back a
	// session that another node has refused.
	durable time.Time
}

type touchShard struct {
	mu      sync.RWMutex
	pending map[string]pendingUse
	written map[string]pendingUse // taken by a flush that has not ended
	spare   map[string]pendingUse // empty; its memory is used again
	most    int                   // touches that spare has ever held
}

func (p *pendingTouches) init() {
	p.seed = maphash.MakeSeed()
	for i := range p.shards {
		p.shards[i].pending = map[string]pendingUse{}
	}
}

func (p *pendingTouches) shard(sessionID string) *touchShard {
	return &p.shards[maphash.String(p.seed, sessionID)%uint64(len(p.shards))]
}

// add records a touch that may be written at any time.
func (p *pendingTouches) add(t rollcall.Touch) { p.addUntil(t, time.Time{}) }

// addUntil records a touch that is not written at durable or later; of two on one session
// the later stays.
func (p *pendingTouches) addUntil(t rollcall.Touch, durable time.Time) {
	sh := p.shard(t.SessionID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.merge(pendingUse{t, durable})
}

func (sh *touchShard) merge(u pendingUse) {
	if earlier, ok := sh.pending[u.SessionID]; ok {
		u.Interaction = earlier.Interaction.Later(u.Interaction)
		if earlier.durable.After(u.durable) {
			u.durable = earlier.durable
		}
	}
	sh.pending[u.SessionID] = u
}

// overlay shows in a stored session what is not yet written of it.
func (p *pendingTouches) overlay(s *rollcall.Session) {
	sh := p.shard(s.ID)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	for _, touches := range []map[string]pendingUse{sh.written, sh.pending} {
		if t, ok := touches[s.ID]; ok {
			s.Last = s.Last.Later(t.Interaction)
		}
	}
}

// write writes a touch at once.
func (p *pendingTouches) write(ctx context.Context, store rollcall.Store, t rollcall.Touch) error {
	err := store.Touch(ctx, []rollcall.Touch{t})
	p.flushed.Add(1)
	return err
}

// flush writes what is pending at now and what collect adds to the batch; what could not be
// written stays pending, as long as it may be written. wrote is called when what was
// collected is durable, or is pending.
func (p *pendingTouches) flush(ctx context.Context, store rollcall.Store, now time.Time, collect func([]rollcall.Touch) []rollcall.Touch, wrote func(durable bool)) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	batch := collect(p.batch[:0])
	before := len(batch)
	for i := range p.shards {
		sh := &p.shards[i]
		sh.mu.Lock()
		batch = sh.take(batch, now)
		sh.mu.Unlock()
	}
	if len(batch) == 0 {
		wrote(true)
		return nil
	}
	err := store.Touch(ctx, batch)
	p.flushed.Add(1)
	if err != nil {
		for _, t := range batch[:before] {
			p.add(t)
		}
	}
	wrote(err == nil)
	if clear(batch); cap(batch) > 4*len(batch) {
		batch = nil
	}
	p.batch = batch
	for i := range p.shards {
		sh := &p.shards[i]
		sh.mu.Lock()
		if err != nil {
			for _, u := range sh.written {
				sh.merge(u)
			}
		}
		sh.taken()
		sh.mu.Unlock()
	}
	return err
}

// take adds what is pending to the batch, and forgets what may not be written at now.
func (sh *touchShard) take(batch []rollcall.Touch, now time.Time) []rollcall.Touch {
	if len(sh.pending) == 0 {
		return batch
	}
	if sh.spare == nil {
		sh.spare = map[string]pendingUse{}
	}
	sh.written, sh.pending, sh.spare = sh.pending, sh.spare, nil
	for id, u := range sh.written {
		if !u.durable.IsZero() && !now.Before(u.durable) {
			delete(sh.written, id)
			continue
		}
		batch = append(batch, u.Touch)
	}
	return batch
}

// taken ends what take began. A map that has held many more than now goes: it would
// never become smaller.
func (sh *touchShard) taken() {
	if n := len(sh.written); n*4 >= sh.most {
		sh.most = max(sh.most, n)
		clear(sh.written)
		sh.spare = sh.written
	} else {
		sh.spare, sh.most = nil, 0
	}
	sh.written = nil
}

// len is how many touches wait to be written.
func (p *pendingTouches) len() int {
	n := 0
	for i := range p.shards {
		sh := &p.shards[i]
		sh.mu.RLock()
		n += len(sh.pending) + len(sh.written)
		sh.mu.RUnlock()
	}
	return n
}
