package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-id/rollcall/internal/secretfile"
	"github.com/rollcall-id/rollcall/internal/tracing"
	"github.com/rollcall-id/rollcall/server"
)

// decides judges a file that decides who is let in, before it is read. What is to be warned
// of is kept.
func (c *config) decides(path string) error { return c.judge(path, secretfile.Decides) }

func (c *config) judge(path string, use secretfile.Use) error {
	warnings, err := secretfile.Judge(path, use)
	for _, w := range warnings {
		if !slices.Contains(c.reachable, w) {
			c.reachable = append(c.reachable, w)
		}
	}
	return err
}

// judgeSecrets judges what the data directory has and what the settings, and the variables of
// traces, name of keys, certificates and rows. What is not there is nobody's.
func (c *config) judgeSecrets() error {
	tls := filepath.Dir(server.CAFile(c.text("data")))
	uses := map[string]secretfile.Use{
		storeDir(c): secretfile.Secret, keyDir(c): secretfile.Secret, tls: secretfile.Secret,
		filepath.Join(tls, "key.pem"): secretfile.Secret, c.text("tls_key"): secretfile.Secret, c.text("tls_cert"): secretfile.Decides,
	}
	clientKeys, certificates := tracing.Files()
	for _, path := range clientKeys {
		uses[path] = secretfile.Secret
	}
	for _, path := range certificates {
		uses[path] = secretfile.Decides
	}
	files, err := os.ReadDir(keyDir(c))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, f := range files {
		if ext := filepath.Ext(f.Name()); ext == ".pem" || ext == ".key" {
			uses[filepath.Join(keyDir(c), f.Name())] = secretfile.Secret
		}
	}
	maps.Copy(uses, c.databaseFiles())
	delete(uses, "")
	for _, path := range slices.Sorted(maps.Keys(uses)) {
		if err := c.judge(path, uses[path]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// checkProxies refuses networks that believe nearly everybody: whoever is believed may say
// that a request comes from any address.
func checkProxies(networks []string) error {
	proxies, err := server.ParseProxies(networks)
	if err != nil {
		return fmt.Errorf("trusted_proxies: %w", err)
	}
	for _, p := range proxies {
		if least := map[bool]int{true: 8, false: 7}[p.Addr().Is4()]; p.Bits() < least {
			return fmt.Errorf("trusted_proxies: %s lets nearly anybody say where a request comes from: name the networks of your proxies, of /%d or smaller", p, least)
		}
	}
	return nil
}

// warnings are what a configuration that is consistent may yet mean otherwise.
func (c *config) warnings() (all []string) {
	if len(c.reachable) > 0 {
		slices.Sort(c.reachable)
		all = append(all, "not this process alone reaches files that hold or decide secrets: "+strings.Join(c.reachable, "; "))
	}
	if c.flag("behind_proxy") && len(c.list("trusted_proxies")) == 0 {
		all = append(all, "behind_proxy without trusted_proxies: every user has the proxy's address, in sessions and in limits; name the proxy's network")
	}
	all = append(append(all, tracing.Warnings()...), c.databaseWarnings()...)
	browsers, _ := c.browsers() // consistent has returned the error
	return append(append(all, browsers...), c.certificateWarnings()...)
}
