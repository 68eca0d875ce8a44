package pebble

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
)

// stripes are locks of texts: of user ids, or of session ids. Texts of one hash share a
// lock. A commit holds its locks through a sync, so there are many: of 64 commits under
// way, one in a hundred waits for a stranger's.
type stripes struct {
	seed  maphash.Seed
	locks [4096]stripe
}

type stripe struct {
	sync.Mutex
	turns atomic.Uint64 // odd while the stripe is taken
}

func (s *stripes) of(text string) int {
	return int(maphash.String(s.seed, text) % uint64(len(s.locks)))
}

// lock takes the stripes of all texts, each once and in the order of their numbers, which
// is everybody's, and returns a func that gives them back.
func (s *stripes) lock(texts ...string) (unlock func()) {
	if len(texts) == 1 {
		l := &s.locks[s.of(texts[0])]
		l.lock()
		return l.unlock
	}
	taken := make([]int, len(texts))
	for i, text := range texts {
		taken[i] = s.of(text)
	}
	slices.Sort(taken)
	taken = slices.Compact(taken)
	for _, i := range taken {
		s.locks[i].lock()
	}
	return func() {
		for _, i := range taken {
			s.locks[i].unlock()
		}
	}
}

func (l *stripe) lock() {
	l.Lock()
	l.turns.Add(1)
}

func (l *stripe) unlock() {
	l.turns.Add(1)
	l.Unlock()
}

// A pause is a time in which nobody has a stripe: rows that are read during one pause of
// their user's stripe are of one moment.
type pause struct {
	of    *stripe
	turns uint64 // as they were when the pause was asked for
}

func (s *stripes) pause(text string) pause {
	l := &s.locks[s.of(text)]
	return pause{l, l.turns.Load()}
}

// pauses appends the pauses of all stripes, in the order of [stripes.of].
func (s *stripes) pauses(all []pause) []pause {
	for i := range s.locks {
		all = append(all, pause{&s.locks[i], s.locks[i].turns.Load()})
	}
	return all
}

// lasts reports whether the stripe was free when the pause was asked for, and nobody has
// taken the stripe since.
func (p pause) lasts() bool { return p.turns%2 == 0 && p.of.turns.Load() == p.turns }

// endedByHolder reports whether the stripe was free when the pause was asked for, and was
// taken once since. A caller who holds the stripe is the one who took it.
func (p pause) endedByHolder() bool { return p.turns%2 == 0 && p.of.turns.Load() == p.turns+1 }
