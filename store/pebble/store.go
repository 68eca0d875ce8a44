// Package pebble keeps sessions in an embedded store on the local disk, the
// engine of one node. One process at a time can open a directory.
//
// # Durability
//
// Commit holds the user's stripe until the log is synced; commits of different
// users join one sync. The stripe could be given back sooner, since the log is one
// sequence, but then a commit could conflict with one that a crash takes back,
// and whoever is told so would act on the conflict. Nothing is acknowledged before it is
// durable. When others see it:
//
//   - rows of users and sessions, documents: a moment before they are durable, since a
//     read takes no lock
//   - everybody's row, events, interactions: once they are durable
//
// What a sweep does is applied first and made durable by one sync at the end, so that no
// stripe is held for the sync.
//
// A failed write or sync of the log ends the process: what is in memory after the failure
// is unknown.
package pebble

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble/uselog"
)

// Options configure a store. The zero value of each field has a meaning.
type Options struct {
	// FS is the file system; nil is the machine's, and a directory that Open makes
	// there is its owner's alone: addresses and agents are personal data.
	FS vfs.FS
	// Logger takes what an operator should know; nil discards it.
	Logger *slog.Logger
	// MinFree is the free disk space, in bytes, below which new sessions and documents
	// are refused with ErrFull; 0 is DefaultMinFree, a negative number sets no floor.
	// Endings, interactions and the sweep go on, which is what the floor is kept for,
	// until but a quarter of it is left, or 64 MiB.
	MinFree int64
	// CacheSize is the memory, in bytes, for what has been read from the disk and for
	// what is in the log and not yet in a table, which takes up to 48 MiB of it; 0 is
	// 80 MiB. All else takes some 30 MiB, and 100 more while a million sessions
	// are in use.
	CacheSize int64
	// MaxOpenFiles is about how many files the store has open at most, 74 at least; 0 is
	// 1,000.
	MaxOpenFiles int
	// Fatal is called when the log cannot be written or synced any more, perhaps
	// from several goroutines; nil exits the process with status 1. It should
	// not return; if it does, every call fails from then on.
	Fatal func(error)

	// noSync leaves out every sync. It is the control of the power-loss tests.
	noSync bool
	// memTableSize makes tests flush often; 0 is 24 MiB.
	memTableSize uint64
	// useBytes and useSessions make tests retire uses often; 0 is 128 MiB on the
	// disk, and a million sessions in memory.
	useBytes, useSessions int64
	// knownSets makes tests forget users often; 0 is room for 262,144 users.
	knownSets int
	// tidyEvery makes tests move sessions that have ended often; 0 is 128.
	tidyEvery uint64
	// hold is called between taking an event's position and its being visible.
	hold func(rollcall.Change)
}

// A Store is a rollcall.Store on one directory.
type Store struct {
	db    *pebbledb.DB
	cache *pebbledb.Cache
	last  *lastWord
	sync  *pebbledb.WriteOptions
	syncs syncs
	hold  func(rollcall.Change)

	// A commit takes its user's stripe, then the stripes of the ids that it claims. Reads
	// take none.
	users stripes
	ids   stripes
	// nobody is held by a commit of nobody: of everybody's row and documents.
	nobody sync.Mutex
	// documents is held by such a commit that puts both, and for reading by who reads
	// a document.
	documents sync.RWMutex
	known     knownUsers
	recent    recentRows
	log       eventLog
	// everybody is set when the commit is durable.
	everybody everybody
	// uses are looked at together with a view: see read.
	uses uselog.Log
	// sweeping lets one bite at a time through: two would look at the same rows.
	sweeping sync.Mutex

	fs        vfs.FS
	dir       string
	minFree   int64
	free      atomic.Uint64 // bytes, when it was last looked
	looked    atomic.Int64
	started   time.Time
	tidyEvery uint64
}

var _ rollcall.Store = (*Store)(nil)

// Open opens or creates the store in dir. Open fails when another process has the store
// open, and when the store is of another format than this version's.
func Open(dir string, o Options) (*Store, error) {
	if o.FS == nil {
		o.FS = private{vfs.Default}
	}
	if o.MinFree == 0 {
		o.MinFree = DefaultMinFree
	}
	if o.CacheSize == 0 {
		o.CacheSize = 80 << 20
	}
	if o.memTableSize == 0 {
		o.memTableSize = 24 << 20
	}
	if o.useBytes == 0 {
		o.useBytes = uselog.DefaultBytes
	}
	if o.useSessions == 0 {
		o.useSessions = uselog.DefaultSessions
	}
	if o.knownSets == 0 {
		o.knownSets = defaultKnownSets
	}
	if o.tidyEvery == 0 {
		o.tidyEvery = defaultTidyEvery
	}
	seed := maphash.MakeSeed()
	s := &Store{
		cache: pebbledb.NewCache(o.CacheSize), last: newLastWord(o.Logger, o.Fatal), sync: pebbledb.Sync, hold: o.hold,
		users: stripes{seed: seed}, ids: stripes{seed: seed},
		fs: o.FS, dir: dir, minFree: o.MinFree, started: time.Now(), tidyEvery: o.tidyEvery,
	}
	s.uses.MaxBytes, s.uses.MaxSessions = o.useBytes, o.useSessions
	s.known.init(o.knownSets)
	s.recent.seed = seed
	if o.noSync {
		s.sync = pebbledb.NoSync
	}
	s.free.Store(math.MaxUint64)
	var opened atomic.Bool
	options := &pebbledb.Options{
		FS:                 logFiles{o.FS, s.last, &opened},
		Cache:              s.cache,
		MemTableSize:       o.memTableSize,
		MaxOpenFiles:       o.MaxOpenFiles,
		FormatMajorVersion: pebbledb.FormatTableFormatV6,
		Logger:             s.last,
		EventListener:      s.last.listener(),
		// Most keys are random, so each merge of level 0 reads and writes all of the
		// next level, and that one all of the last. Tables come together longer before
		// they are merged, which a look pays for with two filters more.
		L0CompactionThreshold: 8,
		L0StopWritesThreshold: 16,
		LBaseMaxBytes:         128 << 20,
	}
	// Levels take over what the one before them has. The filters are of whole keys:
	// a look for one key touches the tables that hold it.
	options.Levels[0].FilterPolicy = bloom.FilterPolicy(10)
	var err error
	if s.db, err = pebbledb.Open(dir, options); err != nil {
		s.cache.Unref()
		return nil, fmt.Errorf("opening the store in %s: %w", dir, err)
	}
	opened.Store(true)
	if err := s.open(); err != nil {
		err = errors.Join(err, s.db.Close())
		s.cache.Unref()
		return nil, err
	}
	return s, nil
}

// private makes directories that are their owner's alone.
type private struct{ vfs.FS }

// MkdirAll implements vfs.FS.
func (p private) MkdirAll(dir string, _ os.FileMode) error { return p.FS.MkdirAll(dir, 0o700) }

// begin is how every call begins: not at all when its context is done, and with an
// error when the store has failed or is closed.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.last.err()
}

// Traits implements rollcall.Store.
func (s *Store) Traits() rollcall.Traits { return rollcall.Traits{} }

// Ready implements rollcall.Store. A disk that is nearly full is no reason to say
// no: checks go on. The store has no clock.
func (s *Store) Ready(ctx context.Context) (now time.Time, err error) {
	if err := s.begin(ctx); err != nil {
		return time.Time{}, err
	}
	_, err = s.storedFormat()
	return time.Time{}, err
}

// Close implements rollcall.Store. It writes what is in memory to a table, so
// that the next opening has no log to read.
func (s *Store) Close() error {
	closed := errors.New("the store is closed")
	if !s.last.said.CompareAndSwap(nil, &closed) {
		return s.last.err() // what is in memory is not to be written, and waiting for the log may never end
	}
	err := errors.Join(s.db.Flush(), s.db.Close())
	s.cache.Unref()
	return err
}

// closeQuietly closes what cannot fail in a way that matters, or has failed before.
func closeQuietly(c io.Closer) { _ = c.Close() }
