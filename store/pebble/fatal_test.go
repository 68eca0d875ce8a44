package pebble

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/rollcall-id/rollcall"
)

// breakable is a file system whose logs cannot be written or synced any more once
// broken is set.
func breakable(broken *atomic.Bool) vfs.FS {
	return errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(o errorfs.Op) error {
		if broken.Load() && strings.HasSuffix(o.Path, ".log") && o.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errors.New("injected")
		}
		return nil
	}))
}

func TestAfterTheLogIsLostEveryCallFailsAlsoWhenTheProcessLivesOn(t *testing.T) {
	for _, first := range []string{"Commit", "Touch", "Sweep"} {
		t.Run(first, func(t *testing.T) {
			var broken atomic.Bool
			var fatal atomic.Int64
			s, err := Open("store", Options{FS: breakable(&broken), MinFree: -1, Fatal: func(error) { fatal.Add(1) }})
			if err != nil {
				t.Fatal(err)
			}
			if err := commit(s, aCreation("one")); err != nil {
				t.Fatal(err)
			}
			calls := map[string]func() error{
				"Commit": func() error { return commit(s, aCreation("two")) },
				"Touch": func() error {
					return s.Touch(background, []rollcall.Touch{{UserID: "u", SessionID: "one", Interaction: rollcall.Interaction{At: at.Add(time.Hour)}}})
				},
				"Sweep": func() error {
					_, err := s.Sweep(background, rollcall.Sweep{
						SessionsBefore: at.Add(time.Hour * 2), Limit: 1,
						Decide: func(rollcall.Walked) rollcall.Verdict { return rollcall.Verdict{} },
					})
					return err
				},
				"Session": func() error { _, _, err := s.Session(background, rollcall.At{ID: "one"}); return err },
				"Sessions": func() error {
					_, _, err := s.Sessions(background, rollcall.SessionsOf{UserID: "u", Limit: 1})
					return err
				},
				"Document": func() error { _, err := s.Document(background, "d"); return err },
				"Events":   func() error { _, err := eventsAfter(s, "", 1); return err },
				"Ready":    func() error { _, err := s.Ready(background); return err },
			}
			broken.Store(true)
			if err := calls[first](); err == nil || !strings.Contains(err.Error(), "injected") {
				t.Errorf("%s: %v", first, err)
			}
			if fatal.Load() == 0 {
				t.Error("Fatal was not called")
			}
			for name, call := range calls {
				if err := call(); err == nil || !strings.Contains(err.Error(), "injected") {
					t.Errorf("%s afterwards: %v", name, err)
				}
			}
			if err := s.Close(); err == nil {
				t.Error("Close reports nothing")
			}
		})
	}
}

// TestTheLibrarysPanicEndsTheProcess stands for a write that finds the log lost by
// an earlier one: the library panics then, and a server would recover.
func TestTheLibrarysPanicEndsTheProcess(t *testing.T) {
	var fatal error
	s := openInMemory(t, Options{Fatal: func(err error) { fatal = err }})
	batch := s.db.NewBatch()
	if err := errors.Join(batch.Set([]byte("m"), nil, nil), s.apply(batch, s.sync)); err != nil {
		t.Fatal(err)
	}
	if err := s.apply(batch, s.sync); err == nil || fatal == nil { // a batch that is applied twice panics
		t.Errorf("apply: %v, Fatal: %v", err, fatal)
	}
}

func TestByDefaultALostLogExitsWithStatus1AndOneLine(t *testing.T) {
	if os.Getenv("ROLLCALL_TEST_LOSE_LOG") != "" {
		var broken atomic.Bool
		s, err := Open("store", Options{FS: breakable(&broken), MinFree: -1})
		if err != nil {
			t.Fatal(err)
		}
		broken.Store(true)
		err = commit(s, aCreation("one"))
		t.Fatalf("the process goes on: %v", err)
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "ROLLCALL_TEST_LOSE_LOG=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("%v", err)
	}
	if bytes.Count(out, []byte("\n")) != 1 || !bytes.Contains(out, []byte(lastLine)) {
		t.Errorf("it said:\n%s", out)
	}
}
