package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// examined runs the doctor and returns the findings of an area, as "state: text" lines.
func examined(t *testing.T, area string, args ...string) (found string, code int) {
	t.Helper()
	out, errs, code := run(t, append([]string{"doctor", "--json"}, args...)...)
	var findings []finding
	if err := json.Unmarshal([]byte(out), &findings); err != nil {
		t.Fatalf("exit %d %v %s%s", code, err, out, errs)
	}
	for _, f := range findings {
		if f.Area == area {
			found += f.State + ": " + f.Text + "\n"
		}
	}
	return found, code
}

func TestTheDoctorSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	p := serveOn(t, data)
	plain, tls := strings.TrimPrefix(p.plain, "http://"), strings.TrimPrefix(p.tls, "https://")
	serving := []string{"--data", data, "--listen", plain, "--tls-listen", tls}
	out, errs, code := run(t, append([]string{"doctor"}, serving...)...)
	if code != 0 || !strings.Contains(out, "ok       server: ready at "+p.plain) || strings.Contains(out, isProblem) {
		t.Errorf("all is well: exit %d %s\n%s", code, errs, out)
	}
	cert, key, _ := localCertificate(t, filepath.Join(dir, "own"))
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
	defer foreign.Close()
	late := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "x")
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
	}))
	defer late.Close()
	for name, tt := range map[string]struct {
		area string
		args []string
		want string
		code int
	}{
		"a setting":                 {"configuration", []string{"--trusted-proxies", "0.0.0.0/0"}, "problem: trusted_proxies: 0.0.0.0/0", 1},
		"a value":                   {"configuration", []string{"--touch-interval", "100h"}, "problem: --touch-interval: touch_interval: must lie between", 1},
		"a database":                {"configuration", []string{"--asn-database", "/none"}, "problem: asn_database", 1},
		"a warning":                 {"configuration", []string{"--behind-proxy"}, "warning: behind_proxy without trusted_proxies", 0},
		"nobody to call":            {"configuration", nil, "warning: there are no clients", 0},
		"few files":                 {"files", []string{"--max-connections", "2000000000"}, "warning: here ", 0},
		"a certificate":             {"configuration", []string{"--tls-cert", cert, "--tls-key", key, "--public-url", "https://sessions.invalid"}, "warning: the TLS certificate is not for sessions.invalid", 1},
		"the certificate's end":     {"certificate", []string{"--tls-cert", cert, "--tls-key", key}, "ok: for localhost", 0},
		"little room":               {"disk", []string{"--min-free-disk", "4611686018427387904"}, "below min_free_disk", 1},
		"nobody at the public URL":  {"public_url", []string{"--public-url", "https://sessions.invalid"}, "problem: nobody answers at https://sessions.invalid", 1},
		"somebody else there":       {"public_url", []string{"--public-url", foreign.URL}, "not as this server does", 1},
		"another clock there":       {"clock", []string{"--public-url", late.URL}, "s apart", 1},
		"this server there":         {"public_url", []string{"--public-url", p.plain}, "ok: " + p.plain + " answers", 0},
		"an untrusted certificate":  {"public_url", []string{"--public-url", p.tls, "--ca", filepath.Join(dir, "own", "tls", "ca.pem")}, "shows a certificate that is not trusted here", 1},
		"a store that is not there": {"store", []string{"--data", filepath.Join(dir, "none"), "--listen", "127.0.0.1:1"}, "warning: there is no store in", 0},
		"a server elsewhere":        {"server", []string{"--listen", "127.0.0.1:1"}, "has the store open, and at http://127.0.0.1:1 there is no server that is ready", 1},
	} {
		found, code := examined(t, tt.area, append(serving[:len(serving):len(serving)], tt.args...)...)
		if code != tt.code || !strings.Contains(found, tt.want) {
			t.Errorf("%s: exit %d, want %d and %q in\n%s", name, code, tt.code, tt.want, found)
		}
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Fatal(code)
	}
	left := filepath.Join(data, "backup-1")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	if found, code := examined(t, "store", serving...); code != 0 || !strings.Contains(found, left+" is left of a copy") {
		t.Errorf("a leftover: exit %d\n%s", code, found)
	}
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(data, "store"), future, future); err != nil {
		t.Fatal(err)
	}
	if found, code := examined(t, "clock", serving...); code != exitFailed || !strings.Contains(found, "which is still to come") {
		t.Errorf("a store of the future: exit %d\n%s", code, found)
	}
}

func TestTheDoctorSeesWhatAProxyMakesOfAddresses(t *testing.T) {
	for name, tt := range map[string]struct {
		trusted  string
		rewrite  func(*httputil.ProxyRequest)
		want     string
		wantCode int
	}{
		"it passes on what clients send": {"127.0.0.1", func(r *httputil.ProxyRequest) { r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"] }, "problem: through", 1},
		"it is not trusted":              {"192.0.2.1", func(r *httputil.ProxyRequest) { r.SetXForwarded() }, `has the address "127.0.0.1"`, 0},
		"it sets the address":            {"127.0.0.1", func(r *httputil.ProxyRequest) { r.Out.Header.Set("X-Forwarded-For", "198.51.100.9") }, "ok: through", 0},
	} {
		data := filepath.Join(t.TempDir(), "data")
		var to atomic.Pointer[url.URL]
		proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to.Load()); tt.rewrite(r) }})
		p := serveOn(t, data, "--public-url", proxy.URL, "--trusted-proxies", tt.trusted)
		plain, err := url.Parse(p.plain)
		if err != nil {
			t.Fatal(err)
		}
		to.Store(plain)
		found, code := examined(t, "proxy", "--data", data, "--public-url", proxy.URL, "--trusted-proxies", tt.trusted, "--through-proxy")
		if code != tt.wantCode || !strings.Contains(found, tt.want) {
			t.Errorf("%s: exit %d\n%s", name, code, found)
		}
		if out, errs, code := run(t, "sessions", "list", doctorUser, "--data", data, "--public-url", proxy.URL); code != 0 || !strings.Contains(out, "0 sessions") {
			t.Errorf("%s: the session stays: exit %d %s%s", name, code, out, errs)
		}
		proxy.Close()
	}
}
