package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// A progress shows how far something long has come: a bar on a terminal, a line
// at each tenth elsewhere. Its methods may be called from many goroutines.
type progress struct {
	what     string
	total    int
	began    time.Time
	terminal bool

	mu    sync.Mutex
	done  int
	shown time.Time
	tenth int
}

func newProgress(what string, total int) *progress {
	return &progress{what: what, total: total, began: time.Now(), terminal: term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("TERM") != "dumb"}
}

func (p *progress) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	switch {
	case p.terminal && (time.Since(p.shown) > 100*time.Millisecond || p.done == p.total):
		p.shown = time.Now()
		const width = 30
		filled := width * p.done / p.total
		fmt.Fprintf(os.Stderr, "\r%s [%s%s] %3d%% %s \x1b[K", p.what, strings.Repeat("#", filled), strings.Repeat("-", width-filled), 100*p.done/p.total, p.left())
	case !p.terminal && 10*p.done/p.total > p.tenth:
		p.tenth = 10 * p.done / p.total
		fmt.Fprintf(os.Stderr, "%s: %d%% after %s\n", p.what, 10*p.tenth, time.Since(p.began).Round(time.Second))
	}
}

// left estimates the time that is left.
func (p *progress) left() string {
	if p.done == 0 {
		return ""
	}
	took := time.Since(p.began)
	return fmt.Sprintf("%s left", (took * time.Duration(p.total-p.done) / time.Duration(p.done)).Round(time.Second))
}

// say adds a remark on what goes on.
func (p *progress) say(what string) {
	if p.terminal {
		fmt.Fprintln(os.Stderr)
	}
	fmt.Fprintf(os.Stderr, "%s ...\n", what)
}

func (p *progress) end() {
	fmt.Fprintf(os.Stderr, "done after %s\n", time.Since(p.began).Round(time.Second))
}

// thousands writes a number as people read it.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
