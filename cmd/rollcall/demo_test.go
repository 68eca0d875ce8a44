package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
)

// demoConfig is a demo's configuration on a data directory of its own.
func demoConfig(t *testing.T, environ ...string) *config {
	t.Helper()
	flags := pflag.NewFlagSet("demo", pflag.ContinueOnError)
	addFlags(flags)
	data := filepath.Join(t.TempDir(), "data")
	cfg, err := loadConfig(flags, append(environ, "ROLLCALL_DATA="+data, "ROLLCALL_LISTEN=127.0.0.1:0", "ROLLCALL_TLS_LISTEN=127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestTheDemoTrustsProxiesOnThisMachineUnlessToldWhichToTrust(t *testing.T) {
	for _, tt := range []struct {
		environ []string
		want    []string
	}{
		{nil, []string{"127.0.0.1", "::1"}},
		{[]string{"ROLLCALL_TRUSTED_PROXIES=10.0.0.1"}, []string{"10.0.0.1"}},
		{[]string{"ROLLCALL_TRUSTED_PROXIES="}, []string{}},
	} {
		cfg := demoConfig(t, tt.environ...)
		demoDefaults(io.Discard, cfg)
		if diff := cmp.Diff(tt.want, cfg.list("trusted_proxies")); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.environ, diff)
		}
	}
}

func TestTheDemosLatestVisitsBeganWhenTheyDid(t *testing.T) {
	cfg := demoConfig(t)
	log := slog.New(slog.DiscardHandler)
	began := time.Now()
	seeded, err := seed(context.Background(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	store, err := openStore(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	m, err := sessions.New(store, sessions.Options{})
	if err != nil {
		t.Fatal(err)
	}
	page, err := m.List(context.Background(), rollcall.ListQuery{UserID: seeded.someone, Take: 2})
	if err != nil || len(page.Sessions) != 2 {
		t.Fatalf("%d sessions, %v", len(page.Sessions), err)
	}
	for i, ago := range []time.Duration{3 * time.Minute, 20 * time.Minute} {
		if off := began.Add(-ago).Sub(page.Sessions[i].CreatedAt); off < -10*time.Second || off > 10*time.Second {
			t.Errorf("session %d was created at %v, %v off", i, page.Sessions[i].CreatedAt, off)
		}
	}
}

func TestADemoThatIsInterruptedWhileItIsMadeEndsQuietly(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	c := exec.Command(program, "demo", "--data", data, "--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0")
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	// The store is opened first, and then filled.
	for range 10000 {
		if _, err := os.Stat(filepath.Join(data, "store")); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	if code := c.ProcessState.ExitCode(); code != exitInterrupted || out.Len() > 0 || errs.Len() > 0 {
		t.Errorf("exit %d, out %q, err %q", code, out.String(), errs.String())
	}
}
