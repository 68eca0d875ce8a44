package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/oauth"
)

func newToken() *cobra.Command {
	var scope string
	var ttl time.Duration
	c := &cobra.Command{
		Use:   "token",
		Short: "Mint a management token from the key file, without asking the server",
		Long: `Mint a management token from the key file of the data directory and print it,
alone, on stdout. The token names the public URL that the server used last, unless
--public-url says otherwise; the server logs its use by its id.`,
		Example: `  TOKEN=$(rollcall token --data /var/lib/rollcall --scope "read:sessions delete:sessions")`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(c.Flags(), os.Environ())
			if err != nil {
				return err
			}
			token, err := mint(cfg, strings.Fields(scope), ttl)
			if err != nil {
				return err
			}
			fmt.Fprintln(output(c), token)
			return nil
		},
	}
	addFlags(c.Flags(), "data", "public_url", "listen", "tls_listen")
	c.Flags().StringVar(&scope, "scope", "", "scopes, separated by spaces: "+strings.Join(rollcall.Scopes(), " "))
	c.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long the token holds")
	_ = c.MarkFlagRequired("scope")
	return c
}

// mint signs a token with the keys of the data directory.
func mint(cfg *config, scopes []string, ttl time.Duration) (string, error) {
	if ttl <= 0 || ttl > oauth.TokenLifetime {
		return "", usage(fmt.Errorf("--ttl must lie between 1s and %s", oauth.TokenLifetime))
	}
	if err := hasKeys(cfg); err != nil {
		return "", usage(err)
	}
	keys, err := oauth.OpenKeys(keyDir(cfg))
	if err != nil {
		return "", err
	}
	found, err := findServer(cfg)
	if err != nil {
		return "", usage(err)
	}
	issuer, err := newIssuer(cfg, keys, found.PublicURLs, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return "", usage(err)
	}
	token, err := issuer.MintOffline("", scopes, ttl)
	return token, usage(err)
}
