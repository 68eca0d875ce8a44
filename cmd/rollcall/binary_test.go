package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall/internal/logtest"
)

// program is what is under test, built once.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "rollcall-test-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "rollcall")
	build := exec.Command("go", "build", "-trimpath", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make builds it, and so compiled once
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("building: %v\n%s", err, out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// run runs the program to its end.
func run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	c := exec.Command(program, args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// A process is a server that runs.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	data  string
	plain string // its http address
	tls   string
	// client is the default one unless a test wants its own.
	client *http.Client
	log    logtest.Buffer
	done   chan struct{}
}

// serveOn starts a server on a data directory and waits until it is ready.
func serveOn(t *testing.T, data string, args ...string) *process {
	t.Helper()
	return serveBy(t, data, []string{program}, args...)
}

// serveBy starts a server by a command that ends with the program.
func serveBy(t *testing.T, data string, command []string, args ...string) *process {
	t.Helper()
	args = append(slices.Clone(command[1:]), append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0", "--telemetry-listen", "off", "--log-format", "json"}, args...)...)
	p := &process{t: t, cmd: exec.Command(command[0], args...), data: data, client: http.DefaultClient, done: make(chan struct{})}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addresses := make(chan [2]string, 2)
	go p.read(stderr, addresses)
	for range 2 {
		select {
		case a := <-addresses:
			if a[1] == "true" {
				p.tls = "https://" + a[0]
			} else {
				p.plain = "http://" + a[0]
			}
		case <-p.done:
			t.Fatalf("the server ended:\n%s", p.logged())
		case <-time.After(20 * time.Second):
			t.Fatalf("the server does not listen:\n%s", p.logged())
		}
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.done })
	return p
}

func (p *process) read(stderr io.Reader, addresses chan<- [2]string) {
	defer close(p.done)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		_, _ = p.log.Write([]byte(lines.Text() + "\n"))
		var line struct {
			Msg, Address string
			TLS          bool
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
			addresses <- [2]string{line.Address, fmt.Sprint(line.TLS)}
		}
	}
	_ = p.cmd.Wait()
}

func (p *process) logged() string { return p.log.String() }

// stop sends a signal and returns the exit code.
func (p *process) stop(s os.Signal) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		p.t.Fatalf("the server does not end:\n%s", p.logged())
	}
	return p.cmd.ProcessState.ExitCode()
}

// mint returns an offline token for the server.
func (p *process) mint(scope string) string {
	p.t.Helper()
	out, errs, code := run(p.t, "token", "--data", p.data, "--scope", scope)
	if code != 0 || strings.Count(out, "\n") != 1 {
		p.t.Fatalf("token: %d %q %s", code, out, errs)
	}
	return strings.TrimSpace(out)
}

// ask makes a request over plain http.
func (p *process) ask(ctx context.Context, method, path, token, body string, out any) (int, error) {
	request, err := http.NewRequestWithContext(ctx, method, p.plain+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := p.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && out != nil && answer.StatusCode < 300 {
		err = json.Unmarshal(text, out)
	}
	return answer.StatusCode, err
}

// A made session is what a creation answers.
type made struct {
	Session struct {
		ID string `json:"id"`
	} `json:"session"`
	Token string `json:"token"`
}

const signInBody = `{"user_id":"%s","client_id":"web","authentication":{"methods":[{"name":"pwd"}]},"device":{"ip":"192.0.2.1","user_agent":"test"}}`

func (p *process) create(ctx context.Context, token, userID string) (made, error) {
	var m made
	status, err := p.ask(ctx, "POST", "/v1/sessions", token, fmt.Sprintf(signInBody, userID), &m)
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("status %d", status)
	}
	return m, err
}

func TestServeKeepsEverythingOverAGracefulStop(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := serveOn(t, data, "--touch-interval", "1h")
	token := p.mint("create:sessions read:sessions delete:sessions")
	m, err := p.create(context.Background(), token, "auth0|1")
	if err != nil {
		t.Fatalf("%v\n%s", err, p.logged())
	}
	time.Sleep(5 * time.Millisecond)
	if status, err := p.ask(context.Background(), "GET", "/check", m.Token, "", nil); status != http.StatusOK {
		t.Fatalf("check: %d %v", status, err)
	}
	type shown struct {
		Last time.Time `json:"last_interacted_at"`
	}
	var before, after shown
	if status, err := p.ask(context.Background(), "GET", "/api/v2/sessions/"+m.Session.ID, token, "", &before); status != http.StatusOK {
		t.Fatalf("%d %v", status, err)
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Fatalf("exit %d:\n%s", code, p.logged())
	}
	if strings.Contains(p.logged(), m.Token) || strings.Contains(p.logged(), token) {
		t.Error("the log holds a token")
	}
	began := time.Now()
	p = serveOn(t, data)
	t.Logf("ready again after %v", time.Since(began))
	token = p.mint("read:sessions")
	if status, err := p.ask(context.Background(), "GET", "/api/v2/sessions/"+m.Session.ID, token, "", &after); status != http.StatusOK || after != before {
		t.Errorf("%d %v: the interaction was at %v, now %v", status, err, before.Last, after.Last)
	}
	p.stop(syscall.SIGTERM)
	if !strings.Contains(p.logged(), "minted offline") {
		t.Error("the use of an offline token is not logged")
	}
}

// TestKillLosesNothingAcknowledged kills the server again and again amid 16
// writers that create sessions and end every other one.
func TestKillLosesNothingAcknowledged(t *testing.T) {
	rounds, load := 3, 700*time.Millisecond
	if os.Getenv("ROLLCALL_TEST_LONG") != "" {
		rounds, load = 30, 2*time.Second
	}
	data := filepath.Join(t.TempDir(), "data")
	created, ended, lost := 0, 0, 0
	for round := range rounds {
		alive, dead := killAmidLoad(t, data, load, round)
		p := serveOn(t, data)
		for _, m := range alive {
			if status, err := p.ask(context.Background(), "GET", "/check", m.Token, "", nil); status != http.StatusOK {
				t.Errorf("an acknowledged session is refused after the kill: %d %v", status, err)
				lost++
			}
		}
		for _, m := range dead {
			if status, err := p.ask(context.Background(), "GET", "/check", m.Token, "", nil); status != http.StatusUnauthorized {
				t.Errorf("an ended session is back after the kill: %d %v", status, err)
				lost++
			}
		}
		created, ended = created+len(alive)+len(dead), ended+len(dead)
		if code := p.stop(syscall.SIGTERM); code != 0 {
			t.Fatalf("exit %d", code)
		}
	}
	t.Logf("%d kills: %d creations and %d endings acknowledged, %d lost", rounds, created, ended, lost)
	if created == 0 || ended == 0 {
		t.Error("nothing was acknowledged")
	}
}

// killAmidLoad returns the sessions whose creation, and those whose ending, was
// acknowledged before the server was killed. A session whose ending was under way
// is in neither.
func killAmidLoad(t *testing.T, data string, load time.Duration, round int) (alive, dead []made) {
	t.Helper()
	p := serveOn(t, data)
	token := p.mint("create:sessions delete:sessions")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var mu sync.Mutex
	var writers sync.WaitGroup
	for w := range 16 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				m, err := p.create(ctx, token, fmt.Sprintf("user-%d-%d", round, w))
				if err != nil {
					return
				}
				if i%2 == 1 {
					mu.Lock()
					alive = append(alive, m)
					mu.Unlock()
					continue
				}
				if status, err := p.ask(ctx, "DELETE", "/api/v2/sessions/"+m.Session.ID, token, "", nil); err != nil || status != http.StatusAccepted {
					return
				}
				mu.Lock()
				dead = append(dead, m)
				mu.Unlock()
			}
		})
	}
	time.Sleep(load)
	p.stop(syscall.SIGKILL)
	cancel()
	writers.Wait()
	return alive, dead
}

func TestTheDemoMakesTheCallItself(t *testing.T) {
	out, errs, code := run(t, "demo", "--once", "--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{"GET https://127.0.0.1:", `"sessions": [`, `"next": "`, "curl --cacert ", "NODE_EXTRA_CA_CERTS=", "client.users.sessions.list("} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not print %q", want)
		}
	}
}
