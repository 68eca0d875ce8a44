package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-id/rollcall/internal/sink"
)

func newConfig() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Show or check the configuration",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var asJSON bool
	show := &cobra.Command{
		Use:   "print",
		Short: "Print every setting and where it comes from",
		Example: `  rollcall config print --config /etc/rollcall.yaml
  ROLLCALL_LISTEN=off rollcall config print --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(c.Flags(), os.Environ())
			if err != nil {
				return err
			}
			return printConfig(c, cfg, asJSON)
		},
	}
	check := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration, and start nothing",
		Long: `Check the configuration and the files that it names, and start nothing. A PostgreSQL
database is asked for its settings; one that does not answer is a warning.`,
		Example: `  rollcall config check --config /etc/rollcall.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(c.Flags(), os.Environ())
			if err != nil {
				return err
			}
			if err := cfg.consistent(); err != nil {
				return usage(err)
			}
			if _, err := (&running{cfg: cfg}).openNetworks(slog.New(slog.DiscardHandler)); err != nil {
				return usage(err)
			}
			warnings, err := cfg.checkDatabase(c.Context())
			if err != nil {
				return usage(err)
			}
			for _, w := range append(cfg.warnings(), warnings...) {
				fmt.Fprintln(sink.Terminal(c.ErrOrStderr()), "warning: "+w)
			}
			fmt.Fprintln(output(c), "The configuration is good.")
			return nil
		},
	}
	addFlags(show.Flags())
	addFlags(check.Flags())
	show.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.AddCommand(show, check)
	return c
}

// printConfig shows the settings, without secrets: the address of the store without its
// password, clients by id and scopes, without the hashes of their secrets.
func printConfig(c *cobra.Command, cfg *config, asJSON bool) error {
	type setting struct {
		Key    string `json:"key"`
		Value  any    `json:"value"`
		Source string `json:"source"`
	}
	var settings []setting
	for _, k := range keys() {
		value := cfg.values[k.name]
		if k.shown != nil {
			value = k.shown(value)
		}
		settings = append(settings, setting{k.name, spell(value), cfg.sources[k.name]})
	}
	for _, client := range cfg.clients {
		settings = append(settings, setting{clientsKey, client.ID + ": " + strings.Join(client.Scopes, " "), cfg.sources[clientsKey]})
	}
	for _, issuer := range cfg.issuers {
		settings = append(settings, setting{issuersKey, issuer.Issuer + ": " + strings.Join(issuer.Scopes, " "), cfg.sources[issuersKey]})
	}
	for _, level := range policy(cfg).Levels {
		settings = append(settings, setting{levelsKey, spellLevel(level), cfg.sources[levelsKey]})
	}
	if asJSON {
		enc := json.NewEncoder(output(c))
		enc.SetIndent("", "  ")
		return enc.Encode(settings)
	}
	w := newTable(output(c))
	fmt.Fprintln(w, "KEY\tVALUE\tSOURCE")
	for _, s := range settings {
		fmt.Fprintf(w, "%s\t%v\t%s\n", s.Key, s.Value, s.Source)
	}
	return w.Flush()
}

// spell writes a value as the file would have it.
func spell(value any) any {
	switch v := value.(type) {
	case []string:
		return strings.Join(v, ",")
	case fmt.Stringer:
		return v.String()
	}
	return value
}
