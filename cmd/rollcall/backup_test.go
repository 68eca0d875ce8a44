package main

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

func TestABackupIsMadeWhileServingAndRestored(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	p := serveOn(t, data)
	token := p.mint("create:sessions")
	var before []made
	for range 50 {
		m, err := p.create(context.Background(), token, "auth0|1")
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, m)
	}
	archive := filepath.Join(dir, "rollcall.tar")
	if _, errs, code := run(t, "backup", "--data", data, archive); code != 0 {
		t.Fatalf("exit %d: %s\n%s", code, errs, p.logged())
	}
	if info, err := os.Stat(archive); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the archive: %v %v", info, err)
	}
	if left, err := filepath.Glob(filepath.Join(data, "backup-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	after, err := p.create(context.Background(), token, "auth0|1")
	if err != nil {
		t.Fatal(err)
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Fatal(code)
	}
	if err := os.RemoveAll(filepath.Join(data, "store")); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-xf", archive, "-C", data).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	leftover := filepath.Join(data, "backup-123", "store")
	if err := os.MkdirAll(leftover, 0o700); err != nil {
		t.Fatal(err)
	}
	p = serveOn(t, data)
	if _, err := os.Stat(filepath.Dir(leftover)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a dead server left behind: %v", err)
	}
	for _, m := range before {
		if status, err := p.ask(context.Background(), "GET", "/check", m.Token, "", nil); status != http.StatusOK {
			t.Errorf("a session of before the copy: %d %v", status, err)
		}
	}
	if status, err := p.ask(context.Background(), "GET", "/check", after.Token, "", nil); status != http.StatusUnauthorized {
		t.Errorf("a session of after the copy: %d %v", status, err)
	}
}
