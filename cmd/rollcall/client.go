package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/oauth"
)

func newClient() *cobra.Command {
	c := &cobra.Command{
		Use:   "client",
		Short: "Make clients of the Management API",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newClientNew())
	return c
}

func newClientNew() *cobra.Command {
	var id, scope string
	var asJSON bool
	c := &cobra.Command{
		Use:   "new",
		Short: "Make a client: its secret, shown once, and its declaration for the configuration file",
		Example: `  rollcall client new --id backend --scope "create:sessions read:sessions delete:sessions"
  rollcall client new --id support --scope read:sessions --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			secret, hash := oauth.NewClientSecret()
			parsed, err := oauth.ParseSecretHash(hash)
			if err != nil {
				return err
			}
			client := oauth.Client{ID: id, SecretHashes: [][32]byte{parsed}, Scopes: strings.Fields(scope)}
			if err := client.Check(); err != nil {
				return usage(err)
			}
			declaration := fmt.Sprintf("clients:\n  - client_id: %s\n    client_secret_sha256: \"%s\"\n    scopes: [%s]\n", id, hash, strings.Join(quoted(client.Scopes), ", "))
			out := output(c)
			if asJSON {
				return printJSON(out, map[string]any{
					"client_id": id, "client_secret": secret, "client_secret_sha256": hash, "scopes": client.Scopes, "declaration": declaration,
				})
			}
			fmt.Fprintf(out, "client_id:     %s\nclient_secret: %s\n\nThe secret is not shown again. Add to the configuration file:\n\n%s", id, secret, declaration)
			fmt.Fprintf(out, "\nOr set, without a file:\n\nROLLCALL_CLIENTS='[{client_id: %s, client_secret_sha256: \"%s\", scopes: [%s]}]'\n", id, hash, strings.Join(quoted(client.Scopes), ", "))
			return nil
		},
	}
	c.Flags().StringVar(&id, "id", "", "client id: 1 to 64 characters of A-Z, a-z, 0-9, _ and -")
	c.Flags().StringVar(&scope, "scope", "", "scopes, separated by spaces: "+strings.Join(rollcall.Scopes(), " "))
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = c.MarkFlagRequired("id")
	_ = c.MarkFlagRequired("scope")
	return c
}

func quoted(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = `"` + t + `"`
	}
	return out
}
