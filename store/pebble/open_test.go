package pebble

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
)

func TestADirectoryThatOpenMakesIsItsOwnersAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no permission bits")
	}
	dir := filepath.Join(t.TempDir(), "data", "store")
	s, err := Open(dir, Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(s)
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestAClosedStoreAnswersWithAnError(t *testing.T) {
	s, err := Open("store", Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ready(background); err != nil {
		t.Errorf("Ready: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ready(background); err == nil {
		t.Error("a closed store is ready")
	}
	if _, _, err := s.Session(background, rollcall.At{ID: "x"}); err == nil || errors.Is(err, rollcall.ErrNoSession) {
		t.Errorf("Session: %v", err)
	}
}

func TestAFileSystemWithoutRoomAtAllRefusesInteractionsBeforeTheLogMeetsItsEnd(t *testing.T) {
	var free atomic.Uint64
	free.Store(DefaultMinFree)
	s, err := Open("store", Options{FS: fullDisk{vfs.NewMem(), &free}})
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(s)
	if err := commit(s, aCreation("one")); err != nil {
		t.Fatal(err)
	}
	upkeep := func() (touch, sweep error) {
		touch = s.Touch(background, []rollcall.Touch{{UserID: "u", SessionID: "one", Interaction: rollcall.Interaction{At: at.Add(time.Hour)}}})
		_, sweep = s.Sweep(background, rollcall.Sweep{SessionsBefore: at, Limit: 1})
		return touch, sweep
	}
	for _, c := range []struct {
		free uint64
		want error
	}{{lastReserve, nil}, {lastReserve - 1, rollcall.ErrFull}, {0, rollcall.ErrFull}, {lastReserve, nil}} {
		free.Store(c.free)
		s.looked.Store(0) // as if a second had gone by
		if touch, sweep := upkeep(); !errors.Is(touch, c.want) || !errors.Is(sweep, c.want) {
			t.Errorf("with %d bytes free: Touch %v, Sweep %v", c.free, touch, sweep)
		}
		if _, _, err := s.Session(background, rollcall.At{ID: "one"}); err != nil {
			t.Errorf("with %d bytes free: Session %v", c.free, err)
		}
		if _, err := s.Ready(background); err != nil {
			t.Errorf("with %d bytes free: Ready %v", c.free, err)
		}
	}
}

func TestAUserIDThatAKeyCannotHoldIsRefusedAndUnknown(t *testing.T) {
	s, err := Open("store", Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(s)
	// The length of the one is the other's when its upper bytes are cut off.
	short := "u"
	long := short + strings.Repeat("\x00", maxUserID+1)
	if err := commit(s, creation(short, 0, typical(short, "one", t0))); err != nil {
		t.Fatal(err)
	}
	if err := commit(s, creation(long, 0, typical(long, "two", t0))); err == nil {
		t.Error("accepted")
	}
	if user, sessions, err := s.Sessions(background, rollcall.SessionsOf{UserID: long, Limit: 9}); err != nil || user.User != (rollcall.User{ID: long}) || len(sessions) != 0 {
		t.Errorf("version %d, %d sessions, %v", user.User.Version, len(sessions), err)
	}
}

func TestAChangeThatPutsARowTwiceIsRefused(t *testing.T) {
	s, err := Open("store", Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(s)
	twice := typical("u", "one", t0)
	if err := commit(s, creation("u", 0, twice, twice)); err == nil || errors.Is(err, rollcall.ErrConflict) {
		t.Errorf("a session: %v", err)
	}
	if err := commit(s, rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d"}, {Name: "d"}}}); err == nil {
		t.Error("a document: accepted")
	}
	if u, _, err := s.Sessions(background, rollcall.SessionsOf{UserID: "u", Limit: 0}); err != nil || u.User.Version != 0 {
		t.Errorf("something was made: %+v, %v", u, err)
	}
}
