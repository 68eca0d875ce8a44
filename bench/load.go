package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble"
)

// loadVersion moves when what is loaded or the store's format changes, so that no older
// directory is taken for this one's.
const loadVersion = 2

// reuseFor is how long a loaded directory stays good: the store keeps its events
// for longer, and its sessions too.
const reuseFor = 60 * 24 * time.Hour

// A manifest says what a data directory was loaded with. It is written last.
type manifest struct {
	Version int   `json:"version"`
	Plan    plan  `json:"plan"`
	Bytes   int64 `json:"bytes"` // on disk, after compaction
	Took    int64 `json:"took_ms"`
}

func manifestFile(dir string) string { return filepath.Join(dir, "loaded.json") }

func readManifest(dir string) (m manifest, err error) {
	data, err := os.ReadFile(manifestFile(dir))
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(data, &m)
}

// loadedDir is where bench load leaves so many sessions.
func loadedDir(parent string, sessions int) string {
	return filepath.Join(parent, fmt.Sprintf("sessions-%d", sessions))
}

func loadCommand(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	sessions := f.Int("sessions", 1_000_000, "sessions to load; a fifth as many users have them")
	dir := f.String("data", "bench/data", "directory for the loaded data directories")
	if err := parse(f, args); err != nil {
		return err
	}
	_, _, err := loaded(ctx, *dir, *sessions)
	return err
}

// loaded returns a data directory that holds so many sessions, and loads it when
// there is none that fits.
func loaded(ctx context.Context, parent string, sessions int) (dir string, m manifest, err error) {
	dir = loadedDir(parent, sessions)
	if m, err = readManifest(dir); err == nil && m.Version == loadVersion && m.Plan.Sessions == sessions && time.Since(m.Plan.Base) < reuseFor {
		return dir, m, nil
	}
	p, err := newPlan(sessions, time.Now())
	if err != nil {
		return "", m, err
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", m, err
	}
	began := time.Now()
	store := filepath.Join(dir, "store")
	if err := os.MkdirAll(store, 0o700); err != nil {
		return "", m, err
	}
	if err := fillStore(ctx, store, p); err != nil {
		return "", m, err
	}
	m = manifest{Version: loadVersion, Plan: p, Took: time.Since(began).Milliseconds()}
	if m.Bytes, err = diskBytes(store); err != nil {
		return "", m, err
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "", m, err
	}
	return dir, m, os.WriteFile(manifestFile(dir), data, 0o600)
}

// fillStore loads the plan through the engine, a commit for each user, and merges
// what it has written.
func fillStore(ctx context.Context, dir string, p plan) (err error) {
	s, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	bar := newProgress(fmt.Sprintf("loading %s sessions of %s users", thousands(p.Sessions), thousands(p.Users)), p.Sessions)
	if err := commitAll(ctx, s, p, bar); err != nil {
		return err
	}
	bar.say("merging tables")
	if err := s.Compact(ctx); err != nil {
		return err
	}
	bar.end()
	return nil
}

// loaders are many, so that commits share syncs.
const loaders = 64

func commitAll(ctx context.Context, s *pebble.Store, p plan, bar *progress) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range loaders {
		all.Go(func() {
			for ctx.Err() == nil {
				user := int(next.Add(1)) - 1
				if user >= p.Users {
					return
				}
				if err := commitUser(ctx, s, p, user, bar); err != nil {
					cancel(fmt.Errorf("loading user %d: %w", user, err))
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

func commitUser(ctx context.Context, s *pebble.Store, p plan, user int, bar *progress) error {
	first, count := p.sessionsOf(user)
	u := rollcall.User{ID: p.userID(user), Version: uint64(p.Base.UnixMilli())}
	for count > 0 {
		n := min(count, rollcall.MaxChange)
		c := rollcall.Change{UserID: u.ID, User: &rollcall.PutUser{User: u, Replaces: rollcall.AnyVersion}}
		for i := range n {
			session := p.session(first + i)
			c.Sessions = append(c.Sessions, rollcall.PutSession{Session: session, Fresh: true, Stamped: true})
			c.Events = append(c.Events, created(session))
		}
		if _, err := s.Commit(ctx, c); err != nil {
			return err
		}
		bar.add(n)
		first, count = first+n, count-n
	}
	return nil
}

// diskBytes is the size of all files below a directory.
func diskBytes(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}
