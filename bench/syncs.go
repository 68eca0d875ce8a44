package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/pebble"
)

// Syncs are counted where they happen, between the engine and the file system, in
// a store of this process that does the same acts from as many goroutines as there
// are connections: from outside of a process nobody can count its syncs without
// privileges.

// A countingFS counts the syncs of log files.
type countingFS struct {
	vfs.FS
	syncs *atomic.Int64
}

// Create implements vfs.FS.
func (c countingFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := c.FS.Create(name, category)
	return c.counted(name, f), err
}

// ReuseForWrite implements vfs.FS.
func (c countingFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := c.FS.ReuseForWrite(oldname, newname, category)
	return c.counted(newname, f), err
}

func (c countingFS) counted(name string, f vfs.File) vfs.File {
	if f == nil || !strings.HasSuffix(name, ".log") {
		return f
	}
	return countingFile{f, c.syncs}
}

type countingFile struct {
	vfs.File
	syncs *atomic.Int64
}

// Sync implements vfs.File.
func (c countingFile) Sync() error { c.syncs.Add(1); return c.File.Sync() }

// SyncData implements vfs.File.
func (c countingFile) SyncData() error { c.syncs.Add(1); return c.File.SyncData() }

// SyncTo implements vfs.File. It counts when it was a whole sync; otherwise it only
// begins to write, and makes nothing durable.
func (c countingFile) SyncTo(length int64) (full bool, err error) {
	if full, err = c.File.SyncTo(length); full {
		c.syncs.Add(1)
	}
	return full, err
}

// A syncCount is how many syncs a creation and an ending took, round by round.
type syncCount struct{ create, end []float64 }

// countSyncs creates and ends sessions at once from many goroutines.
func (b *bench) countSyncs(ctx context.Context) (count syncCount, err error) {
	dir := filepath.Join(b.work, "syncs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return count, err
	}
	var syncs atomic.Int64
	store, err := pebble.Open(dir, pebble.Options{FS: countingFS{vfs.Default, &syncs}})
	if err != nil {
		return count, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	m, err := sessions.New(store, sessions.Options{})
	if err != nil {
		return count, err
	}
	acts := b.scaled(actsPerRound)
	by := rollcall.Caller{ID: "backend"}
	ids := make([]string, acts)
	for round := range b.rounds {
		before := syncs.Load()
		err := atOnce(acts, func(i int) error {
			s, _, err := m.Create(ctx, by, rollcall.NewSession{
				UserID: b.population.userID(round*acts + i), ClientID: "web-application", Methods: []rollcall.Method{{Name: "pwd"}},
				IP: address(i), UserAgent: agents[i%len(agents)],
			})
			ids[i] = s.ID
			return err
		})
		if err != nil {
			return count, err
		}
		between := syncs.Load()
		if err := atOnce(acts, func(i int) error { return m.End(ctx, by, ids[i], rollcall.ReasonDeleted) }); err != nil {
			return count, err
		}
		count.create = append(count.create, float64(between-before)/float64(acts))
		count.end = append(count.end, float64(syncs.Load()-between)/float64(acts))
	}
	return count, nil
}

// atOnce calls do with each number below n, from as many goroutines as acts have
// connections, and returns one of the errors.
func atOnce(n int, do func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for range actConnections {
		all.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(i); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

func createSyncs(_ context.Context, b *bench, s scenario) (result, error) {
	count, err := b.counted()
	return s.values(count.create), err
}

func endSyncs(_ context.Context, b *bench, s scenario) (result, error) {
	count, err := b.counted()
	return s.values(count.end), err
}
