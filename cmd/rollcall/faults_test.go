//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// smallDisk mounts a file system of so many bytes, until the test ends.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root may mount a small file system: run the test as root to see a disk fill up for real")
	}
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skip("nothing can be mounted here, as in a container without the right to: a failing disk is tried in ./server all the same")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillUp writes a file until no more than left bytes are free, or nothing is.
func fillUp(t *testing.T, dir string, left int64) (path string) {
	t.Helper()
	path = filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var usage syscall.Statfs_t
	for chunk := make([]byte, 64<<10); ; {
		if err := syscall.Statfs(dir, &usage); err != nil {
			t.Fatal(err)
		}
		if int64(usage.Bavail)*usage.Bsize <= left {
			return path
		}
		if _, err := f.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			return path
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestADiskThatFillsUpRefusesActsUntilThereIsRoomAgain(t *testing.T) {
	dir := smallDisk(t, 128<<20)
	p := serveOn(t, filepath.Join(dir, "data"), "--min-free-disk", "33554432")
	token := p.mint("create:sessions")
	m, err := p.create(context.Background(), token, "auth0|1")
	if err != nil {
		t.Fatal(err)
	}
	filler := fillUp(t, dir, 30<<20)
	refused := func() bool {
		status, err := p.ask(context.Background(), "POST", "/v1/sessions", token, fmt.Sprintf(signInBody, "auth0|1"), nil)
		if err != nil || status != http.StatusCreated && status != http.StatusServiceUnavailable {
			t.Fatalf("%d %v\n%s", status, err, p.logged())
		}
		return status == http.StatusServiceUnavailable
	}
	wait(t, "acts are refused", refused)
	if status, err := p.ask(context.Background(), "GET", "/check", m.Token, "", nil); status != http.StatusOK {
		t.Errorf("a check: %d %v", status, err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	wait(t, "acts are taken again", func() bool { return !refused() })
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// wait waits until something is so.
func wait(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it is never so that %s", what)
		}
	}
}

// TestADiskThatIsFullToTheLastByteEndsTheProcessAndLosesNothing sets no floor, so that the
// log itself meets the end of the disk.
func TestADiskThatIsFullToTheLastByteEndsTheProcessAndLosesNothing(t *testing.T) {
	dir := smallDisk(t, 64<<20)
	data := filepath.Join(dir, "data")
	p := serveOn(t, data, "--min-free-disk", "0")
	token := p.mint("create:sessions delete:sessions")
	var acknowledged []made
	m, err := p.create(context.Background(), token, "auth0|1")
	for ; err == nil && len(acknowledged) < 100; m, err = p.create(context.Background(), token, "auth0|1") {
		acknowledged = append(acknowledged, m)
	}
	filler := fillUp(t, dir, 0)
	for ; err == nil && len(acknowledged) < 100_000; m, err = p.create(context.Background(), token, "auth0|1") {
		acknowledged = append(acknowledged, m)
	}
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		t.Fatalf("after %d creations the process goes on: %v", len(acknowledged), err)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(p.logged(), "no space left on device") {
		t.Errorf("exit %d:\n%s", code, p.logged()[max(0, len(p.logged())-1000):])
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	p = serveOn(t, data, "--min-free-disk", "0")
	for _, m := range acknowledged {
		if status, err := p.ask(context.Background(), "GET", "/check", m.Token, "", nil); status != http.StatusOK {
			t.Fatalf("an acknowledged session is refused: %d %v", status, err)
		}
	}
	t.Logf("%d acknowledged, all are there", len(acknowledged))
}

// TestOutOfFileDescriptorsIdleConnectionsGiveWayAndTheStoreHasItsOwn allows the server 256
// open files and opens more connections than that.
func TestOutOfFileDescriptorsIdleConnectionsGiveWayAndTheStoreHasItsOwn(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := serveBy(t, data, []string{"sh", "-c", `ulimit -n 256; exec "$@"`, "sh", program})
	if !strings.Contains(p.logged(), "the limit of open files bounds connections") {
		t.Errorf("nothing is said of the limit:\n%s", p.logged())
	}
	token := p.mint("create:sessions backup")
	m, err := p.create(context.Background(), token, "auth0|1") // on a connection that is kept
	if err != nil {
		t.Fatal(err)
	}
	checks := func(c *http.Client) error {
		request, err := http.NewRequest("GET", p.plain+"/check", nil)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+m.Token)
		answer, err := c.Do(request)
		if err != nil {
			return err
		}
		if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%d %v", answer.StatusCode, err)
		}
		return nil
	}
	kept := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
	if err := checks(kept); err != nil {
		t.Fatal(err)
	}
	dialMany(t, strings.TrimPrefix(p.plain, "http://"), 300, keepAlive)
	for range 20 {
		if err := checks(&http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}); err != nil {
			t.Fatalf("a new connection: %v", err)
		}
		if err := checks(kept); err != nil {
			t.Fatalf("a connection that is there already: %v", err)
		}
	}
	ask := func(path, body string) (status int, size int64) {
		request, err := http.NewRequest("POST", p.plain+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		answer, err := kept.Do(request)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if size, err = io.Copy(io.Discard, answer.Body); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if err := answer.Body.Close(); err != nil {
			t.Error(err)
		}
		return answer.StatusCode, size
	}
	if status, _ := ask("/v1/sessions", fmt.Sprintf(signInBody, "auth0|2")); status != http.StatusCreated {
		t.Errorf("an act: %d", status)
	}
	// A backup opens and makes a dozen files.
	if status, size := ask("/v1/backup", ""); status != http.StatusOK || size == 0 {
		t.Errorf("a backup: %d, %d B", status, size)
	}
	if strings.Contains(p.logged(), "too many open files") {
		t.Errorf("it runs out of files:\n%s", p.logged())
	}
	kept.CloseIdleConnections()
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d:\n%s", code, p.logged())
	}
	p = serveOn(t, data)
	if status, err := p.ask(context.Background(), "GET", "/check", m.Token, "", nil); status != http.StatusOK {
		t.Errorf("afterwards: %d %v", status, err)
	}
}

// TestBodiesOfStrangersAreNotRead has 1,000 requests under way that announce 1 MB each
// and send half of it, to a route that asks who comes.
func TestBodiesOfStrangersAreNotRead(t *testing.T) {
	n := min(1000, openFiles(t)/2)
	p := serveOn(t, filepath.Join(t.TempDir(), "data"))
	before := p.resident()
	half := "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat(" ", 500_000)
	var open []net.Conn
	var mu sync.Mutex
	var sending sync.WaitGroup
	var refused atomic.Int64
	most := p.resident()
	for range 16 {
		sending.Go(func() {
			for range n / 16 {
				c, err := net.Dial("tcp", strings.TrimPrefix(p.plain, "http://"))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				open = append(open, c)
				mu.Unlock()
				sent := make(chan struct{})
				go func() { defer close(sent); _, _ = io.WriteString(c, half) }() // the server may close before it has all
				if status, err := readHead(c); err == nil && status == http.StatusUnauthorized {
					refused.Add(1)
				}
				_ = c.SetWriteDeadline(time.Now())
				<-sent
			}
		})
	}
	done := make(chan struct{})
	go func() { sending.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(10 * time.Millisecond):
		}
		most = max(most, p.resident())
	}
	for _, c := range open {
		_ = c.Close()
	}
	t.Logf("%d of %d were answered 401; %d MiB before, %d MiB at most", refused.Load(), n/16*16, before>>20, most>>20)
	if most-before > 128<<20 {
		t.Errorf("they took %d MiB", (most-before)>>20)
	}
	if refused.Load() == 0 {
		t.Error("nobody was answered")
	}
}

// TestTheMemoryLimitIsTheCachesAndThatOfTheEnvironmentWins reads the collector's limit.
func TestTheMemoryLimitIsTheCachesAndThatOfTheEnvironmentWins(t *testing.T) {
	for _, tt := range []struct{ environment, want string }{
		{"ROLLCALL_X_=", "go_gc_gomemlimit_bytes 1.00663296e+08"},
		{"GOMEMLIMIT=67108864", "go_gc_gomemlimit_bytes 6.7108864e+07"},
		{"GOGC=50", "go_gc_gomemlimit_bytes 9.223372036854776e+18"},
	} {
		t.Setenv("GOMEMLIMIT", "")
		t.Setenv("GOGC", "")
		name, value, _ := strings.Cut(tt.environment, "=")
		if name != "ROLLCALL_X_" {
			t.Setenv(name, value)
		}
		p := serveOn(t, filepath.Join(t.TempDir(), "data"), "--store", "memory", "--cache-size", "0", "--telemetry-listen", "127.0.0.1:0")
		if _, text := fetch(t, p.telemetry()+"/metrics"); !strings.Contains(text, tt.want+"\n") {
			t.Errorf("with %s: not %s", tt.environment, tt.want)
		}
		p.stop(syscall.SIGTERM)
	}
}

func TestTheMemoryLimitGivesWayToWhatIsInUse(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct{ cache, inUse, want int64 }{
		{384 * mib, 0, 480 * mib}, {384 * mib, 100 * mib, 480 * mib}, {384 * mib, 900 * mib, 996 * mib}, {0, 0, 96 * mib},
	} {
		if got := memoryLimit(tt.cache, tt.inUse); got != tt.want {
			t.Errorf("cache %d MiB, in use %d MiB: %d MiB, want %d", tt.cache/mib, tt.inUse/mib, got/mib, tt.want/mib)
		}
	}
	if memoryInUse() < 1<<16 {
		t.Error("nothing is in use")
	}
}

// TestWithLittleMemoryTheServerGoesOn gives a server under load 64 MiB, which the
// engine's own buffers fill.
func TestWithLittleMemoryTheServerGoesOn(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "64MiB")
	p := serveOn(t, filepath.Join(t.TempDir(), "data"), "--cache-size", "1048576")
	token := p.mint("create:sessions delete:sessions")
	var acts, checks atomic.Int64
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	var load sync.WaitGroup
	for w := range 8 {
		load.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				m, err := p.create(context.Background(), token, fmt.Sprintf("user-%d-%d", w, i))
				if err != nil {
					t.Errorf("a creation: %v", err)
					return
				}
				acts.Add(1)
				if status, err := p.ask(context.Background(), "GET", "/check", m.Token, "", nil); status != http.StatusOK {
					t.Errorf("a check: %d %v", status, err)
					return
				}
				checks.Add(1)
			}
		})
	}
	load.Wait()
	t.Logf("%d acts and %d checks in 3 s, %d MiB resident", acts.Load(), checks.Load(), p.resident()>>20)
	if acts.Load() < 50 {
		t.Error("it hardly moves")
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
}
