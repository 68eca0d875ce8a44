package recall

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/rollcall-id/rollcall/internal/hugepages"
)

// An actClock tells whether what was read of a user still holds. Each user, and
// everybody together, has a word that moves when an act begins to commit and when
// it has ended: what was read while the word was quiet is true for as long as the
// word stays the same. Users share words by their hash; sharing forgets too much,
// never too little.
type actClock struct {
	seed      maphash.Seed
	words     []userWords
	everybody atomic.Uint64
	moves     atomic.Uint64 // of all words
}

// userWords are side by side, since they are looked at together.
type userWords struct {
	acts    atomic.Uint64
	touches atomic.Uint64 // moves when a touch of the user has become visible: see touched
}

const (
	clockWords = 1 << 18

	// The low bits of a word count the acts under way, the others the acts begun
	// and ended.
	actUnderWay = 1
	actCounted  = 1 << 16
)

func newActClock() *actClock {
	c := &actClock{seed: maphash.MakeSeed(), words: make([]userWords, clockWords)}
	hugepages.Advise(c.words)
	return c
}

func (c *actClock) hash(text string) uint64 { return maphash.String(c.seed, text) }

func (c *actClock) hashBytes(text []byte) uint64 { return maphash.Bytes(c.seed, text) }

// of returns the word of the user with the hash.
func (c *actClock) of(userHash uint64) *atomic.Uint64 { return &c.wordsOf(userHash).acts }

// touched moves the word of touches: whatever was read since the word was seen has
// missed one. Nearly all users are checked far more often than they are listed, so it
// moves once until it is seen again; to look at it costs a check less than to write it.
func (w *userWords) touched() {
	if w.touches.Load()%2 == 0 {
		w.touches.Add(1)
	}
}

// seen returns the word of touches, which is even and moves with the next touch.
func (w *userWords) seen() uint64 {
	for {
		word := w.touches.Load()
		if word%2 == 0 || w.touches.CompareAndSwap(word, word+1) {
			return word + word%2
		}
	}
}

// wordsOf returns the words of the user with the hash.
func (c *actClock) wordsOf(userHash uint64) *userWords { return &c.words[userHash%clockWords] }

// word returns the user's word; "" is everybody's.
func (c *actClock) word(userID string) *atomic.Uint64 {
	if userID == "" {
		return &c.everybody
	}
	return c.of(c.hash(userID))
}

// committing is called before an act's commit; what it returns, after it, whatever
// came of the commit.
func (c *actClock) committing(userID string) (ended func()) {
	word := c.word(userID)
	word.Add(actCounted + actUnderWay)
	c.moves.Add(1)
	return func() {
		word.Add(actCounted - actUnderWay)
		c.moves.Add(1)
	}
}

// quiet reports whether no act was under way when the word was read.
func quiet(word uint64) bool { return word%actCounted == 0 }
