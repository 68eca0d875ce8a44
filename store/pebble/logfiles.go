package pebble

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// logFiles is a file system that says the last word when the log cannot be opened,
// written or synced. The library would panic where nobody can recover: while it
// holds what it releases on the way out.
type logFiles struct {
	vfs.FS
	last *lastWord
	// opened is set when the store has been opened; what fails before is an error of
	// the opening.
	opened *atomic.Bool
}

// failed passes on an error of the log's, after the last word.
func (l logFiles) failed(what string, err error) error {
	if err != nil && l.opened.Load() {
		l.last.say(fmt.Errorf("%s the log: %w", what, err))
	}
	return err
}

// Create implements vfs.FS.
func (l logFiles) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := l.FS.Create(name, category)
	return l.watched(name, f, err)
}

// ReuseForWrite implements vfs.FS.
func (l logFiles) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := l.FS.ReuseForWrite(old, name, category)
	return l.watched(name, f, err)
}

// OpenDir implements vfs.FS. A directory whose sync fails may not have the log.
func (l logFiles) OpenDir(name string) (vfs.File, error) {
	f, err := l.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return logFile{f, l}, nil
}

func (l logFiles) watched(name string, f vfs.File, err error) (vfs.File, error) {
	if !strings.HasSuffix(name, ".log") {
		return f, err
	}
	if err != nil {
		return nil, l.failed("opening", err)
	}
	return logFile{f, l}, nil
}

// A logFile is one of the log.
type logFile struct {
	vfs.File
	files logFiles
}

// Write implements vfs.File.
func (f logFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.files.failed("writing", err)
}

// Sync implements vfs.File.
func (f logFile) Sync() error { return f.files.failed("syncing", f.File.Sync()) }

// SyncData implements vfs.File.
func (f logFile) SyncData() error { return f.files.failed("syncing", f.File.SyncData()) }

// SyncTo implements vfs.File.
func (f logFile) SyncTo(length int64) (fullSync bool, err error) {
	fullSync, err = f.File.SyncTo(length)
	return fullSync, f.files.failed("syncing", err)
}
