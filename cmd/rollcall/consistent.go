package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall/internal/tracing"
	"github.com/rollcall-id/rollcall/oauth"
	"github.com/rollcall-id/rollcall/store/postgres"
)

// consistent holds the settings against each other, reads what they name, and reads the
// OTEL_ variables, without starting or making anything. Each value by itself was checked
// when it was set.
func (c *config) consistent() error {
	for _, mode := range []string{"session_lifetime", "ephemeral_session_lifetime"} {
		if idle := "idle_" + mode; c.duration(idle) > c.duration(mode) {
			return fmt.Errorf("%s (%s) must not exceed %s (%s)", idle, c.duration(idle), mode, c.duration(mode))
		}
	}
	p := policy(c)
	if err := p.Check(); err != nil {
		return fmt.Errorf("lifetimes (session_lifetime, idle_session_lifetime, ephemeral_session_lifetime, idle_ephemeral_session_lifetime), limits or levels: %w", err)
	}
	if err := errors.Join(callerLimit(c).Check(), checkActTimeout(c.duration("act_timeout"))); err != nil {
		return err
	}
	callers := oauth.Callers{Clients: c.clients, Issuers: c.issuers}
	if err := callers.Check(); err != nil {
		return err
	}
	if err := errors.Join(checkProxies(c.list("trusted_proxies")), c.judgeSecrets()); err != nil {
		return err
	}
	if err := tracing.Check(); err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	if c.engine() == enginePostgres {
		if err := postgres.CheckAddress(c.text("store")); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	for _, u := range c.list("public_url") {
		if err := oauth.CheckPublicURL(strings.TrimSuffix(u, "/")); err != nil {
			return fmt.Errorf("public_url: %w", err)
		}
	}
	if _, err := c.browsers(); err != nil {
		return err
	}
	switch files, err := certificateFiles(c); {
	case err != nil:
		return err
	case files.Cert != "":
		if _, err := files.Read(time.Now()); err != nil {
			return err
		}
	}
	o, err := listenOptions(c)
	if err != nil {
		return err
	}
	if len(c.list("public_url")) == 0 && !o.OnNetwork() {
		return errors.New("no listener has an address that clients could be told: set public_url")
	}
	return nil
}
