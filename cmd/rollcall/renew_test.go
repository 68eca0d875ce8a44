package main

import (
	"context"
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
