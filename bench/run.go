package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// settings are what a run is told.
type settings struct {
	binary, data, out string
	sessions          int
	// The other server: its binary, the bench that loads its store, "" for this one, and
	// the sessions in it. In a run it is ours with a small store, in a comparison an older one.
	otherBinary, otherBench string
	otherSessions           int
	comparison              bool
	rounds                  int
	quick, accessLog        bool
	docs                    bool
	only                    *regexp.Regexp
	profiles                string
}

// minRounds is how many rounds a run that judges has at least.
const minRounds = 9

// flags adds what a run and a comparison have in common.
func (s *settings) flags(f *flag.FlagSet) {
	f.StringVar(&s.binary, "binary", "bin/rollcall", "the server")
	f.StringVar(&s.data, "data", "bench/data", "directory for the loaded data directories")
	f.StringVar(&s.out, "out", "bench/results", "directory for the results")
	f.IntVar(&s.sessions, "sessions", 1_000_000, "sessions in the store")
	f.IntVar(&s.rounds, "rounds", minRounds, "rounds of each comparison")
	f.BoolVar(&s.quick, "quick", false, "a tenth of the requests, any number of rounds, and no verdicts: shows that the bench works")
	f.BoolVar(&s.accessLog, "access-log", false, "leave the server's line for each request on, into a file; the floor writes none")
	s.only = regexp.MustCompile("")
	f.TextVar(s.only, "only", s.only, "regular expression of the scenarios to run; the others are left out")
}

// parse reads a command's flags, and holds the rounds to their bounds.
func (s *settings) parse(f *flag.FlagSet, args []string) error {
	if err := parse(f, args); err != nil {
		return err
	}
	if s.rounds < minRounds && !s.quick || s.rounds < 1 || s.rounds > 1000 {
		return fmt.Errorf("%w: a run has %d to 1000 rounds", errUsage, minRounds)
	}
	return nil
}

func runFlags(args []string) (s settings, err error) {
	f := flag.NewFlagSet("run", flag.ContinueOnError)
	s.flags(f)
	f.IntVar(&s.otherSessions, "small", 10_000, "sessions in the small store")
	f.BoolVar(&s.docs, "write-docs", false, "write docs/benchmarks.md and its plot, unless the run is void")
	f.StringVar(&s.profiles, "profiles", "", "directory for a processor profile of the server in each scenario; it costs a little")
	if err := s.parse(f, args); err != nil {
		return s, err
	}
	if s.docs && (s.quick || s.only.String() != "") {
		return s, fmt.Errorf("%w: docs/benchmarks.md is written by whole runs only", errUsage)
	}
	s.otherBinary = s.binary
	return s, nil
}

// A bench is a run under way.
type bench struct {
	settings
	work            string // directory of this run's copies
	loaded          manifest
	ours, other     *process
	population      *population // of ours
	otherPopulation *population
	counted         func() (syncCount, error) // once, for both of its scenarios
	telemetry       string                    // address of ours, when profiles are taken
}

// scaled is how many requests a round has.
func (b *bench) scaled(n int) int {
	if b.quick {
		return n / 10
	}
	return n
}

func runCommand(ctx context.Context, args []string) (err error) {
	s, err := runFlags(args)
	if err != nil {
		return err
	}
	return s.run(ctx, scenarios())
}

// run measures the scenarios and judges them.
func (s settings) run(ctx context.Context, list []scenario) error {
	b := &bench{settings: s}
	b.counted = sync.OnceValues(func() (syncCount, error) { return b.countSyncs(ctx) })
	if err := b.prepare(ctx); err != nil {
		return errors.Join(err, b.close())
	}
	r, err := b.measure(ctx, list)
	if err = errors.Join(err, b.close()); err != nil {
		return err
	}
	return b.finish(r)
}

// prepare loads the stores, copies them, and starts a server on each copy.
func (b *bench) prepare(ctx context.Context) error {
	ours, m, err := loaded(ctx, b.data, b.sessions)
	if err != nil {
		return err
	}
	other, otherManifest, err := b.loadOther(ctx)
	if err != nil {
		return err
	}
	b.loaded = m
	if b.work, err = os.MkdirTemp(b.data, "run-"); err != nil {
		return err
	}
	for name, from := range map[string]string{"ours": ours, "other": other} {
		if err := copyStore(filepath.Join(from, "store"), filepath.Join(b.work, name, "store")); err != nil {
			return err
		}
	}
	if err := b.startOurs(ctx); err != nil {
		return err
	}
	if b.other, err = startRollcall(ctx, b.otherBinary, filepath.Join(b.work, "other"), b.serverFlags()...); err != nil {
		return err
	}
	if err := errors.Join(b.ours.settle(ctx), b.other.settle(ctx)); err != nil {
		return err
	}
	if b.population, err = b.populate(ctx, b.binary, "ours", m.Plan); err != nil {
		return err
	}
	b.otherPopulation, err = b.populate(ctx, b.otherBinary, "other", otherManifest.Plan)
	return err
}

func (b *bench) startOurs(ctx context.Context) (err error) {
	flags := b.serverFlags()
	if b.profiles != "" {
		if b.telemetry, err = freeAddress(); err != nil {
			return err
		}
		flags = append(flags, "--pprof", "--telemetry-listen", b.telemetry)
	}
	b.ours, err = startRollcall(ctx, b.binary, filepath.Join(b.work, "ours"), flags...)
	return err
}

func (b *bench) serverFlags() []string {
	flags := []string{"--touch-interval", b.touchInterval().String()}
	if !b.accessLog {
		flags = append(flags, "--log-level", "warn")
	}
	return flags
}

func (b *bench) populate(ctx context.Context, binary, name string, p plan) (*population, error) {
	token, err := mint(ctx, binary, filepath.Join(b.work, name), "read:sessions create:sessions delete:sessions")
	return newPopulation(p, token), err
}

// copyStore copies a closed store. Tables never change, so they are linked; all
// else a server may write to.
func copyStore(from, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		copied := filepath.Join(to, d.Name())
		if strings.HasSuffix(path, ".sst") {
			return os.Link(path, copied)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(copied, data, 0o600)
	})
}

func (b *bench) measure(ctx context.Context, list []scenario) (*report, error) {
	r := newReport(b)
	for _, s := range list {
		if !b.only.MatchString(s.key) {
			continue
		}
		began := time.Now()
		got, err := s.measure(ctx, b, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.key, err)
		}
		r.add(got)
		fmt.Fprintf(os.Stderr, "%-50s %s (%s)\n", s.key, got.spelled(), time.Since(began).Round(time.Second))
	}
	return r, nil
}

// finish writes the results down and says what they mean.
func (b *bench) finish(r *report) error {
	fmt.Print(r.table())
	if err := r.write(b.out); err != nil {
		return err
	}
	if b.docs && r.Void == "" {
		if err := r.writeDocs("docs"); err != nil {
			return err
		}
	}
	switch {
	case b.quick:
		return nil
	case r.Void != "":
		return fmt.Errorf("%w: %s", errVoid, r.Void)
	case r.missed() > 0:
		return fmt.Errorf("%w: %d of %d", errMissed, r.missed(), r.judged())
	}
	return nil
}

func (b *bench) close() (err error) {
	for _, p := range []*process{b.ours, b.other} {
		if p != nil {
			p.kill()
		}
	}
	if b.work != "" {
		err = os.RemoveAll(b.work)
	}
	return err
}
