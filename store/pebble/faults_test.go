package pebble

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
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
	return silent("u", aSession(id))
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
	if err := commit(s, aCreation("one")); err != nil {
		t.Fatalf("with enough room: %v", err)
	}
	free.Store(DefaultMinFree - 1)
	s.looked.Store(0) // as if a second had gone by
	if err := commit(s, aCreation("two")); !errors.Is(err, rollcall.ErrFull) {
		t.Fatalf("below the floor: %v", err)
	}
	document := rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d"}}}
	if err := commit(s, document); !errors.Is(err, rollcall.ErrFull) {
		t.Fatalf("a document below the floor: %v", err)
	}
	if _, _, err := s.Session(context.Background(), rollcall.At{ID: "two"}); !errors.Is(err, rollcall.ErrNoSession) {
		t.Errorf("a refused change is there: %v", err)
	}
	later := rollcall.Interaction{At: at.Add(time.Minute)}
	if err := s.Touch(context.Background(), []rollcall.Touch{{UserID: "u", SessionID: "one", Interaction: later}}); err != nil {
		t.Errorf("Touch: %v", err)
	}
	if got, _, err := s.Session(context.Background(), rollcall.At{ID: "one"}); err != nil || got.Last != later {
		t.Errorf("Session: %+v, %v", got.Last, err)
	}
	// What is stolen can be ended as long as anything can be written.
	update, _, err := s.Session(context.Background(), rollcall.At{ID: "one"})
	if err == nil {
		err = commit(s, put(update, 1))
	}
	end := unread("u", 1, aSession("one").Ended(rollcall.Ending{EndedAt: at.Add(time.Hour), EndReason: rollcall.ReasonRevoked}))
	all := rollcall.Change{UserID: "u", User: &rollcall.PutUser{User: rollcall.User{ID: "u", Generation: 1}, Replaces: rollcall.AnyVersion, NextGeneration: true}}
	everybody := rollcall.Change{Everybody: &rollcall.PutEverybody{Everybody: rollcall.Everybody{Generation: 1}}}
	endings := []rollcall.Change{end, all, everybody}
	for _, room := range []uint64{lastReserve - 1, lastReserve} {
		free.Store(room)
		s.looked.Store(0)
		for i, c := range endings {
			if err := commit(s, c); (err == nil) != (room == lastReserve) || err != nil && !errors.Is(err, rollcall.ErrFull) {
				t.Errorf("with %d bytes free, ending %d: %v", room, i, err)
			}
		}
	}
	if got, st, readErr := s.Session(context.Background(), rollcall.At{ID: "one"}); errors.Join(err, readErr) != nil || got.EndedAt.IsZero() || st.User.Generation != 1 || st.Everybody.Generation != 1 {
		t.Errorf("Session: %+v, %+v, %v, %v", got, st, err, readErr)
	}
	free.Store(DefaultMinFree)
	s.looked.Store(0)
	if err := commit(s, aCreation("two")); err != nil {
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
		if err := commit(s, aCreation("one")); err != nil {
			t.Fatal(err)
		}
		broken.Store(true)
		committed := make(chan error, 1)
		go func() { committed <- commit(s, aCreation("two")) }()
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

func TestTablesThatCannotBeOpenedForAWhileHoldUpCommitsAndLoseNone(t *testing.T) {
	var broken atomic.Bool
	var refused atomic.Int64
	inner := vfs.NewMem()
	fs := errorfs.Wrap(inner, errorfs.InjectorFunc(func(o errorfs.Op) error {
		if broken.Load() && strings.HasSuffix(o.Path, ".sst") && (o.Kind == errorfs.OpCreate || o.Kind == errorfs.OpOpen) {
			refused.Add(1)
			time.Sleep(time.Millisecond)
			return syscall.EMFILE
		}
		return nil
	}))
	s, err := Open("store", Options{FS: fs, MinFree: -1, memTableSize: 256 << 10, Fatal: func(err error) { t.Errorf("the process ends: %v", err) }})
	if err != nil {
		t.Fatal(err)
	}
	const commits = 3000 // several memtables
	broken.Store(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range commits {
			if err := commit(s, aCreation(strconv.Itoa(i))); err != nil {
				t.Errorf("Commit: %v", err)
				return
			}
		}
	}()
	for refused.Load() < 20 {
		time.Sleep(time.Millisecond)
	}
	select {
	case <-done:
		t.Error("all commits are made although no table can be: the test shows nothing")
	case <-time.After(100 * time.Millisecond):
	}
	if _, _, err := s.Session(context.Background(), rollcall.At{ID: "0"}); err != nil {
		t.Errorf("a read of what is in memory: %v", err)
	}
	broken.Store(false)
	<-done
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open("store", Options{FS: inner, MinFree: -1}); err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(s)
	for i := range commits {
		if _, _, err := s.Session(context.Background(), rollcall.At{ID: strconv.Itoa(i)}); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
}

func TestALogThatCannotBeOpenedEndsTheProcessAndLosesNothing(t *testing.T) {
	var broken atomic.Bool
	inner := vfs.NewCrashableMem()
	fs := errorfs.Wrap(inner, errorfs.InjectorFunc(func(o errorfs.Op) error {
		if broken.Load() && strings.HasSuffix(o.Path, ".log") && (o.Kind == errorfs.OpCreate || o.Kind == errorfs.OpReuseForWrite) {
			return syscall.EMFILE
		}
		return nil
	}))
	fatal := make(chan error, 100)
	s, err := Open("store", Options{FS: fs, MinFree: -1, memTableSize: 256 << 10, Fatal: func(err error) {
		fatal <- err
		select {} // as a process that has ended
	}})
	if err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	var acknowledged atomic.Int64
	go func() {
		for i := 0; commit(s, aCreation(strconv.Itoa(i))) == nil; i++ {
			acknowledged.Store(int64(i) + 1)
		}
	}()
	select {
	case err := <-fatal:
		if !strings.Contains(err.Error(), syscall.EMFILE.Error()) {
			t.Errorf("the reason is lost: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the process goes on")
	}
	crashed := inner.CrashClone(vfs.CrashCloneCfg{})
	after, err := Open("store", Options{FS: crashed, MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(after)
	n := acknowledged.Load()
	for i := range n {
		if _, _, err := after.Session(context.Background(), rollcall.At{ID: strconv.FormatInt(i, 10)}); err != nil {
			t.Fatalf("%d of %d: %v", i, n, err)
		}
	}
	if n == 0 {
		t.Error("nothing was acknowledged: the test shows nothing")
	}
}
