// Package pebble keeps sessions in an embedded store on the local disk, the
// engine of one node. One process at a time can open a directory.
//
// # Durability
//
// Commit holds the user's stripe until the log is synced; commits of different
// users join one sync. A read may see a commit a moment before it is durable,
// but nothing is acknowledged before it is. A failed write or sync of the log
// ends the process: what is in memory after it is unknown.
package pebble

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
)

// DefaultMinFree is the floor of free disk space, in bytes.
const DefaultMinFree = 256 << 20

// Options configure a store. The zero value of each field has a meaning.
type Options struct {
	// FS is the file system; nil is the machine's.
	FS vfs.FS
	// Logger takes what an operator should know; nil discards it.
	Logger *slog.Logger
	// MinFree is the free disk space, in bytes, below which commits are refused
	// with ErrFull; 0 is DefaultMinFree, a negative number sets no floor.
	// Interactions and the sweep go on: they are what the floor is kept for.
	MinFree int64
	// Fatal is called when the log cannot be written or synced any more; nil logs
	// and exits the process with status 1. It must not return.
	Fatal func(error)

	// noSync leaves out every sync. It is the control of the power-loss tests.
	noSync bool
	// hold is called between taking an event's position and its being visible.
	hold func(rollcall.Change)
}

// A Store is a rollcall.Store on one directory.
type Store struct {
	db      *pebbledb.DB
	fs      vfs.FS
	dir     string
	cache   *pebbledb.Cache
	minFree int64
	sync    *pebbledb.WriteOptions
	hold    func(rollcall.Change)

	// A commit takes its user's stripe, then those of the ids it claims, in
	// order. Reads take none.
	seed    maphash.Seed
	users   [1024]sync.Mutex
	ids     [256]sync.Mutex
	docs    sync.Mutex
	log     eventLog
	space   atomic.Bool // whether there was room when it was last looked
	looked  atomic.Int64
	started time.Time
}

var _ rollcall.Store = (*Store)(nil)

// Open opens or creates the store in dir. It fails when another process has it
// open, and when a newer version has written it.
func Open(dir string, o Options) (*Store, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MinFree == 0 {
		o.MinFree = DefaultMinFree
	}
	if o.Fatal == nil {
		o.Fatal = func(error) { os.Exit(1) }
	}
	cache := pebbledb.NewCache(64 << 20)
	db, err := pebbledb.Open(dir, &pebbledb.Options{
		FS:                 o.FS,
		Cache:              cache,
		MemTableSize:       16 << 20,
		FormatMajorVersion: pebbledb.FormatTableFormatV6,
		Logger:             logger{o.Logger, o.Fatal},
	})
	if err != nil {
		cache.Unref()
		return nil, fmt.Errorf("opening the store in %s: %w", dir, err)
	}
	s := &Store{
		db: db, fs: o.FS, dir: dir, cache: cache, minFree: o.MinFree, hold: o.hold,
		sync: pebbledb.Sync, seed: maphash.MakeSeed(), started: time.Now(),
	}
	if o.noSync {
		s.sync = pebbledb.NoSync
	}
	s.space.Store(true)
	if err := s.open(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// open reads what the store keeps of itself.
func (s *Store) open() error {
	format, err := s.meta("format")
	if err != nil {
		return err
	}
	switch {
	case format > storeFormat:
		return fmt.Errorf("the store in %s has format %d, and this version reads up to %d: it was written by a newer version", s.dir, format, storeFormat)
	case format == 0:
		if err := s.db.Set(metaKey("format"), []byte{storeFormat}, s.sync); err != nil {
			return err
		}
	}
	return s.openLog()
}

// meta reads one small number that the store keeps of itself, 0 if there is none.
func (s *Store) meta(name string) (uint64, error) {
	value, closer, err := s.db.Get(metaKey(name))
	if errors.Is(err, pebbledb.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer closer.Close()
	if name == "format" {
		if len(value) != 1 {
			return 0, errCorrupt("the format")
		}
		return uint64(value[0]), nil
	}
	return decodeSequence(value)
}

// stripe returns the lock of a user.
func (s *Store) stripe(userID string) *sync.Mutex { return &s.users[s.stripeOf(userID)] }

func (s *Store) stripeOf(userID string) int {
	return int(maphash.String(s.seed, userID) % uint64(len(s.users)))
}

// lockIDs takes the stripes of ids, in order, and returns what gives them back.
func (s *Store) lockIDs(ids []string) (unlock func()) {
	var stripes []int
	for _, id := range ids {
		stripes = append(stripes, int(maphash.String(s.seed, id)%uint64(len(s.ids))))
	}
	slices.Sort(stripes)
	stripes = slices.Compact(stripes)
	for _, i := range stripes {
		s.ids[i].Lock()
	}
	return func() {
		for _, i := range stripes {
			s.ids[i].Unlock()
		}
	}
}

// hasRoom reports whether the disk has more free space than the floor. It looks
// at most once a second.
func (s *Store) hasRoom() bool {
	if s.minFree < 0 {
		return true
	}
	now := int64(time.Since(s.started)/time.Second) + 1
	if last := s.looked.Load(); last != now && s.looked.CompareAndSwap(last, now) {
		usage, err := s.fs.GetDiskUsage(s.dir)
		if err != nil && !errors.Is(err, vfs.ErrUnsupported) {
			return s.space.Load()
		}
		s.space.Store(err != nil || usage.AvailBytes >= uint64(s.minFree))
	}
	return s.space.Load()
}

// Ready implements rollcall.Store.
func (s *Store) Ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := s.meta("format")
	return err
}

// Close implements rollcall.Store. It writes what is in memory to a table, so
// that the next opening has no log to read.
func (s *Store) Close() error {
	err := errors.Join(s.db.Flush(), s.db.Close())
	s.cache.Unref()
	return err
}

// logger takes the library's messages. Fatalf is how it says that the log is
// lost.
type logger struct {
	log   *slog.Logger
	fatal func(error)
}

// Infof implements the library's interface; its chatter interests nobody.
func (logger) Infof(string, ...any) {}

// Errorf implements the library's interface.
func (l logger) Errorf(format string, args ...any) {
	l.log.Error("store", "error", fmt.Sprintf(format, args...))
}

// Fatalf implements the library's interface.
func (l logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	l.log.Error("the store's log cannot be written any more, ending at once", "error", err)
	l.fatal(err)
}

// close closes what cannot fail in a way that matters, or has failed before.
func closeQuietly(c io.Closer) { _ = c.Close() }
