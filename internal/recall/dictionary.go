package recall

import (
	"strings"
	"sync"
	"sync/atomic"
)

// Dictionaries hold what many sessions share, by number. They are only added to; when
// one is full, the cache begins anew.
type dictionaries struct {
	texts dictionary[string]
	kinds dictionary[sessionKind]
}

const (
	maxNumber = 1 << 16
	// maxTexts bounds the bytes of all texts together: agents come from anybody.
	maxTexts = 8 << 20
)

func newDictionaries() *dictionaries {
	d := &dictionaries{}
	d.texts.init()
	d.kinds.init()
	size := 0
	d.texts.keep = func(text string) (string, bool) {
		if size+len(text) > maxTexts {
			return "", false
		}
		size += len(text)
		return strings.Clone(text), true // it may be a part of a whole request
	}
	d.kinds.keep = func(k sessionKind) (sessionKind, bool) { return k, true }
	return d
}

func (d *dictionaries) full() bool { return d.texts.full.Load() || d.kinds.full.Load() }

// A dictionary gives values numbers. Number 0 is the zero value.
type dictionary[T comparable] struct {
	mu      sync.RWMutex
	numbers map[T]uint16
	values  []T // of fixed capacity: a number that was given out can be read without a lock
	// keep returns the value to be kept, or reports that there is no room. It is
	// called under the lock.
	keep func(T) (T, bool)
	full atomic.Bool
}

func (d *dictionary[T]) init() { d.numbers, d.values = map[T]uint16{}, make([]T, maxNumber) }

// number returns a value's number, a new one if it has none. It reports false when
// there are too many.
func (d *dictionary[T]) number(v T) (uint16, bool) {
	if v == d.values[0] {
		return 0, true
	}
	d.mu.RLock()
	n, ok := d.numbers[v]
	d.mu.RUnlock()
	if ok {
		return n, true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if n, ok = d.numbers[v]; ok {
		return n, true
	}
	next := len(d.numbers) + 1
	kept, room := v, false
	if next < maxNumber {
		kept, room = d.keep(v)
	}
	if !room {
		d.full.Store(true)
		return 0, false
	}
	d.values[next], d.numbers[kept] = kept, uint16(next)
	return uint16(next), true
}

// value returns the value of the number that b begins with.
func (d *dictionary[T]) value(b image) T { return d.values[bytesOrder.Uint16(b)] }
