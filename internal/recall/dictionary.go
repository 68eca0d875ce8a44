package recall

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rollcall-id/rollcall"
)

// dictionaries number what many sessions have in common, so that a record holds two bytes
// instead of the value. Entries are only added. When a dictionary is full, the memory
// drops all blocks and begins again with empty dictionaries.
type dictionaries struct {
	texts    dictionary[string] // user agents, networks, methods, client ids, reasons
	profiles dictionary[profile]
}

// A profile is what most sessions share with many others.
type profile struct {
	lifetimes rollcall.Lifetimes
	everybody uint64 // Generation.Everybody of the session
	mode      rollcall.CookieMode
}

const (
	// maxNumber bounds the entries of a dictionary.
	maxNumber = 1 << 16
	// maxTexts bounds the bytes of all texts together: anybody can send a user agent.
	maxTexts = 8 << 20
)

func newDictionaries() *dictionaries {
	d := &dictionaries{}
	d.texts.init()
	d.profiles.init()
	size := 0
	d.texts.keep = func(text string) (string, bool) {
		if size+len(text) > maxTexts {
			return "", false
		}
		size += len(text)
		return strings.Clone(text), true // the text may be a part of a whole request
	}
	d.profiles.keep = func(p profile) (profile, bool) { return p, true }
	return d
}

func (d *dictionaries) full() bool { return d.texts.full.Load() || d.profiles.full.Load() }

// A dictionary gives values numbers. Number 0 is the zero value.
type dictionary[T comparable] struct {
	mu      sync.RWMutex
	numbers map[T]uint16
	values  []T // of fixed length: the value of a number that was given out is read without a lock
	// keep returns the value to keep, or false when there is no room. keep is called
	// under mu.
	keep func(T) (T, bool)
	full atomic.Bool
}

func (d *dictionary[T]) init() { d.numbers, d.values = map[T]uint16{}, make([]T, maxNumber) }

// number returns the value's number, a new one for a new value. It reports false when the
// dictionary is full.
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
func (d *dictionary[T]) value(b []byte) T { return d.values[bytesOrder.Uint16(b)] }
