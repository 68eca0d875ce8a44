package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rollcall-id/rollcall/gate"
)

// telemetry waits for the telemetry listener and returns its origin.
func (p *process) telemetry() string {
	p.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for line := range strings.Lines(p.logged()) {
			var l struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "serving telemetry" {
				return "http://" + l.Address
			}
		}
	}
	p.t.Fatalf("there is no telemetry:\n%s", p.logged())
	return ""
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// documentedMetrics are those of the documentation but for some, which begin so.
func documentedMetrics(t *testing.T, but ...string) (names []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `(rollcall_[a-z0-9_]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		if !slices.ContainsFunc(but, func(start string) bool { return strings.HasPrefix(row[1], start) }) {
			names = append(names, row[1])
		}
	}
	slices.Sort(names)
	return names
}

// exportedMetrics are the names in what Prometheus reads.
func exportedMetrics(text string) (names []string) {
	for _, row := range regexp.MustCompile(`(?m)^# TYPE (rollcall_[a-z0-9_]+) `).FindAllStringSubmatch(text, -1) {
		names = append(names, row[1])
	}
	return names
}

func TestTheMetricsAreThoseOfTheDocumentation(t *testing.T) {
	p := serveOn(t, filepath.Join(t.TempDir(), "data"), "--telemetry-listen", "127.0.0.1:0")
	m, err := p.create(context.Background(), p.mint("create:sessions"), "auth0|1")
	if err != nil {
		t.Fatal(err)
	}
	if status, err := p.ask(context.Background(), "GET", "/check", m.Token, "", nil); status != http.StatusOK {
		t.Fatalf("check: %d %v", status, err)
	}
	var text string
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(text, "rollcall_sessions_live 1\n") && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		_, text = fetch(t, p.telemetry()+"/metrics") // the first count is made beside
	}
	if diff := cmp.Diff(documentedMetrics(t, "rollcall_postgres_"), exportedMetrics(text)); diff != "" {
		t.Errorf("docs/operations.md lists other metrics than there are (-documented +exported):\n%s", diff)
	}
	for _, want := range []string{
		`rollcall_http_requests_total{code="201",method="POST",route="/v1/sessions"} 1`, "rollcall_sessions_live 1",
		`rollcall_token_verifications_total{result="verified"} 1`, "go_goroutines ", "process_open_fds ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
	syncs := regexp.MustCompile(`(?s)rollcall_pebble_wal_fsync_duration_seconds_sum (\S+)\n\S+_count ([0-9]+)`).FindStringSubmatch(text)
	if syncs == nil || syncs[2] == "0" {
		t.Fatal("no sync was timed")
	}
	if sum, err := strconv.ParseFloat(syncs[1], 64); err != nil || sum <= 0 || sum > 600 {
		t.Errorf("the syncs took %s seconds, %v", syncs[1], err)
	}
	if strings.Contains(text, m.Token) || strings.Contains(text, m.Session.ID) || strings.Contains(text, "auth0") {
		t.Error("the metrics hold something about a user")
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// TestTheAlertRulesSeeEveryCheck holds the rules for Prometheus against the routes of checks
// that proxies ask at.
func TestTheAlertRulesSeeEveryCheck(t *testing.T) {
	rules, err := os.ReadFile("../../deploy/monitoring/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	routes := regexp.MustCompile(`route=(~?)"([^"]*)"`).FindAllStringSubmatch(string(rules), -1)
	if len(routes) < 3 {
		t.Fatalf("the rules name %d routes", len(routes))
	}
	for _, route := range routes {
		for _, check := range []string{"/check", "/check/login", gate.EnvoyPrefix + "/", gate.EnvoyNoTouchPrefix + "/"} {
			if seen := route[2] == check || route[1] == "~" && regexp.MustCompile("^(?:"+route[2]+")$").MatchString(check); !seen {
				t.Errorf("a rule with %s does not see %s", route[0], check)
			}
		}
	}
}

func TestTheTelemetryStaysWhileRequestsAreDrained(t *testing.T) {
	p := serveOn(t, filepath.Join(t.TempDir(), "data"), "--store", "memory", "--telemetry-listen", "127.0.0.1:0", "--drain-delay", "2s")
	ready := func() int {
		answer, err := http.Get(p.telemetry() + "/readyz")
		if err != nil {
			return 0
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	if status := ready(); status != http.StatusOK {
		t.Fatalf("ready: %d", status)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	status := http.StatusOK
	for status == http.StatusOK {
		status = ready()
		time.Sleep(5 * time.Millisecond)
	}
	if status != http.StatusServiceUnavailable {
		t.Errorf("while draining: %d", status)
	}
	<-p.done
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestTheLinesAboutRequestsCanBeLeftOut(t *testing.T) {
	for _, on := range []bool{true, false} {
		p := serveOn(t, filepath.Join(t.TempDir(), "data"), "--access-log="+map[bool]string{true: "true", false: "false"}[on])
		token := p.mint("read:sessions")
		for range 20 {
			if _, err := p.ask(context.Background(), "GET", "/api/v2/sessions/unknown-session-01", token, "", nil); err != nil {
				t.Fatal(err)
			}
		}
		if code := p.stop(syscall.SIGTERM); code != 0 {
			t.Fatalf("exit %d", code)
		}
		want := map[bool]int{true: 20, false: 0}[on]
		if n := strings.Count(p.logged(), `"msg":"request"`); n != want {
			t.Errorf("access_log %v: %d lines, want %d", on, n, want)
		}
		if !strings.Contains(p.logged(), "minted offline") {
			t.Errorf("access_log %v: the other lines are gone", on)
		}
	}
}

func TestATelemetryAddressThatCannotBeHadIsAMistake(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, errs, code := run(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--tls-listen", "off", "--telemetry-listen", taken.Addr().String())
	if code != exitUsage || !strings.Contains(errs, "telemetry_listen") || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit %d: %s", code, errs)
	}
}
