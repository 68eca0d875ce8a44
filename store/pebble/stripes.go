package pebble

import (
	"hash/maphash"
	"slices"
	"sync"
)

// stripes are locks that are shared by the texts of one hash. A commit holds its
// own through a sync, so there are many: with 64 commits under way, one in a
// hundred waits for a stranger's.
type stripes struct {
	seed  maphash.Seed
	locks [4096]sync.Mutex
}

// lock takes the stripes of all texts, each once and in the order that everybody
// takes them in, and returns what gives them back.
func (s *stripes) lock(texts ...string) (unlock func()) {
	taken := make([]int, len(texts))
	for i, text := range texts {
		taken[i] = int(maphash.String(s.seed, text) % uint64(len(s.locks)))
	}
	slices.Sort(taken)
	taken = slices.Compact(taken)
	for _, i := range taken {
		s.locks[i].Lock()
	}
	return func() {
		for _, i := range taken {
			s.locks[i].Unlock()
		}
	}
}
