package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall/server"
)

func TestARenewedCertificateIsTakenWithoutASignalAndAnExpiredOneIsWarnedOf(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	if _, err := server.LocalCertificate(filepath.Join(dir, "old"), now.Add(-40*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	cert, key := filepath.Join(dir, "old", "tls", "cert.pem"), filepath.Join(dir, "old", "tls", "key.pem")
	flags := []string{"--tls-cert", cert, "--tls-key", key, "--public-url", "https://sessions.example.com"}
	_, errs, code := run(t, append([]string{"config", "check"}, flags...)...)
	if code != 0 || !strings.Contains(errs, "has been over since") || !strings.Contains(errs, "is not for sessions.example.com") {
		t.Errorf("config check: exit %d %s", code, errs)
	}
	p := serveOn(t, filepath.Join(dir, "data"), append(flags, "--telemetry-listen", "127.0.0.1:0")...)
	if !strings.Contains(p.logged(), "has been over since") || !strings.Contains(p.logged(), "is not for sessions.example.com") {
		t.Errorf("the start has no word for it:\n%s", p.logged())
	}
	_, _, ca := localCertificate(t, filepath.Join(dir, "new"))
	for _, file := range []string{"cert.pem", "key.pem"} {
		if err := os.Rename(filepath.Join(dir, "new", "tls", file), filepath.Join(dir, "old", "tls", file)); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := now.Add(30 * time.Second); !strings.Contains(p.logged(), "took a new TLS certificate"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the renewed certificate is not taken:\n%s", p.logged())
		}
	}
	p.shown(ca) // fails unless the CA of the new one has signed it
	if _, text := fetch(t, p.telemetry()+"/metrics"); !strings.Contains(text, "rollcall_tls_certificate_end_timestamp_seconds ") {
		t.Error("no metric says when the certificate ends")
	}
}
