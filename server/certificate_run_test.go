package server

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall/internal/logtest"
)

const day = 24 * time.Hour

// certificateOf makes a certificate of this instant, which lives for 30 days.
func certificateOf(t *testing.T, at time.Time) (tls.Certificate, CertificateFiles) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tls")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := makeLocalCA(dir, at); err != nil {
		t.Fatal(err)
	}
	files := CertificateFiles{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	cert, err := files.Read(at)
	if err != nil {
		t.Fatal(err)
	}
	return cert, files
}

func TestACertificateThatIsRenewedOnTheDiskIsTakenOnceBothFilesAreThere(t *testing.T) {
	now := time.Now()
	old, files := certificateOf(t, now.Add(-29*day))
	renewed, from := certificateOf(t, now)
	var log logtest.Buffer
	c := &Certificate{}
	c.Set(old, files)
	shown := func() bool { return c.current.Load().Leaf.Equal(renewed.Leaf) }
	var stamps [2]fileStamp
	look := func() { stamps = c.follow(stamps, false, now, log.Logger()) }
	for range 3 {
		look()
	}
	if err := os.Rename(from.Cert, files.Cert); err != nil {
		t.Fatal(err)
	}
	look() // half of it is there
	if shown() || log.String() != "" {
		t.Errorf("between the two files: %s", log.String())
	}
	if err := os.Rename(from.Key, files.Key); err != nil {
		t.Fatal(err)
	}
	look()
	look()
	if !shown() || !strings.Contains(log.String(), "took a new TLS certificate") || c.Ends().Sub(now) < 29*day {
		t.Errorf("ends %v: %s", c.Ends(), log.String())
	}
	if err := os.WriteFile(files.Cert, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		look()
	}
	if !shown() || strings.Count(log.String(), "is not taken") != 1 {
		t.Errorf("a broken one: %s", log.String())
	}
}

func TestTheLocalCertificateIsMadeAnewWhileServing(t *testing.T) {
	now, data := time.Now(), t.TempDir()
	files := CertificateFiles{LocalCA: data}
	old, err := files.Read(now.Add(-25 * day))
	if err != nil {
		t.Fatal(err)
	}
	var log logtest.Buffer
	c := &Certificate{}
	c.Set(old, files)
	c.follow([2]fileStamp{}, true, now, log.Logger())
	if c.Ends().Sub(now) < 29*day {
		t.Errorf("it ends at %v", c.Ends())
	}
}

func TestTheEndOfACertificateAndHostsThatItIsNotForAreWarnedOf(t *testing.T) {
	now := time.Now()
	for name, tt := range map[string]struct {
		made  time.Time
		hosts []string
		want  string
	}{
		"a fresh one":            {now, []string{"localhost", "127.0.0.1"}, ""},
		"one that is over":       {now.Add(-31 * day), nil, "has been over since"},
		"one that ends soon":     {now.Add(-25 * day), nil, "ends at"},
		"one of the future":      {now.Add(2 * day), nil, "on only"},
		"one for somebody else":  {now, []string{"sessions.example.com"}, "is not for sessions.example.com"},
		"one that is not at end": {now.Add(-20 * day), nil, ""},
	} {
		cert, _ := certificateOf(t, tt.made)
		got := strings.Join(CertificateWarnings(cert, tt.hosts, now), "\n")
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
