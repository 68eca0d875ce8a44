//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// resident is the memory that the process holds, in bytes.
func (p *process) resident() int64 {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if errors.Is(err, os.ErrNotExist) {
		p.t.Skip("there is no /proc to read the memory of a process from")
	}
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); fields[0] == "VmRSS:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return kib << 10
		}
	}
	p.t.Fatal("VmRSS is not in the process's status")
	return 0
}

// openFiles raises the test's own limit of open files as far as it goes and returns
// how many there can be.
func openFiles(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return int(min(limit.Cur, 1<<20))
}

// dialMany opens connections, says something on each, and closes them with the
// test.
func dialMany(t *testing.T, address string, n int, say string) []net.Conn {
	t.Helper()
	open := make([]net.Conn, n)
	var dialing sync.WaitGroup
	failed := make(chan error, n)
	for w := range 16 {
		dialing.Go(func() {
			for i := w; i < n; i += 16 {
				c, err := net.Dial("tcp", address)
				if err == nil {
					open[i] = c
					_, err = io.WriteString(c, say)
				}
				if err != nil {
					failed <- err
					return
				}
			}
		})
	}
	dialing.Wait()
	t.Cleanup(func() {
		for _, c := range open {
			if c != nil {
				_ = c.Close()
			}
		}
	})
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
	return open
}

// readHead reads an answer's head and returns its status.
func readHead(c net.Conn) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return 0, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

const keepAlive = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

// TestChecksAreAnsweredBesideIdleAndSlowConnections holds 10,000 connections open that
// have been used once, and 1,000 that never come to the end of a request's head.
func TestChecksAreAnsweredBesideIdleAndSlowConnections(t *testing.T) {
	idle, slow := 10_000, 1_000
	if room := (openFiles(t)-1100)/2 - 100; room < idle+slow { // a listener's part
		idle, slow = room*10/11, room/11
		t.Logf("scaled down to %d idle and %d slow connections: more files cannot be open here", idle, slow)
	}
	p := serveOn(t, filepath.Join(t.TempDir(), "data"), "--max-connections", strconv.Itoa(idle+slow+100), "--max-connections-per-address", "0")
	m, err := p.create(context.Background(), p.mint("create:sessions"), "auth0|1")
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(p.plain, "http://")
	before := p.resident()
	idling := dialMany(t, address, idle, keepAlive)
	for _, c := range idling {
		if status, err := readHead(c); status != http.StatusOK || err != nil {
			t.Fatalf("%d %v\n%s", status, err, p.logged()[:min(2000, len(p.logged()))])
		}
	}
	per := (p.resident() - before) / int64(idle)
	t.Logf("%d idle connections take %d KiB each", idle, per>>10)
	if per > 64<<10 {
		t.Errorf("an idle connection takes %d bytes", per)
	}
	began := time.Now()
	slowly := dialMany(t, address, slow, "GET /check HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	t.Logf("with the slow ones %d MiB in all, %d before", p.resident()>>20, before>>20)
	var longest time.Duration
	for range 100 {
		asked := time.Now()
		if status, err := p.ask(context.Background(), "GET", "/check", m.Token, "", nil); status != http.StatusOK {
			t.Fatalf("a check beside them: %d %v", status, err)
		}
		longest = max(longest, time.Since(asked))
	}
	t.Logf("the longest of 100 checks beside them took %v", longest)
	for _, c := range slowly {
		if err := c.SetReadDeadline(began.Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a connection that never comes to the end of its request is kept")
		}
	}
	t.Logf("the slow ones were cut after %v", time.Since(began).Round(time.Millisecond))
	for _, c := range []net.Conn{idling[0], idling[idle/2], idling[idle-1]} {
		if _, err := io.WriteString(c, keepAlive); err != nil {
			t.Fatal(err)
		}
		if status, err := readHead(c); status != http.StatusOK || err != nil {
			t.Errorf("an idle connection is used again: %d %v", status, err)
		}
	}
}
