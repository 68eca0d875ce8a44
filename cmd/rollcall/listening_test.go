package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall/internal/logtest"
)

// lastIP is the address that a user's only session was used from last.
func (p *process) lastIP(user string) string {
	p.t.Helper()
	status, body := p.get("/api/v2/users/"+user+"/sessions", p.mint("read:sessions"))
	_, rest, ok := strings.Cut(body, `"last_ip":"`)
	if status != http.StatusOK || !ok {
		p.t.Fatalf("%d %s", status, body)
	}
	ip, _, _ := strings.Cut(rest, `"`)
	return ip
}

// get asks with a bearer token and more headers.
func (p *process) get(path, token string, headers ...string) (status int, body string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.plain+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestOneHeaderSaysWhereAUserIs(t *testing.T) {
	p := serveOn(t, filepath.Join(t.TempDir(), "data"), "--trusted-proxies", "::ffff:127.0.0.1", "--client-address-header", "Forwarded")
	m, err := p.create(context.Background(), p.mint("create:sessions"), "u")
	if err != nil {
		t.Fatal(err)
	}
	status, _ := p.get("/check", m.Token, "Forwarded", `for="[2001:db8::7]:443"`, "X-Forwarded-For", "198.51.100.1", "X-Real-IP", "198.51.100.2")
	if ip := p.lastIP("u"); status != http.StatusOK || ip != "2001:db8::7" {
		t.Errorf("%d, %s", status, ip)
	}
}

func TestAServerOnAUnixSocketIsFoundByItsCommands(t *testing.T) {
	dir := t.TempDir()
	p := serveOn(t, filepath.Join(dir, "data"), "--listen", "unix:"+dir+"/s|0600")
	if _, stderr, code := run(t, "healthcheck", "--data", p.data); code != 0 {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if _, stderr, code := run(t, "healthcheck", "--url", "unix:"+dir+"/s"); code != 0 {
		t.Errorf("by its path: exit %d: %s", code, stderr)
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
	if _, err := os.Lstat(dir + "/s"); err == nil {
		t.Error("the socket stays")
	}
}

func TestAConfigurationThatNoClientCouldBeToldOfIsRefused(t *testing.T) {
	for _, args := range [][]string{{"--listen", "unix:/run/s", "--tls-listen", "off"}, {"--listen", "systemd:http", "--tls-listen", "off"}} {
		if _, stderr, code := run(t, append([]string{"config", "check", "--data", t.TempDir()}, args...)...); code != exitUsage || !strings.Contains(stderr, "public_url") {
			t.Errorf("%v: exit %d: %s", args, code, stderr)
		}
	}
}

// TestASocketIsHandedOverByItsName starts the server as systemd would.
func TestASocketIsHandedOverByItsName(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("systemd is of Linux")
	}
	for address, wantExit := range map[string]int{"127.0.0.1:0": 0, "0.0.0.0:0": exitUsage} { // plain http stays on loopback
		l, err := net.Listen("tcp4", address)
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		var log logtest.Buffer
		c := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", program, "serve", "--data", filepath.Join(t.TempDir(), "data"),
			"--listen", "systemd:plain", "--tls-listen", "off", "--telemetry-listen", "off", "--public-url", "https://sessions.example.com")
		c.Env = append(os.Environ(), "LISTEN_FDS=2", "LISTEN_FDNAMES=other:plain")
		c.ExtraFiles, c.Stderr = []*os.File{os.Stdin, f}, &log
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- c.Wait() }()
		t.Cleanup(func() { _ = c.Process.Kill() })
		if wantExit == 0 {
			answer, err := http.Get("http://" + l.Addr().String() + "/readyz") // the socket waits for its server
			if err != nil || answer.StatusCode != http.StatusOK {
				t.Errorf("%v, %v\n%s", answer, err, log.String())
			}
			_ = c.Process.Signal(syscall.SIGTERM)
		}
		<-done
		if code := c.ProcessState.ExitCode(); code != wantExit {
			t.Errorf("%s: exit %d:\n%s", address, code, log.String())
		}
		_, _ = f.Close(), l.Close()
	}
}

// TestTheSupervisorIsTold reads what systemd would.
func TestTheSupervisorIsTold(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("systemd is of Linux")
	}
	dir := t.TempDir()
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: dir + "/notify", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	t.Setenv("NOTIFY_SOCKET", dir+"/notify")
	t.Setenv("WATCHDOG_USEC", "200000")
	p := serveOn(t, filepath.Join(dir, "data"))
	next := func() string { // but for the watchdog's
		b := make([]byte, 200)
		for {
			_ = told.SetReadDeadline(time.Now().Add(10 * time.Second))
			n, err := told.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			if s := string(b[:n]); s != "WATCHDOG=1" {
				return s
			}
		}
	}
	if s := next(); s != "READY=1" {
		t.Errorf("at the start: %q", s)
	}
	b := make([]byte, 200)
	_ = told.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := told.Read(b); err != nil || string(b[:n]) != "WATCHDOG=1" {
		t.Errorf("while it runs: %q, %v", b[:n], err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	var at int64
	if s := next(); !strings.HasPrefix(s, "RELOADING=1\n") {
		t.Errorf("at a reload: %q", s)
	} else if _, err := fmt.Sscanf(s, "RELOADING=1\nMONOTONIC_USEC=%d", &at); err != nil || at <= 0 {
		t.Errorf("%q: %v", s, err)
	}
	if s := next(); s != "READY=1" {
		t.Errorf("after the reload: %q", s)
	}
	p.stop(syscall.SIGTERM)
	if s := next(); s != "STOPPING=1" {
		t.Errorf("at the stop: %q", s)
	}
}

func TestAListenerForProxiesTakesUsersAddressesFromThem(t *testing.T) {
	p := serveOn(t, filepath.Join(t.TempDir(), "data"), "--proxy-protocol-from", "127.0.0.0/8", "--trusted-proxies", "198.51.100.1")
	if _, stderr, code := run(t, "healthcheck", "--data", p.data); code != 0 {
		t.Errorf("by the other listener: exit %d: %s", code, stderr)
	}
	header := "PROXY TCP4 203.0.113.7 192.0.2.1 51008 443\r\n"
	p.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			_, err = io.WriteString(c, header)
		}
		return c, err
	}}}
	m, err := p.create(context.Background(), p.mint("create:sessions"), "u")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Millisecond)
	if status, _ := p.get("/check", m.Token, "X-Forwarded-For", "192.0.2.9"); status != http.StatusOK || p.lastIP("u") != "203.0.113.7" {
		t.Errorf("%d, %s", status, p.lastIP("u"))
	}
	time.Sleep(5 * time.Millisecond)
	header = "PROXY TCP4 198.51.100.1 192.0.2.1 51008 443\r\n" // a trusted proxy behind the balancer
	if status, _ := p.get("/check", m.Token, "X-Forwarded-For", "192.0.2.9"); status != http.StatusOK || p.lastIP("u") != "192.0.2.9" {
		t.Errorf("%d, %s", status, p.lastIP("u"))
	}
	p.client = &http.Client{Timeout: 5 * time.Second}
	if status, err := p.ask(context.Background(), "GET", "/healthz", "", "", nil); err == nil {
		t.Errorf("without a header: %d", status)
	}
}
