package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall/internal/tracing/tracingtest"
	"github.com/rollcall-id/rollcall/oauth"
)

func TestTheEnvironmentAloneMakesTheProgramSendTraces(t *testing.T) {
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	c := tracingtest.Start(t, false)
	keySet := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Traceparent") != "" || r.Header.Get("Baggage") != "" {
			t.Errorf("another server learns of the trace: %v", r.Header)
		}
		http.Error(w, "no", http.StatusNotFound)
	}))
	defer keySet.Close()
	issuers := `[{issuer: "https://login.example.com/", audience: "https://x/", jwks_url: "` + keySet.URL + `/keys?secret=of-a-url", jwks_allow_internal: true, scopes: ["read:sessions"]}]`
	tracingtest.Environment(t)
	quiet := serveOn(t, filepath.Join(t.TempDir(), "data"))
	tracingtest.Environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL)
	p := serveOn(t, filepath.Join(t.TempDir(), "data"), "--issuers", issuers)
	for _, p := range []*process{quiet, p} {
		token := p.mint("create:sessions read:sessions")
		ask := func(method, path, body string) {
			r, err := http.NewRequest(method, p.plain+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Traceparent", "00-"+trace+"-"+parent+"-01")
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
		ask("POST", "/v1/sessions", `{"user_id":"u","authentication":{"methods":[{"name":"pwd"}]}}`)
		ask("GET", "/api/v2/users/u/sessions", "")
		ask("GET", "/readyz", "")
		began := time.Now()
		if code := p.stop(syscall.SIGTERM); code != 0 || time.Since(began) > 5*time.Second {
			t.Errorf("exit %d after %v\n%s", code, time.Since(began), p.logged())
		}
		if !strings.Contains(p.logged(), `"trace_id":"`+trace+`"`) {
			t.Errorf("the trace is not logged:\n%s", p.logged())
		}
	}
	creation := c.Named("POST /v1/sessions")
	if len(creation) != 1 || creation[0].Trace != trace || creation[0].Parent != parent || creation[0].Resource["service.name"] != "rollcall" {
		t.Fatalf("%+v", c.Spans())
	}
	for _, want := range []string{"store commit"} {
		if !slices.ContainsFunc(c.Named(want), func(s tracingtest.Span) bool { return s.Parent == creation[0].ID }) {
			t.Errorf("there is no %s below the creation: %+v", want, c.Spans())
		}
	}
	u, err := url.Parse(keySet.URL)
	if err != nil {
		t.Fatal(err)
	}
	fetches := c.Named("GET")
	if len(fetches) != 1 || fetches[0].Kind != "CLIENT" || !fetches[0].Failed || fetches[0].Attributes["http.response.status_code"] != "404" ||
		fetches[0].Attributes["server.address"] != "127.0.0.1" || fetches[0].Attributes["server.port"] != u.Port() {
		t.Errorf("the fetch of the keys: %+v", fetches)
	}
	if len(c.Named("GET /readyz")) != 0 || strings.Contains(c.Bytes(), "of-a-url") {
		t.Errorf("a probe is traced, or a URL: %+v", c.Spans())
	}
}

func TestTracesThatAreNotBuiltInStopTheStartAndAreToldByCheckAndDoctor(t *testing.T) {
	const want = `OTEL_EXPORTER_OTLP_PROTOCOL="grpc" is not built in: send traces by http/protobuf`
	data := filepath.Join(t.TempDir(), "data")
	if _, err := oauth.OpenKeys(filepath.Join(data, "keys")); err != nil {
		t.Fatal(err)
	}
	tracingtest.Environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc")
	for _, command := range []string{"serve", "config check"} {
		_, errs, code := run(t, append(strings.Fields(command), "--data", data, "--listen", "127.0.0.1:0", "--tls-listen", "off", "--telemetry-listen", "off")...)
		if code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%s: exit %d %s", command, code, errs)
		}
	}
	if found, code := examined(t, "configuration", "--data", data); code != exitFailed || !strings.Contains(found, "problem: traces: "+want) {
		t.Errorf("doctor: exit %d %s", code, found)
	}
	tracingtest.Environment(t, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc")
	if out, errs, code := run(t, "config", "check", "--data", data); code != 0 {
		t.Errorf("without traces: exit %d %s%s", code, out, errs)
	}
}

func TestFilesOfTheWayToTheCollectorAreJudgedAsAllOthersAre(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if _, err := oauth.OpenKeys(filepath.Join(data, "keys")); err != nil {
		t.Fatal(err)
	}
	cert, key, _ := localCertificate(t, filepath.Join(dir, "own"))
	for _, form := range []string{"OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"} {
		tracingtest.Environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT=https://127.0.0.1:1", form+"CERTIFICATE="+cert, form+"CLIENT_CERTIFICATE="+cert, form+"CLIENT_KEY="+key)
		check := func(path string, mode os.FileMode) (string, int) {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			out, errs, code := run(t, "config", "check", "--data", data)
			if err := os.Chmod(path, 0o600); err != nil {
				t.Fatal(err)
			}
			return out + errs, code
		}
		for path, mode := range map[string]os.FileMode{key: 0o644, cert: 0o646} {
			if said, code := check(path, mode); code != exitUsage || !strings.Contains(said, path) {
				t.Errorf("%s of %s with mode %o: exit %d %s", path, form, mode, code, said)
			}
		}
		if said, code := check(cert, 0o644); code != 0 {
			t.Errorf("%s, a certificate that all may read: exit %d %s", form, code, said)
		}
	}
}
