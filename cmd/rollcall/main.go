// Command rollcall is the session server and what goes with it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

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
	fmt.Fprintln(os.Stderr, "rollcall:", err)
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
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(os.Stdout)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w (see %s --help)", err, c.CommandPath()))
	})
	root.AddCommand(newServe(), newDemo(), newSessions(), newToken(), newClient(), newKeys(), newBackup(), newConfig(), newHealthcheck(), newVersion())
	wrapArgs(root)
	return root
}

// wrapArgs makes wrong arguments of any command a usage error.
func wrapArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usage(fmt.Errorf("%w (see %s --help)", err, c.CommandPath()))
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}
