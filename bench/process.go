package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is a server that this one has started, ours or the floor.
type process struct {
	name    string
	address string
	cmd     *exec.Cmd
	stderr  *os.File // has no name any more
	ended   chan struct{}
	// ready is how long it took from the start to the first answer that it is.
	ready time.Duration
}

// Bounds on how long a server may take.
const (
	startTimeout = 2 * time.Minute
	stopTimeout  = time.Minute
)

// benchURL is the origin that tokens name: it outlives the port.
const benchURL = "http://rollcall.bench"

// retentionFlag is what a binary calls the time for which it keeps events: until the rows of
// ended sessions were kept as well, the flag had another name.
func retentionFlag(ctx context.Context, binary string) (string, error) {
	help, err := exec.CommandContext(ctx, binary, "serve", "--help").Output()
	if err != nil {
		return "", fmt.Errorf("%s serve --help: %w", binary, err)
	}
	const older = "--event-retention"
	if strings.Contains(string(help), older) {
		return older, nil
	}
	return "--retention", nil
}

// startRollcall starts the real binary on a data directory, with plain http on
// loopback, and waits until it is ready. The lifetimes are the loaded sessions',
// so that no use of one shortens it.
func startRollcall(ctx context.Context, binary, data string, extra ...string) (*process, error) {
	whereabouts := filepath.Join(data, "server.json")
	if err := os.Remove(whereabouts); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	retention, err := retentionFlag(ctx, binary)
	if err != nil {
		return nil, err
	}
	life := lifetime.String()
	args := append([]string{
		"serve", "--data", data, "--listen", "127.0.0.1:0", "--tls-listen", "off", "--telemetry-listen", "127.0.0.1:0", "--public-url", benchURL,
		"--session-lifetime", life, "--idle-session-lifetime", life, retention, life, "--log-format", "json",
	}, extra...)
	p, err := start("rollcall", exec.CommandContext(ctx, binary, args...))
	if err != nil {
		return nil, err
	}
	began := time.Now()
	p.address, err = p.await(ctx, func() (string, bool) {
		text, err := os.ReadFile(whereabouts)
		var w struct {
			URL string `json:"url"`
		}
		if err != nil || json.Unmarshal(text, &w) != nil {
			return "", false
		}
		u, err := url.Parse(w.URL)
		return u.Host, err == nil
	})
	if err == nil {
		_, err = p.await(ctx, func() (string, bool) { return "", readyz(ctx, p.address) })
	}
	p.ready = time.Since(began)
	if err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// settle waits until the process has nothing more to do: a server that has started
// counts its sessions and remembers what it reads.
func (p *process) settle(ctx context.Context) error {
	const look, idle = 500 * time.Millisecond, 5 * time.Millisecond
	for began := time.Now(); time.Since(began) < startTimeout; {
		before, err := cpuTime(p.cmd.Process.Pid)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(look):
		}
		if after, err := cpuTime(p.cmd.Process.Pid); err != nil || after-before < idle {
			return err
		}
	}
	return fmt.Errorf("%s is still at work %s after its start", p.name, startTimeout)
}

func readyz(ctx context.Context, address string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// startFloor starts this program as the floor that gives the answers.
func startFloor(ctx context.Context, answers []answer) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(answers)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "floor", "-listen", address)
	cmd.Stdin = bytes.NewReader(text)
	p, err := start("floor", cmd)
	if err != nil {
		return nil, err
	}
	p.address = address
	if _, err := p.await(ctx, func() (string, bool) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return "", err == nil
	}); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

func start(name string, cmd *exec.Cmd) (*process, error) {
	stderr, err := os.CreateTemp("", "rollcall-bench-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(stderr.Name()); err != nil {
		return nil, errors.Join(err, stderr.Close())
	}
	p := &process{name: name, cmd: cmd, stderr: stderr, ended: make(chan struct{})}
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, stderr.Close())
	}
	go func() { _ = cmd.Wait(); close(p.ended) }()
	return p, nil
}

// said is the beginning of what the process has written to its standard error.
func (p *process) said() string {
	text := make([]byte, 4<<10)
	n, _ := p.stderr.ReadAt(text, 0)
	return string(text[:n])
}

// await asks every two milliseconds until there is an answer.
func (p *process) await(ctx context.Context, ask func() (string, bool)) (string, error) {
	deadline := time.NewTimer(startTimeout)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if answer, ok := ask(); ok {
			return answer, nil
		}
		select {
		case <-p.ended:
			return "", fmt.Errorf("%s ended:\n%s", p.name, p.said())
		case <-ctx.Done():
			return "", ctx.Err()
		case <-deadline.C:
			return "", fmt.Errorf("%s is not ready after %s", p.name, startTimeout)
		case <-tick.C:
		}
	}
}

// stop ends the process as an operator would, and waits.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping %s: %w", p.name, err)
	}
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		p.kill()
		return fmt.Errorf("%s did not stop within %s", p.name, stopTimeout)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s stopped with status %d:\n%s", p.name, code, p.said())
	}
	return nil
}

// kill ends the process at once, and waits.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // one that has ended already is no failure
	<-p.ended
}

// memory returns the process's resident memory now and at its peak, in bytes.
func (p *process) memory() (now, peak int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			now = kb << 10
		case "VmHWM":
			peak = kb << 10
		}
	}
	return now, peak, nil
}

// mint makes a management token with the keys of a data directory.
func mint(ctx context.Context, binary, data, scope string) (string, error) {
	out, err := exec.CommandContext(ctx, binary, "token", "--data", data, "--public-url", benchURL, "--scope", scope, "--ttl", "12h").Output()
	if err != nil {
		return "", fmt.Errorf("minting a token: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
