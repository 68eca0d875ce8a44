package main

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// Set by the linker.
var version, commit, date = "dev", "", ""

func newVersion() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print version, commit, date and the Go version",
		Example: `  rollcall version --json`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if asJSON {
				return json.NewEncoder(output(c)).Encode(map[string]string{"version": version, "commit": commit, "date": date, "go": runtime.Version()})
			}
			fmt.Fprintf(output(c), "rollcall %s\ncommit   %s\ndate     %s\ngo       %s\n", version, commit, date, runtime.Version())
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
