package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const compareUsage = `usage: bench compare -old ROLLCALL [-old-bench BENCH] [flags]

An older binary and the present one take turns in one run, each on a copy of its own
store, with the same users, sessions and requests in the same order. A line divides the
processor time of a request to the older one by that of the present one, round by round:
below 1 the present one costs more. A line is met when 1.00 lies in its interval.

Equal binaries miss lines too. With 9 rounds chance puts 1.00 outside one interval in 25,
which is a missed line in two of five comparisons of 12 lines. And how a process lies in
memory differs from start to start; no interval of one comparison holds that. So repeat a
comparison before you believe a line, and let a binary take turns with itself to see what
the machine alone does: make bench-compare OLD=bin/rollcall. -rounds 15 or more makes
intervals narrower.

A store's format may have changed since the older binary: -old-bench names the bench of
the same commit, which loads the older one's store. Without it this bench loads both.

  git worktree add ../older COMMIT && make -C ../older build bench-build
  make bench-compare OLD=../older/bin/rollcall OLD_BENCH=../older/bin/bench

Exit status: 0 all lines met, 1 a line missed or a failure, 2 usage, 3 the run is void.

`

func compareFlags(args []string) (s settings, err error) {
	s.comparison = true
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.Usage = func() { fmt.Fprint(f.Output(), compareUsage); f.PrintDefaults() }
	s.flags(f)
	f.StringVar(&s.otherBinary, "old", "", "the older server")
	f.StringVar(&s.otherBench, "old-bench", "", "the bench that loads the older server's store; \"\" is this one")
	if err := s.parse(f, args); err != nil {
		return s, err
	}
	if s.otherBinary == "" {
		return s, fmt.Errorf("%w: -old names the older server", errUsage)
	}
	s.otherSessions = s.sessions
	return s, nil
}

func compareCommand(ctx context.Context, args []string) error {
	s, err := compareFlags(args)
	if err != nil {
		return err
	}
	return s.run(ctx, comparisons())
}

// comparisons lists what is compared: the control, each line of a run that is held against
// the floor, and the memory of both.
func comparisons() []scenario {
	var list []scenario
	for _, s := range scenarios() {
		switch {
		case s.key == controlKey, s.key == memoryKey:
			list = append(list, s)
		case s.load != nil && (s.unit == floorByOurs || s.unit == oursByFloor):
			s.unit, s.target, s.measure = oldByNew, within(1), compared
			list = append(list, s)
		}
	}
	return append(list, scenario{"memory-old", "memory of the older one, at its peak", "MB", target{}, otherMemory, nil})
}

// compared holds the older server against ours.
func compared(ctx context.Context, b *bench, s scenario) (result, error) {
	mine, older, err := b.againstOther(ctx, s)
	return s.olderByOurs(mine, older), err
}

func (s scenario) olderByOurs(ours, older load) result { return s.ratio(older, ours, ours, older) }

func otherMemory(_ context.Context, b *bench, s scenario) (result, error) { return s.memoryOf(b.other) }

// loadOther returns the loaded data directory of the other server.
func (b *bench) loadOther(ctx context.Context) (dir string, m manifest, err error) {
	if b.otherBench == "" {
		return loaded(ctx, b.data, b.otherSessions)
	}
	return loadedBy(ctx, b.otherBench, b.data, b.otherSessions)
}

// loadedBy returns a data directory that another bench has loaded with so many sessions. It
// is below one that bears the digest of that bench, so that two benches share none.
func loadedBy(ctx context.Context, bench, parent string, sessions int) (dir string, m manifest, err error) {
	program, err := os.ReadFile(bench)
	if err != nil {
		return "", m, err
	}
	parent = filepath.Join(parent, fmt.Sprintf("by-%.4x", sha256.Sum256(program)))
	load := exec.CommandContext(ctx, bench, "load", "-sessions", fmt.Sprint(sessions), "-data", parent)
	load.Stdout, load.Stderr = os.Stderr, os.Stderr
	if err := load.Run(); err != nil {
		return "", m, fmt.Errorf("loading with %s: %w", bench, err)
	}
	dir = loadedDir(parent, sessions)
	if m, err = readManifest(dir); err != nil {
		return "", m, err
	}
	return dir, m, m.Plan.asPlanned(sessions)
}

// asPlanned says whether another bench has planned the same users and sessions: both sides
// get the same requests.
func (p plan) asPlanned(sessions int) error {
	mine, err := newPlan(sessions, p.Base)
	if err == nil && (p.Sessions != mine.Sessions || p.Users != mine.Users) {
		err = fmt.Errorf("the other bench has loaded %d sessions of %d users, not %d of %d", p.Sessions, p.Users, mine.Sessions, mine.Users)
	}
	return err
}

// oldVersion is what the report calls the older binary, "" in a run.
func (b *bench) oldVersion() string {
	if !b.comparison {
		return ""
	}
	return cmp.Or(versionOf(b.otherBinary), b.otherBinary)
}
