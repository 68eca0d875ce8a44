package pebble

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/rollcall-id/rollcall"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func aSession(id string) rollcall.Session {
	return rollcall.Session{
		ID: id, UserID: "u", CreatedAt: at, ExpiresAt: at.Add(time.Hour),
		Last: rollcall.Interaction{At: at, IdleExpiresAt: at.Add(time.Hour)},
	}
}

func aCreation(id string) rollcall.Change {
	return rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: aSession(id)}}}
}

// fullDisk is a file system that reports as much free space as it is told.
type fullDisk struct {
	vfs.FS
	free *atomic.Uint64
}

// GetDiskUsage reports what the test says.
func (f fullDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: f.free.Load()}, nil
}

func TestBelowTheFloorOfDiskSpaceCommitsAreRefusedAndTheRestGoesOn(t *testing.T) {
	var free atomic.Uint64
	free.Store(DefaultMinFree)
	s, err := Open("store", Options{FS: fullDisk{vfs.NewMem(), &free}})
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(s)
	if err := s.Commit(context.Background(), aCreation("one")); err != nil {
		t.Fatalf("with enough room: %v", err)
	}
	free.Store(DefaultMinFree - 1)
	s.looked.Store(0) // as if a second had gone by
	if err := s.Commit(context.Background(), aCreation("two")); !errors.Is(err, rollcall.ErrFull) {
		t.Fatalf("below the floor: %v", err)
	}
	if _, _, err := s.Session(context.Background(), "two"); !errors.Is(err, rollcall.ErrNoSession) {
		t.Errorf("a refused change is there: %v", err)
	}
	later := rollcall.Interaction{At: at.Add(time.Minute)}
	if err := s.Touch(context.Background(), []rollcall.Touch{{UserID: "u", SessionID: "one", Interaction: later}}); err != nil {
		t.Errorf("Touch: %v", err)
	}
	if got, _, err := s.Session(context.Background(), "one"); err != nil || got.Last != later {
		t.Errorf("Session: %+v, %v", got.Last, err)
	}
	free.Store(DefaultMinFree)
	s.looked.Store(0)
	if err := s.Commit(context.Background(), aCreation("two")); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestALogThatCannotBeWrittenEndsTheProcess(t *testing.T) {
	for _, op := range []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileWrite} {
		var broken atomic.Bool
		fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(o errorfs.Op) error {
			isSync := o.Kind == errorfs.OpFileSync || o.Kind == errorfs.OpFileSyncData || o.Kind == errorfs.OpFileSyncTo
			if broken.Load() && strings.HasSuffix(o.Path, ".log") && (o.Kind == op || op == errorfs.OpFileSync && isSync) {
				return errors.New("injected")
			}
			return nil
		}))
		fatal := make(chan error, 100)
		s, err := Open("store", Options{FS: fs, MinFree: -1, Fatal: func(err error) {
			fatal <- err
			select {} // as a process that has ended
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Commit(context.Background(), aCreation("one")); err != nil {
			t.Fatal(err)
		}
		broken.Store(true)
		committed := make(chan error, 1)
		go func() { committed <- s.Commit(context.Background(), aCreation("two")) }()
		select {
		case err := <-fatal:
			if !strings.Contains(err.Error(), "injected") {
				t.Errorf("the reason is lost: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the process goes on")
		}
		select {
		case err := <-committed:
			if err == nil {
				t.Error("a commit that was not written is acknowledged")
			}
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestOneDirectoryIsOpenedOnce(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(s)
	if other, err := Open(dir, Options{}); err == nil {
		closeQuietly(other)
		t.Error("two have opened it")
	}
}
