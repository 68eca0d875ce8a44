// Command rollcall is the session server and what goes with it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rollcall-id/rollcall/internal/sink"
)

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// errInterrupted ends a command that a signal stopped before it was done. Whoever
// sent the signal knows.
var errInterrupted = fmt.Errorf("interrupted: %w", context.Canceled)

// A usageError is a mistake in how a command was called or configured.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	root := newRoot()
	err := root.ExecuteContext(ctx)
	if err == nil {
		return
	}
	if !errors.Is(err, errInterrupted) {
		fmt.Fprintln(sink.Terminal(os.Stderr), "rollcall:", err)
	}
	switch _, isUsage := errors.AsType[usageError](err); {
	case isUsage:
		os.Exit(exitUsage)
	case errors.Is(err, context.Canceled):
		os.Exit(exitInterrupted)
	}
	os.Exit(exitFailed)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "rollcall",
		Short: "A session server: who is signed in, where, since when; and it ends any of it now",
		Example: `  rollcall demo                                  try it out
  rollcall serve --data /var/lib/rollcall        serve
  rollcall sessions list 'auth0|1'               a user's sessions
  rollcall sessions revoke --user 'auth0|1'      end them all`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(os.Stdout)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w (see %s --help)", err, c.CommandPath()))
	})
	root.AddCommand(newServe(), newDemo(), newSessions(), newToken(), newClient(), newKeys(), newBackup(), newRestore(), newStore(), newMigrate(), newConfig(), newHealthcheck(), newDoctor(), newVersion(), newMan())
	addCompletion(root)
	wrapArgs(root)
	return root
}

// addCompletion adds the library's commands for completion and help, and makes
// their mistakes those of all others.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			c.Args, c.RunE = cobra.NoArgs, func(c *cobra.Command, _ []string) error { return c.Help() }
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				if _, rest, err := root.Find(args); err != nil || len(rest) > 0 {
					return fmt.Errorf("there is no command %q", strings.Join(args, " "))
				}
				return nil
			}
		}
	}
}

// wrapArgs makes wrong arguments of any command, and flags that are missing, a
// usage error.
func wrapArgs(c *cobra.Command) {
	check := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		err := c.ValidateRequiredFlags()
		if err == nil && check != nil {
			err = check(c, args)
		}
		if err != nil {
			return usage(fmt.Errorf("%w (see %s --help)", err, c.CommandPath()))
		}
		return nil
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}
