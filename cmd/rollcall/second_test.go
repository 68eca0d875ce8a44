package main

import (
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall/internal/logtest"
)

func TestASecondServerIsToldWhatToDo(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := serveOn(t, data)
	// On the same store, as a rolling update starts one.
	_, errs, code := run(t, "serve", "--data", data, "--listen", "127.0.0.1:0", "--tls-listen", "off", "--telemetry-listen", "off", "--log-format", "json")
	if last := errs[strings.LastIndex(strings.TrimSpace(errs), "\n")+1:]; code != exitFailed || !strings.Contains(last, "another process has the store in") || !strings.Contains(last, "strategy Recreate") {
		t.Errorf("on a store that is taken: exit %d %s", code, errs)
	}
	// At the same address.
	plain := strings.TrimPrefix(p.plain, "http://")
	other := filepath.Join(t.TempDir(), "data")
	for _, flags := range [][]string{{"--listen", plain, "--tls-listen", "off"}, {"--listen", "off", "--tls-listen", plain}} {
		_, errs, code := run(t, append([]string{"serve", "--data", other, "--telemetry-listen", "off"}, flags...)...)
		if code != exitUsage || !strings.Contains(errs, plain) || !strings.Contains(errs, "set listen, tls_listen") {
			t.Errorf("%v: exit %d %s", flags, code, errs)
		}
	}
	// With the default address of telemetry, which somebody has.
	if l, err := net.Listen("tcp", "127.0.0.1:9480"); err == nil {
		defer l.Close()
	}
	var log logtest.Buffer
	c := exec.Command(program, "serve", "--data", other, "--listen", "127.0.0.1:0", "--tls-listen", "off", "--log-format", "json")
	c.Stderr = &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); !log.Has(`"msg":"listening"`) && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil || !log.Has("serving without metrics: set telemetry_listen to a free address, or to off") || !log.Has(`"msg":"listening"`) {
		t.Errorf("%v\n%s", err, log.String())
	}
}
