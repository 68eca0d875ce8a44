package main

import (
	"archive/tar"
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// archived makes a server with some sessions and returns them, its data directory, and what
// `backup -` wrote.
func archived(t *testing.T) (sessions []made, data string, archive []byte) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "data")
	p := serveOn(t, data)
	token := p.mint("create:sessions")
	for range 5 {
		m, err := p.create(context.Background(), token, "auth0|1")
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, m)
	}
	c := exec.Command(program, "backup", "--data", data, "-")
	c.Dir = t.TempDir()
	archive, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, p.logged())
	}
	if files, err := os.ReadDir(c.Dir); err != nil || len(files) > 0 {
		t.Errorf("backup - has made files: %v %v", files, err)
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Fatal(code)
	}
	return sessions, data, archive
}

func restoreFrom(t *testing.T, data string, archive []byte) (out, errs string, code int) {
	t.Helper()
	c := exec.Command(program, "restore", "--data", data, "-")
	var stdout, stderr bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(archive), &stdout, &stderr
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), c.ProcessState.ExitCode()
}

func TestWhatBackupWritesToStandardOutputIsRestored(t *testing.T) {
	sessions, data, archive := archived(t)
	if _, errs, code := restoreFrom(t, data, archive); code != exitUsage || !strings.Contains(errs, "there is a store in") {
		t.Errorf("over a store: exit %d %s", code, errs)
	}
	if err := os.Rename(filepath.Join(data, "store"), filepath.Join(data, "store.old")); err != nil {
		t.Fatal(err)
	}
	out, errs, code := restoreFrom(t, data, archive)
	if code != 0 || !strings.Contains(out, "Restored 5 sessions") {
		t.Fatalf("exit %d %s%s", code, out, errs)
	}
	if left, err := filepath.Glob(filepath.Join(data, "restore-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	p := serveOn(t, data)
	for _, m := range sessions {
		if status, err := p.ask(context.Background(), "GET", "/check", m.Token, "", nil); status != http.StatusOK {
			t.Errorf("a session of before the copy: %d %v", status, err)
		}
	}
}

func TestAnArchiveThatIsNotWholeOrNotOursIsRestoredNowhere(t *testing.T) {
	_, _, archive := archived(t)
	foreign := func(headers ...tar.Header) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	bad := map[string][]byte{
		"nothing": nil, "no archive": []byte("hello"), "an empty one": foreign(),
		"a file elsewhere":      foreign(tar.Header{Name: "keys/signing.pem", Typeflag: tar.TypeReg, Mode: 0o600}),
		"a file above":          foreign(tar.Header{Name: "store/../../x", Typeflag: tar.TypeReg, Mode: 0o600}),
		"an absolute one":       foreign(tar.Header{Name: "/store/x", Typeflag: tar.TypeReg, Mode: 0o600}),
		"a link":                foreign(tar.Header{Name: "store/x", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}),
		"a file twice":          foreign(tar.Header{Name: "store/x", Typeflag: tar.TypeReg}, tar.Header{Name: "store/x", Typeflag: tar.TypeReg}),
		"a store of no content": foreign(tar.Header{Name: "store/marker.manifest.000001.MANIFEST-000001", Typeflag: tar.TypeReg}),
		"without the end":       archive[:len(archive)-tarTrailer],
		"half of it":            archive[:len(archive)/2/512*512],
		"cut within a block":    archive[:len(archive)-700],
	}
	for name, text := range bad {
		data := filepath.Join(t.TempDir(), "data")
		out, errs, code := restoreFrom(t, data, text)
		if code != exitFailed || out != "" || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: exit %d %s%s", name, code, out, errs)
		}
		if files, err := os.ReadDir(data); err != nil || len(files) > 0 {
			t.Errorf("%s leaves %v %v", name, files, err)
		}
	}
}
