package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "man [COMMAND...]",
		Short: "Print a command's manual page, or write all of them into a directory",
		Example: `  rollcall man serve | man -l -
  rollcall man --dir /usr/local/share/man/man1`,
		RunE: func(c *cobra.Command, args []string) error {
			if dir != "" && len(args) > 0 {
				return usage(errors.New("name a command or a directory, not both"))
			}
			header, err := manHeader()
			if err != nil {
				return err
			}
			root := c.Root()
			root.DisableAutoGenTag = true // the page says its version and its date
			if dir != "" {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
				return doc.GenManTree(root, header, dir)
			}
			page, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usage(fmt.Errorf("there is no command %q (see rollcall --help)", strings.Join(args, " ")))
			}
			return doc.GenMan(page, header, c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "directory to write the page of every command into, made if it is not there")
	return c
}

// manHeader dates the pages by the program, so that the same program makes the same
// pages; SOURCE_DATE_EPOCH is for builders who know better.
func manHeader() (*doc.GenManHeader, error) {
	made := time.Unix(0, 0).UTC()
	if t, err := time.Parse(time.RFC3339, date); err == nil {
		made = t.UTC()
	}
	if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return nil, usage(errors.New("SOURCE_DATE_EPOCH must be a number of seconds"))
		}
		made = time.Unix(seconds, 0).UTC()
	}
	return &doc.GenManHeader{Section: "1", Source: "Rollcall " + version, Manual: "Rollcall", Date: &made}, nil
}
