package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-id/rollcall/oauth"
)

func newKeys() *cobra.Command {
	c := &cobra.Command{
		Use:   "keys",
		Short: "List the keys that sign management tokens, and make new ones",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newKeysRotate(), newKeysList())
	return c
}

func newKeysRotate() *cobra.Command {
	var alg string
	var asJSON bool
	c := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new signing key; tokens that older ones have signed go on being accepted",
		Long: `Make a new signing key in the data directory, without asking the server. It signs
once the server has read it, at SIGHUP or at its next start. Older keys stay
published, and their tokens accepted, for the 24 hours that a token lives; then they
are dropped, and the next rotation removes their files.`,
		Example: `  rollcall keys rotate --data /var/lib/rollcall && systemctl reload rollcall
  rollcall keys rotate --data /var/lib/rollcall --alg EdDSA`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := oneOf(oauth.Algorithms()...)(alg); err != nil {
				return usage(fmt.Errorf("--alg %w", err))
			}
			dir, err := existingKeys(c)
			if err != nil {
				return err
			}
			made, err := oauth.RotateKey(dir, alg, time.Now())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), made)
			}
			fmt.Fprintf(c.OutOrStdout(), "Made the %s key %s.\nA running server takes it at SIGHUP.\n", made.Algorithm, made.ID)
			return nil
		},
	}
	addFlags(c.Flags(), "data")
	c.Flags().StringVar(&alg, "alg", oauth.Algorithms()[0], "algorithm: "+strings.Join(oauth.Algorithms(), ", ")+"; not every client verifies others than the first")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newKeysList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the signing keys, newest first",
		Long: `List the signing keys of the data directory, newest first, and the state of each:
signing; next, once the server reads it; old, with the end of its tokens; over.`,
		Example: `  rollcall keys list --data /var/lib/rollcall
  rollcall keys list --data /var/lib/rollcall --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := existingKeys(c)
			if err != nil {
				return err
			}
			infos, err := oauth.ListKeys(dir, time.Now())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), infos)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "KID\tALG\tCREATED\tSTATE")
			for _, k := range infos {
				state := k.State
				if state == oauth.KeyOld && !k.Until.IsZero() {
					state += " until " + k.Until.Format(time.RFC3339)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.ID, k.Algorithm, k.Created.Format(time.RFC3339), state)
			}
			return w.Flush()
		},
	}
	addFlags(c.Flags(), "data")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// existingKeys returns the key directory of a server that has one.
func existingKeys(c *cobra.Command) (string, error) {
	cfg, err := loadConfig(c.Flags(), os.Environ())
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(keyDir(cfg)); err != nil {
		return "", usage(fmt.Errorf("there are no keys in %s; --data names the directory of the server: %w", keyDir(cfg), err))
	}
	return keyDir(cfg), nil
}
