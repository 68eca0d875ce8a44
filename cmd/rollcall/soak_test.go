//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A soak is a server under a steady load that is killed now and then, and what was
// acknowledged meanwhile.
type soak struct {
	t       *testing.T
	data    string
	client  *http.Client
	p       *process
	token   string
	workers []*soaker
	acts    atomic.Int64 // acknowledged
	asks    atomic.Int64 // checks and lists that were answered right
	lost    int
}

// A soaker works on users of its own, so it knows exactly what there must be.
type soaker struct {
	*soak
	user   string
	random *rand.Rand
	alive  map[string]*soaked // by id
	ended  []made             // since the server was started
}

type soaked struct {
	made
	metadata string
}

const (
	soakWorkers = 16
	soakAlive   = 40 // sessions that a soaker's user has at most
)

func newSoak(t *testing.T) *soak {
	s := &soak{t: t, data: filepath.Join(t.TempDir(), "data")}
	s.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * soakWorkers}}
	for w := range soakWorkers {
		s.workers = append(s.workers, &soaker{soak: s, user: fmt.Sprintf("soak-%d", w), random: rand.New(rand.NewPCG(1, uint64(w))), alive: map[string]*soaked{}})
	}
	return s
}

// start starts the server, and looks whether everything that was acknowledged is so.
func (s *soak) start() {
	s.t.Helper()
	s.p = serveOn(s.t, s.data, "--telemetry-listen", "127.0.0.1:0", "--access-log=false", "--cache-size", strconv.Itoa(16<<20))
	s.p.client = s.client
	s.token = s.p.mint("create:sessions read:sessions update:sessions delete:sessions")
	for _, w := range s.workers {
		for _, m := range w.alive {
			var shown struct {
				Metadata map[string]string `json:"session_metadata"`
			}
			status, err := s.p.ask(context.Background(), "GET", "/api/v2/sessions/"+m.Session.ID, s.token, "", &shown)
			if status != http.StatusOK || shown.Metadata["n"] != m.metadata || !w.checks(m.made, http.StatusOK) {
				s.lost++
				s.t.Errorf("an acknowledged session or its change is gone: %d %v, %v instead of %q", status, err, shown.Metadata, m.metadata)
			}
		}
		for _, m := range w.ended {
			if !w.checks(m, http.StatusUnauthorized) {
				s.lost++
				s.t.Error("an ended session is back")
			}
		}
		w.ended = nil
	}
}

// load works at the rate, in requests a second and 0 for as many as can be, for a
// while, calling beside every second. It returns how many requests there were.
func (s *soak) load(ctx context.Context, rate float64, beside func()) int64 {
	var done atomic.Int64
	var working sync.WaitGroup
	began := time.Now()
	for _, w := range s.workers {
		working.Go(func() {
			for i := 1; ctx.Err() == nil && w.act(ctx); i++ {
				done.Add(1)
				if rate > 0 {
					due := began.Add(time.Duration(float64(i) * soakWorkers / rate * float64(time.Second)))
					select {
					case <-time.After(time.Until(due)):
					case <-ctx.Done():
					}
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() { working.Wait(); close(finished) }()
	for {
		select {
		case <-finished:
			return done.Load()
		case <-time.After(time.Second):
			beside()
		}
	}
}

// act makes one request. It reports false when the server is gone; a session whose
// act was under way then is not known any more.
func (w *soaker) act(ctx context.Context) bool {
	n := w.random.IntN(100)
	var one *soaked
	for _, one = range w.alive { // any
		break
	}
	switch {
	case one == nil || n < 15 && len(w.alive) < soakAlive:
		m, err := w.p.create(context.Background(), w.token, w.user)
		if err != nil {
			return w.gone(ctx, "creating", 0, err)
		}
		w.alive[m.Session.ID] = &soaked{made: m}
		w.acts.Add(1)
	case n < 27:
		delete(w.alive, one.Session.ID)
		status, err := w.p.ask(context.Background(), "DELETE", "/api/v2/sessions/"+one.Session.ID, w.token, "", nil)
		if status != http.StatusAccepted {
			return w.gone(ctx, "ending", status, err)
		}
		w.ended = append(w.ended, one.made)
		w.acts.Add(1)
	case n < 35:
		delete(w.alive, one.Session.ID)
		text := strconv.Itoa(w.random.Int())
		status, err := w.p.ask(context.Background(), "PATCH", "/api/v2/sessions/"+one.Session.ID, w.token, `{"session_metadata":{"n":"`+text+`"}}`, nil)
		if status != http.StatusOK {
			return w.gone(ctx, "changing", status, err)
		}
		one.metadata = text
		w.alive[one.Session.ID] = one
		w.acts.Add(1)
	case n < 40:
		return w.lists(ctx)
	case n < 45 && len(w.ended) > 0:
		return w.looks(ctx, w.ended[w.random.IntN(len(w.ended))], http.StatusUnauthorized)
	default:
		return w.looks(ctx, one.made, http.StatusOK)
	}
	return true
}

// gone tells a server that was killed from one that answers wrongly.
func (w *soaker) gone(ctx context.Context, what string, status int, err error) bool {
	if err == nil || ctx.Err() == nil {
		w.t.Errorf("%s: %d %v", what, status, err)
	}
	return false
}

func (w *soaker) looks(ctx context.Context, m made, want int) bool {
	status, err := w.p.ask(context.Background(), "GET", "/check", m.Token, "", nil)
	if status != want {
		return w.gone(ctx, "a check", status, err)
	}
	w.asks.Add(1)
	return true
}

func (w *soaker) checks(m made, want int) bool { return w.looks(context.Background(), m, want) }

// lists reads the user's sessions. Those whose act was cut by a kill may be among
// them: what is known to be alive is, and what has ended is not.
func (w *soaker) lists(ctx context.Context) bool {
	var page struct{ Sessions []struct{ ID string } }
	status, err := w.p.ask(context.Background(), "GET", "/api/v2/users/"+w.user+"/sessions?take=100", w.token, "", &page)
	if status != http.StatusOK {
		return w.gone(ctx, "a list", status, err)
	}
	var ids []string
	for _, s := range page.Sessions {
		ids = append(ids, s.ID)
	}
	for id := range maps.Keys(w.alive) {
		if len(ids) < 100 && !slices.Contains(ids, id) {
			w.t.Error("a live session is not listed")
		}
	}
	for _, m := range w.ended {
		if slices.Contains(ids, m.Session.ID) {
			w.t.Error("an ended session is listed")
		}
	}
	w.asks.Add(1)
	return true
}

// goroutines reads how many the server has. The scrape's own are among them.
func (s *soak) goroutines() int {
	s.t.Helper()
	_, text := fetch(s.t, s.p.telemetry()+"/metrics")
	row := regexp.MustCompile(`(?m)^go_goroutines ([0-9]+)$`).FindStringSubmatch(text)
	if row == nil {
		s.t.Fatal("go_goroutines is not in the metrics")
	}
	n, err := strconv.Atoi(row[1])
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// TestSoakLosesNothingAndLeavesNothingBehind runs a server at seven tenths of what it
// can do, kills it again and again, and looks at what it holds when it idles at last.
func TestSoakLosesNothingAndLeavesNothingBehind(t *testing.T) {
	kills, each, last := 3, 2*time.Second, 4*time.Second
	if os.Getenv("ROLLCALL_TEST_LONG") != "" {
		kills, each, last = 16, 30*time.Second, 2*time.Minute
	}
	s := newSoak(t)
	s.start()
	measuring, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
	most := float64(s.load(measuring, 0, func() {})) / 1.5
	cancel()
	rate := 0.7 * most
	for range kills {
		ctx, cancel := context.WithCancel(context.Background())
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			time.Sleep(each)
			cancel() // from here on, requests may fail
			_ = s.p.cmd.Process.Kill()
			<-s.p.done
		}()
		s.load(ctx, rate, func() {})
		<-killed
		s.start()
	}
	base := s.goroutines()
	ctx, cancel := context.WithTimeout(context.Background(), last)
	defer cancel()
	var resident []int64
	s.load(ctx, rate, func() { resident = append(resident, s.p.resident()>>20) })
	s.client.CloseIdleConnections()
	left := s.goroutines()
	for deadline := time.Now().Add(20 * time.Second); left > base+2 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		left = s.goroutines()
	}
	t.Logf("%.0f requests a second of %.0f; %d kills; %d acts acknowledged, %d lost; %d reads; MiB resident: %v; goroutines %d at first, %d at last",
		rate, most, kills, s.acts.Load(), s.lost, s.asks.Load(), resident, base, left)
	if left > base+2 { // a scrape has some of its own
		t.Errorf("%d goroutines were left behind", left-base)
	}
	if s.acts.Load() < 100 {
		t.Error("next to nothing was acknowledged")
	}
	flat(t, resident)
	if code := s.p.stop(syscall.SIGTERM); code != 0 || strings.Contains(s.p.logged(), `"level":"ERROR"`) {
		t.Errorf("exit %d\n%s", code, s.p.logged())
	}
}

// flat holds the memory against its bounds: the cache of 16 MiB, the engine's 80 MiB
// for what it has read and not yet written to tables and 20 for all else, and what a busy heap needs beside; and in a
// run that is long enough to tell, that the last quarter needs no more than the second.
func flat(t *testing.T, mib []int64) {
	t.Helper()
	if len(mib) == 0 {
		t.Fatal("nothing was measured")
	}
	if most := slices.Max(mib); most > 400 {
		t.Errorf("%d MiB", most)
	}
	if n := len(mib); n >= 100 {
		second, fourth := mean(mib[n/4:n/2]), mean(mib[n/4*3:])
		t.Logf("MiB resident in the second quarter %d, in the last %d", second, fourth)
		if fourth > second*5/4+16 {
			t.Errorf("memory grows from %d to %d MiB", second, fourth)
		}
	}
}

func mean(of []int64) (m int64) {
	for _, n := range of {
		m += n
	}
	return m / int64(len(of))
}
