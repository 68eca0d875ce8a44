package pebble

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
)

// stripes are locks that are shared by the texts of one hash. A commit holds its
// own through a sync, so there are many: with 64 commits under way, one in a
// hundred waits for a stranger's.
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

// lock takes the stripes of all texts, each once and in the order that everybody
// takes them in, and returns what gives them back.
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

// A pause is a time in which nobody has a stripe: what is read in it changes in
// none of its parts.
type pause struct {
	of    *stripe
	turns uint64
}

func (s *stripes) pause(text string) pause {
	l := &s.locks[s.of(text)]
	return pause{l, l.turns.Load()}
}

// pauses are those of all stripes.
func (s *stripes) pauses() []pause {
	all := make([]pause, len(s.locks))
	for i := range all {
		all[i] = pause{&s.locks[i], s.locks[i].turns.Load()}
	}
	return all
}

// lasts reports whether nobody has taken the stripe since the pause was asked for,
// or had it then.
func (p pause) lasts() bool { return p.turns%2 == 0 && p.of.turns.Load() == p.turns }

// endedByHolder reports whether the pause lasted until whoever has the stripe now took
// it, which is for that one to ask.
func (p pause) endedByHolder() bool { return p.turns%2 == 0 && p.of.turns.Load() == p.turns+1 }
