package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/rollcall-id/rollcall/store/postgres"
)

func newStore() *cobra.Command {
	c := &cobra.Command{
		Use:   "store",
		Short: "What is to be done to a store that no server has open",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newStoreRenew())
	return c
}

func newStoreRenew() *cobra.Command {
	c := &cobra.Command{
		Use:   "renew",
		Short: "Tell readers of events that a store was set back to an older state",
		Long: `Give the store of the data directory, or the database that --store names, a new
incarnation, while no server has it open. Do so after the store was set back by a snapshot of the disk or of the machine, and
before the server starts: nothing in the store tells that there was a younger state.
Whoever reads events is then told that events were missed, and reads anew, instead of
taking later events for those that it has seen. Sessions stay as they are.

What "rollcall backup" has copied needs no renewal: its first start does as much. A
PostgreSQL database that was restored from a copy always needs it.`,
		Example: `  systemctl stop rollcall && rollcall store renew --data /var/lib/rollcall`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			cfg, err := loadConfig(c.Flags(), os.Environ())
			if err != nil {
				return err
			}
			if cfg.engine() == enginePostgres {
				if err := postgres.Renew(c.Context(), cfg.text("store")); err != nil {
					return err
				}
				fmt.Fprintln(output(c), "Renewed the store in PostgreSQL. Readers of events will be told that they have missed some.")
				return nil
			}
			dir := storeDir(cfg)
			if err := existingStore(dir); err != nil {
				return usage(err)
			}
			s, err := openPebble(cfg, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			if err := s.Renew(c.Context()); err != nil {
				return fmt.Errorf("renewing the store in %s: %w", dir, err)
			}
			fmt.Fprintf(output(c), "Renewed the store in %s. Readers of events will be told that they have missed some.\n", dir)
			return nil
		},
	}
	addFlags(c.Flags(), "data", "store")
	return c
}

// existingStore refuses a directory in which opening the store would make a new one.
func existingStore(dir string) error {
	files, err := os.ReadDir(dir)
	if err == nil && len(files) == 0 {
		err = fs.ErrNotExist
	}
	if err != nil {
		return fmt.Errorf("there is no store in %s; --data names the directory of the server: %w", dir, err)
	}
	return nil
}
