package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-id/rollcall/oauth"
)

func newKeys() *cobra.Command {
	c := &cobra.Command{
		Use:   "keys",
		Short: "List the keys that sign management tokens and derive session tokens, and make new ones",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newKeysRotate(), newKeysList())
	return c
}

func newKeysRotate() *cobra.Command {
	var alg string
	var derivation, asJSON bool
	c := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new signing key, or a new derivation key; what older ones have made goes on counting",
		Long: `Make a new key in the data directory, without asking the server. The server uses the
key once it has read it, at SIGHUP or at its next start.

Without --derivation the key signs management tokens. Older keys stay published, and
their tokens accepted, for the 24 hours that a token lives.

With --derivation the key derives the session tokens that requests with an
Idempotency-Key are given. What older keys have derived can be asked for again for 48
hours; the sessions themselves do not depend on the key and go on.

Then older keys are dropped, and the next rotation of the same kind removes their files.`,
		Example: `  rollcall keys rotate --data /var/lib/rollcall && systemctl reload rollcall
  rollcall keys rotate --data /var/lib/rollcall --alg EdDSA
  rollcall keys rotate --data /var/lib/rollcall --derivation`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := oneOf(oauth.Algorithms()...)(alg); err != nil {
				return usage(fmt.Errorf("--alg %w", err))
			}
			if derivation && c.Flags().Changed("alg") {
				return usage(errors.New("--alg is for keys that sign: a derivation key has no choice of algorithm"))
			}
			dir, err := existingKeys(c)
			if err != nil {
				return err
			}
			made, err := rotate(dir, alg, derivation)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(output(c), made)
			}
			what := made.Algorithm
			if derivation {
				what = "derivation"
			}
			fmt.Fprintf(output(c), "Made the %s key %s.\nA running server takes it at SIGHUP.\n", what, made.ID)
			return nil
		},
	}
	addFlags(c.Flags(), "data")
	c.Flags().StringVar(&alg, "alg", oauth.Algorithms()[0], "algorithm: "+strings.Join(oauth.Algorithms(), ", ")+"; not every client verifies others than the first")
	c.Flags().BoolVar(&derivation, "derivation", false, "make a derivation key in the place of one that signs")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func rotate(dir, alg string, derivation bool) (oauth.KeyInfo, error) {
	if derivation {
		return oauth.RotateDerivationKey(dir, time.Now())
	}
	return oauth.RotateKey(dir, alg, time.Now())
}

func newKeysList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the keys, newest first",
		Long: `List the keys of the data directory, newest first, those that sign (sig) before those
that derive (derive), and the state of each: signing or deriving; next, once the server
reads it; old, with the end of what it has made; over.`,
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
				return printJSON(output(c), infos)
			}
			w := newTable(output(c))
			fmt.Fprintln(w, "KID\tUSE\tALG\tCREATED\tSTATE")
			for _, k := range infos {
				state := k.State
				if state == oauth.KeyOld && !k.Until.IsZero() {
					state += " until " + k.Until.Format(time.RFC3339)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Use, k.Algorithm, k.Created.Format(time.RFC3339), state)
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
	return keyDir(cfg), usage(hasKeys(cfg))
}

// hasKeys refuses a data directory in which opening the keys would make some: a server makes
// them, and as its own user.
func hasKeys(cfg *config) error {
	files, err := os.ReadDir(keyDir(cfg))
	for _, kind := range []string{"signing*.pem", "derivation*.key"} {
		isOne := func(f fs.DirEntry) bool { ok, _ := filepath.Match(kind, f.Name()); return ok }
		if err == nil && !slices.ContainsFunc(files, isOne) {
			err = fmt.Errorf("%s: %w", kind, fs.ErrNotExist)
		}
	}
	if err != nil {
		return fmt.Errorf("there are no keys in %s; --data names the directory of the server: %w", keyDir(cfg), err)
	}
	return nil
}
