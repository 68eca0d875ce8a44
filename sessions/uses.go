package sessions

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/recall"
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
	// flushed moves before what was written leaves memory, and after what never was in
	// memory has been written: whoever reads the store and then looks here misses
	// nothing while it stays.
	flushed atomic.Uint64
}

type touchShard struct {
	mu      sync.RWMutex
	pending map[string]rollcall.Touch
	written map[string]rollcall.Touch // taken by a flush that has not ended
	spare   map[string]rollcall.Touch // empty; its memory is used again
	most    int                       // touches that spare has ever held
}

func (p *pendingTouches) init() {
	p.seed = maphash.MakeSeed()
	for i := range p.shards {
		p.shards[i].pending = map[string]rollcall.Touch{}
	}
}

func (p *pendingTouches) shard(sessionID string) *touchShard {
	return &p.shards[maphash.String(p.seed, sessionID)%uint64(len(p.shards))]
}

// add records a touch; of two on one session the later stays.
func (p *pendingTouches) add(t rollcall.Touch) {
	sh := p.shard(t.SessionID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.merge(t)
}

func (sh *touchShard) merge(t rollcall.Touch) {
	if earlier, ok := sh.pending[t.SessionID]; ok {
		t.Interaction = earlier.Interaction.Later(t.Interaction)
	}
	sh.pending[t.SessionID] = t
}

// overlay shows in a stored session what is not yet written of it.
func (p *pendingTouches) overlay(s *rollcall.Session) {
	sh := p.shard(s.ID)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	for _, touches := range []map[string]rollcall.Touch{sh.written, sh.pending} {
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

// flush writes what is pending and what is recorded in a cache, which may be nil; what
// could not be written stays pending.
func (p *pendingTouches) flush(ctx context.Context, store rollcall.Store, c *recall.Memory) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	batch := c.Collect(p.batch[:0])
	before := len(batch)
	for i := range p.shards {
		sh := &p.shards[i]
		sh.mu.Lock()
		batch = sh.take(batch)
		sh.mu.Unlock()
	}
	if len(batch) == 0 {
		c.Wrote()
		return nil
	}
	err := store.Touch(ctx, batch)
	p.flushed.Add(1)
	if err != nil {
		for _, t := range batch[:before] {
			p.add(t)
		}
	}
	c.Wrote()
	if clear(batch); cap(batch) > 4*len(batch) {
		batch = nil
	}
	p.batch = batch
	for i := range p.shards {
		sh := &p.shards[i]
		sh.mu.Lock()
		if err != nil {
			for _, t := range sh.written {
				sh.merge(t)
			}
		}
		sh.taken()
		sh.mu.Unlock()
	}
	return err
}

// take adds what is pending to the batch.
func (sh *touchShard) take(batch []rollcall.Touch) []rollcall.Touch {
	if len(sh.pending) == 0 {
		return batch
	}
	if sh.spare == nil {
		sh.spare = map[string]rollcall.Touch{}
	}
	sh.written, sh.pending, sh.spare = sh.pending, sh.spare, nil
	for _, t := range sh.written {
		batch = append(batch, t)
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
