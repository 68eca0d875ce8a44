package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestThePlanGivesEachSessionToOneUser(t *testing.T) {
	for _, sessions := range []int{5000, 20_000, 123_456, 1_000_000} {
		p, err := newPlan(sessions, noon)
		if err != nil {
			t.Fatal(err)
		}
		next := 0
		for user := range p.Users {
			first, count := p.sessionsOf(user)
			if first != next || count < 1 {
				t.Fatalf("of %d: user %d has %d sessions from %d on, not from %d on", sessions, user, count, first, next)
			}
			if p.userOf(first) != user || p.userOf(first+count-1) != user {
				t.Fatalf("of %d: the sessions of user %d are taken for others'", sessions, user)
			}
			next += count
		}
		if next != sessions {
			t.Errorf("%d sessions are given out, not %d", next, sessions)
		}
		_, long := p.sessionsOf(p.longUser(p.long() - 1))
		_, short := p.sessionsOf(p.shortUser(p.short() - 1))
		if long != longList || short != shortList {
			t.Errorf("of %d: the last users of their kinds have %d and %d sessions", sessions, long, short)
		}
	}
}

func TestALoadedSessionIsAcceptedByItsToken(t *testing.T) {
	p, err := newPlan(5000, noon)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		s := p.session(i)
		token, ok := rollcall.ParseToken(p.token(i).Reveal())
		if !ok || token.ID != s.ID || !s.SecretHash.Matches(token.Secret) {
			t.Fatalf("session %d: its token is not one", i)
		}
		if !s.CreatedAt.Before(noon.Add(1)) || s.CreatedAt.Before(noon.Add(-loadedUse)) || s.Over(noon.Add(reuseFor), &rollcall.Standing{}) {
			t.Fatalf("session %d, created at %v, ends at %v", i, s.CreatedAt, s.OverAt())
		}
		if rollcall.CheckMethods(s.Methods) != nil || rollcall.CheckMetadata(s.Metadata) != nil || rollcall.CheckUserID(s.UserID) != nil {
			t.Fatalf("session %d is none that could have been created", i)
		}
		if ip, err := rollcall.ParseAddr(s.Last.Origin.IP); err != nil || ip.String() != s.Last.Origin.IP {
			t.Fatalf("session %d: address %q: %v", i, s.Last.Origin.IP, err)
		}
	}
}

func TestTheIntervalOfTheMedianCoversWhatItSays(t *testing.T) {
	// Tables of the sign test: of 9 the second and the eighth, of 15 the fourth and
	// the twelfth; of 3 there is no such interval, and the range has to do.
	for _, want := range []struct {
		n         int
		low, high float64
		coverage  float64
	}{{9, 2, 8, 0.9609}, {15, 4, 12, 0.9648}, {3, 1, 3, 0.75}, {1, 1, 1, 0}} {
		var values []float64
		for i := range want.n {
			values = append(values, float64(want.n-i))
		}
		got := estimated(values)
		if got.Median != float64(want.n+1)/2 || got.Low != want.low || got.High != want.high || math.Abs(got.Coverage-want.coverage) > 1e-4 {
			t.Errorf("of %d: %+v, not %+v", want.n, got, want)
		}
	}
}

func TestARunIsVoidWhenTheControlIsOff(t *testing.T) {
	for median, void := range map[float64]bool{1: false, 1.05: false, 0.95: false, 1.06: true, 0.94: true} {
		r := &report{Rounds: 9}
		control := scenario{key: controlKey, target: atLeast(1)}.values([]float64{median})
		r.add(control)
		r.add(scenario{key: "check", target: atLeast(0.8)}.values([]float64{0.9}))
		want := "met"
		if void {
			want = "void"
		}
		if (r.Void != "") != void || r.verdict(r.Results[1]) != want {
			t.Errorf("control at %v: %q, verdict %s", median, r.Void, r.verdict(r.Results[1]))
		}
		t.Chdir(t.TempDir())
		if err := os.Mkdir("docs", 0o755); err != nil {
			t.Fatal(err)
		}
		err := (&bench{settings: settings{out: t.TempDir(), docs: true}}).finish(r)
		if errors.Is(err, errVoid) != void {
			t.Errorf("control at %v: %v", median, err)
		}
		if _, err := os.Stat("docs/benchmarks.md"); (err != nil) != void {
			t.Errorf("control at %v: the page is written: %v", median, err == nil)
		}
	}
}

func TestTargetsAreHeldOnTheirSide(t *testing.T) {
	r := &report{}
	for _, s := range []scenario{{key: "a", target: atLeast(0.8)}, {key: "b", target: atMost(4)}} {
		r.add(s.values([]float64{0.9}))
		r.add(s.values([]float64{5}))
	}
	r.add(scenario{key: "c", target: atLeast(0.8)}.values([]float64{0.79}))
	var got []string
	for _, one := range r.Results {
		got = append(got, r.verdict(one))
	}
	if strings.Join(got, " ") != "met met met missed missed" || r.missed() != 2 || r.judged() != 5 {
		t.Errorf("%v, %d missed of %d", got, r.missed(), r.judged())
	}
}

// TestARoundThatFailsHasNoResult lets the server fail midway: what one side has done
// by then is nothing to compare.
func TestARoundThatFailsHasNoResult(t *testing.T) {
	var answered atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if answered.Add(1) > 50 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	one := side{
		process: &process{name: "test", address: server.Listener.Addr().String(), cmd: &exec.Cmd{Process: self}}, status: http.StatusOK,
		requests: func(n int) ([][]byte, error) { return many(n, func() []byte { return get("/", "token", "agent") }) },
	}
	ours, other, err := duel{ours: one, other: one, connections: 2, perRound: 10, rounds: 3}.fight(context.Background())
	if err == nil || !strings.Contains(err.Error(), "status 503") {
		t.Errorf("the error is %v", err)
	}
	if r := (scenario{}).ratio(ours, other, ours, other); len(r.Values) > 0 || r.Ours.requests > 0 {
		t.Errorf("a result of %v", r.Values)
	}
}

// TestTheBenchRunsAgainstTheRealBinary judges no speed: it sees that every scenario
// finds what it asks for, and that the results are written down.
func TestTheBenchRunsAgainstTheRealBinary(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds two programs and loads two stores")
	}
	dir := buildBoth(t)
	results := runQuickly(t, dir, "run", "-small", "5000")
	if len(results) != 3 {
		t.Fatalf("results: %v", results)
	}
	for _, file := range results {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch filepath.Ext(file) {
		case ".json":
			checkResults(t, text, scenarios())
		case ".svg":
			checkXML(t, string(text))
		case ".md":
			if !strings.Contains(string(text), "| durable creations |") {
				t.Errorf("no table:\n%s", text)
			}
		}
	}
	t.Run("compare", func(t *testing.T) { compareQuickly(t, dir) })
}

// buildBoth builds the server and the bench, and returns the directory that they are in.
func buildBoth(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, source := range map[string]string{"rollcall": "../cmd/rollcall", "bench": "."} {
		build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, name), source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make builds it, and so compiled once
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building: %v\n%s", err, out)
		}
	}
	return dir
}

// runQuickly runs a command of the bench that was built in a directory, and returns the
// files of its results.
func runQuickly(t *testing.T, dir, command string, flags ...string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	out := filepath.Join(dir, "results-"+command)
	args := append([]string{
		command, "-quick", "-sessions", "5000", "-rounds", "1",
		"-binary", filepath.Join(dir, "rollcall"), "-data", filepath.Join(dir, "data"), "-out", out,
	}, flags...)
	if text, err := exec.CommandContext(ctx, filepath.Join(dir, "bench"), args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "data", "run-*")); len(left) > 0 {
		t.Errorf("it leaves %v", left)
	}
	results, _ := filepath.Glob(filepath.Join(out, "*"))
	return results
}

func checkResults(t *testing.T, text []byte, list []scenario) {
	t.Helper()
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Results) != len(list) {
		t.Errorf("%d results of %d scenarios", len(r.Results), len(list))
	}
	for _, got := range r.Results {
		if got.Estimate.Median <= 0 || got.Ours != nil && (got.Ours.CPU <= 0 || got.Ours.PerSec <= 0 || got.Ours.P99 < got.Ours.P50 || got.Ours.P50 <= 0) {
			t.Errorf("%s: %+v, ours %+v", got.Key, got.Estimate, got.Ours)
		}
	}
}

func checkXML(t *testing.T, text string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("the plot: %v", err)
		}
	}
}
