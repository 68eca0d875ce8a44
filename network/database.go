// Package network finds the autonomous system that an address belongs to, in a
// database file of the MaxMind format.
package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// maxSize bounds the file, in bytes. It is read into memory whole: a file that is
// mapped and then cut short by its writer would end the process.
const maxSize = 512 << 20

// pollInterval is how often Run looks whether the file has changed.
const pollInterval = 5 * time.Second

// A Database finds autonomous system numbers by address. Its methods may be called
// at once from many goroutines, also while its file is replaced.
type Database struct {
	path    string
	log     *slog.Logger
	current atomic.Pointer[table]

	// loading is held by whoever reads the file.
	loading sync.Mutex
	read    stamp // of the file as it was last read, well or not
	seen    stamp // of the file when it was last looked at
}

// Open reads the database file at path. It starts nothing: Run does. log takes
// what becomes of later files.
//
// Errors: the file cannot be read, is larger than 512 MiB, has another format, or
// holds no autonomous system numbers.
func Open(path string, log *slog.Logger) (*Database, error) {
	d := &Database{path: path, log: log}
	t, read, err := load(path)
	if err != nil {
		return nil, err
	}
	d.read, d.seen = read, read
	d.current.Store(t)
	return d, nil
}

// Number returns the number of the autonomous system that an address belongs to,
// as digits; "" when it is not known, or when ip is no address.
func (d *Database) Number(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	return d.current.Load().number(addr.Unmap().WithZone(""))
}

// Run looks every few seconds whether the file has changed, until ctx is done,
// and then reads it anew. It returns nil.
func (d *Database) Run(ctx context.Context) error {
	t := time.NewTicker(pollInterval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			d.poll()
		}
	}
}

// poll reads a file that has changed, once two looks in a row have found it the
// same: one that is still being written is left alone.
func (d *Database) poll() {
	d.loading.Lock()
	defer d.loading.Unlock()
	now := stampOf(d.path)
	settled := now == d.seen
	d.seen = now
	if settled && now != d.read {
		d.reload()
	}
}

// Reload reads the file now. A file that cannot be used is logged, and the database
// stays what it was.
func (d *Database) Reload() {
	d.loading.Lock()
	defer d.loading.Unlock()
	d.reload()
}

func (d *Database) reload() {
	t, read, err := load(d.path)
	d.read = read
	if err != nil {
		d.log.Error("the network database cannot be read anew, the old one stays", "error", err)
		return
	}
	d.current.Store(t)
	d.log.Info("the network database has been read anew", "path", d.path, "built", t.built)
}

// load reads a file. The stamp it returns is the file's as it was before, also
// with an error, so that the same file is not tried again and again.
func load(path string) (*table, stamp, error) {
	before := stampOf(path)
	data, err := readBounded(path)
	if err != nil {
		return nil, before, fmt.Errorf("reading the network database: %w", err)
	}
	t, err := newTable(data)
	if err == nil && stampOf(path) != before {
		err = errors.New("it changed while it was read")
	}
	if err != nil {
		return nil, before, fmt.Errorf("reading the network database %s: %w", path, err)
	}
	return t, before, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSize {
		return nil, fmt.Errorf("%s has %d bytes, and at most %d are read", path, info.Size(), maxSize)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("%s was cut short while it was read", path)
		}
		return nil, err
	}
	return data, nil
}

// A stamp tells files, and states of a file, apart. The zero stamp is no file.
type stamp struct {
	modified time.Time
	size     int64
	inode    uint64
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{modified: info.ModTime(), size: info.Size(), inode: inode(info)}
}
