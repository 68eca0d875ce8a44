package main

import (
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/rollcall-id/rollcall/internal/sink"
)

// output is where a command writes what people or programs read: text and JSON, in which
// nothing steers a terminal.
func output(c *cobra.Command) io.Writer { return sink.Terminal(c.OutOrStdout()) }

// A table is lines of cells that a tab separates. Texts of others come into a cell through
// [sink.Line], or they could begin another cell or line.
func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 4, 2, ' ', 0) }
