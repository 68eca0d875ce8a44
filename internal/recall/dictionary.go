package recall

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rollcall-id/rollcall"
)

// dictionaries number what many sessions have in common, so that a record holds two bytes
// instead of the value. Entries are only added. When a dictionary is full, the memory
// drops all blocks and begins again with empty dictionaries. No user can fill one alone:
// each has a share, and a session whose value finds no number is not remembered.
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
	// shares is how many users it takes to fill a dictionary. A share is 256 entries, and
	// 32 KiB of texts.
	shares = 256
)

func newDictionaries() *dictionaries {
	d := &dictionaries{}
	// A text may be a part of a whole request.
	d.texts.init(func(text string) int { return len(text) }, strings.Clone)
	d.profiles.init(func(profile) int { return 0 }, func(p profile) profile { return p })
	return d
}

func (d *dictionaries) full() bool { return d.texts.full.Load() || d.profiles.full.Load() }

// charged are dictionaries that charge one user for the entries they add.
type charged struct {
	*dictionaries
	user uint64 // the user's hash
}

// of returns the dictionaries for what is to be remembered of the user with the hash.
func (d *dictionaries) of(user uint64) charged { return charged{d, user} }

// A dictionary gives values numbers. Number 0 is the zero value.
type dictionary[T comparable] struct {
	mu      sync.RWMutex
	numbers map[T]uint16
	values  []T // of fixed length: the value of a number that was given out is read without a lock
	size    func(T) int
	keep    func(T) T // returns the value to keep
	full    atomic.Bool

	bytes   int              // of all values
	charges map[uint64]share // by the user's hash
}

// A share is what one user has added to a dictionary.
type share struct {
	entries uint16
	bytes   uint32
}

func (d *dictionary[T]) init(size func(T) int, keep func(T) T) {
	d.numbers, d.values, d.charges = map[T]uint16{}, make([]T, maxNumber), map[uint64]share{}
	d.size, d.keep = size, keep
}

// number returns the value's number, a new one for a new value. It reports false when the
// user has added a share already, and when the dictionary is full.
func (d *dictionary[T]) number(v T, user uint64) (uint16, bool) {
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
	next, size, has := len(d.numbers)+1, d.size(v), d.charges[user]
	if int(has.entries) == maxNumber/shares || int(has.bytes)+size > maxTexts/shares {
		return 0, false
	}
	if next == maxNumber || d.bytes+size > maxTexts {
		d.full.Store(true)
		return 0, false
	}
	kept := d.keep(v)
	d.values[next], d.numbers[kept] = kept, uint16(next)
	d.bytes += size
	d.charges[user] = share{has.entries + 1, has.bytes + uint32(size)}
	return uint16(next), true
}

// value returns the value of the number that b begins with.
func (d *dictionary[T]) value(b []byte) T { return d.values[bytesOrder.Uint16(b)] }
