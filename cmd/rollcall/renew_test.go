package main

import (
	"context"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble"
)

// missed reads on from a position of the store in a data directory, and returns the
// position after the newest event.
func missed(t *testing.T, data, after string) (missed bool, head string) {
	t.Helper()
	s, err := pebble.Open(filepath.Join(data, "store"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	page, err := s.Events(t.Context(), rollcall.EventsAfter{After: after, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return page.Missed, page.Head
}

func TestARenewedStoreTellsReadersOfEventsThatTheyHaveMissedSome(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := serveOn(t, data)
	m, err := p.create(t.Context(), p.mint("create:sessions"), "auth0|1")
	if err != nil {
		t.Fatal(err)
	}
	if _, errs, code := run(t, "store", "renew", "--data", data); code != exitFailed || !strings.Contains(errs, "another process has the store in") {
		t.Errorf("beside a server: exit %d, %s", code, errs)
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Fatal(code)
	}
	_, head := missed(t, data, "")
	if m, _ := missed(t, data, head); m {
		t.Fatal("something is missed before anything has happened")
	}
	if out, errs, code := run(t, "store", "renew", "--data", data); code != 0 || errs != "" || !strings.Contains(out, "Renewed the store in "+filepath.Join(data, "store")) {
		t.Fatalf("exit %d, %s%s", code, errs, out)
	}
	if m, _ := missed(t, data, head); !m {
		t.Error("a position from before counts on")
	}
	p = serveOn(t, data)
	if status, err := p.ask(context.Background(), "GET", "/check", m.Token, "", nil); status != http.StatusOK {
		t.Errorf("a session of before: %d %v", status, err)
	}
}

func TestNoStoreIsMadeToBeRenewed(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.MkdirAll(filepath.Join(empty, "store"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{filepath.Join(empty, "nothing"), empty} {
		if _, errs, code := run(t, "store", "renew", "--data", data); code != exitUsage || !strings.Contains(errs, "there is no store in") {
			t.Errorf("exit %d, %s", code, errs)
		}
		if files, _ := os.ReadDir(filepath.Join(data, "store")); len(files) > 0 {
			t.Errorf("%s has %v now", data, files)
		}
	}
}

func TestAStoreThatOthersReachIsNotOpenedByAnyCommand(t *testing.T) {
	for name, tt := range map[string]struct {
		mode    fs.FileMode
		owner   int
		refused string
	}{
		"others can write": {0o777, 0, "others can write to"},
		"another owner":    {0o700, 1234, "belongs to user 1234"},
	} {
		if tt.owner != 0 && os.Geteuid() != 0 {
			continue // only root can give a folder away
		}
		data := filepath.Join(t.TempDir(), "data")
		stored(t, data)
		archive := filepath.Join(t.TempDir(), "empty.tar")
		if err := os.WriteFile(archive, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		foreign := func(dir string) {
			t.Helper()
			if err := os.Chmod(dir, tt.mode); err != nil {
				t.Fatal(err)
			}
			if tt.owner != 0 {
				if err := os.Chown(dir, tt.owner, tt.owner); err != nil {
					t.Fatal(err)
				}
			}
		}
		refuse := func(dir string, args ...string) {
			t.Helper()
			before, _ := os.ReadDir(dir)
			_, errs, code := run(t, append(args, "--data", data)...)
			if code != exitUsage || !strings.Contains(errs, tt.refused) || !strings.Contains(errs, dir) {
				t.Errorf("%s: %v: exit %d, %s", name, args, code, errs)
			}
			if after, _ := os.ReadDir(dir); len(after) != len(before) {
				t.Errorf("%s: %v: %v, then %v", name, args, before, after)
			}
		}
		foreign(filepath.Join(data, "store"))
		refuse(filepath.Join(data, "store"), "store", "renew")
		if err := os.RemoveAll(filepath.Join(data, "store")); err != nil {
			t.Fatal(err)
		}
		foreign(data)
		refuse(data, "restore", archive)
	}
}

// stored makes a data directory with a store and nothing else.
func stored(t *testing.T, data string) {
	t.Helper()
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := pebble.Open(filepath.Join(data, "store"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
