// Command bench measures Rollcall beside the least that a server in Go can do for
// the same bytes, and writes down what it saw. `make bench` runs it; docs/benchmarks.md
// holds one run and says what the figures mean.
//
// It is four programs in one: load fills a data directory, floor is the server
// that ours is held against, run starts both, loads them from its own process and
// judges, compare does so with an older binary in the floor's place.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// What the program's exit status says.
const (
	exitMissed = 1 // the run is good and a target was missed, or the run failed
	exitUsage  = 2
	exitVoid   = 3 // the control came out wrong: the figures mean nothing

	exitInterrupted = 130
)

var (
	errMissed = errors.New("a target was missed")
	errVoid   = errors.New("the run is void")
	errUsage  = errors.New("usage")
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	commands := map[string]func(context.Context, []string) error{
		"load": loadCommand, "floor": floorCommand, "run": runCommand, "compare": compareCommand,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: bench load|floor|run|compare [flags]; bench run --help and bench compare --help list what can be set")
		os.Exit(exitUsage)
	}
	err := commands[os.Args[1]](ctx, os.Args[2:])
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	switch {
	case errors.Is(err, errVoid):
		os.Exit(exitVoid)
	case errors.Is(err, errUsage):
		os.Exit(exitUsage)
	case ctx.Err() != nil:
		os.Exit(exitInterrupted)
	}
	os.Exit(exitMissed)
}

// parse reads a command's flags. It has no use for arguments.
func parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%w: %q is no flag", errUsage, f.Arg(0))
	}
	return nil
}
