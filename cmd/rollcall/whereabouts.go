package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollcall-id/rollcall/server"
)

// whereabouts are what a server leaves in its data directory, so that commands
// that are given the directory alone find it and name it rightly in tokens.
type whereabouts struct {
	PublicURLs []string `json:"public_urls"` // as tokens name them
	URL        string   `json:"url"`         // on this machine
}

func whereaboutsFile(cfg *config) string { return filepath.Join(cfg.text("data"), "server.json") }

func (w whereabouts) write(cfg *config) error {
	data, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(whereaboutsFile(cfg), append(data, '\n'), 0o600)
}

// findServer says where the server of a configuration is: where its listeners are set to be,
// or else, and where they are set to take any port or a socket that is handed over, where one
// that used the data directory last has been.
//
// Tokens are sent where the file of the data directory says, so one that others could write
// is an error.
func findServer(cfg *config) (w whereabouts, err error) {
	plain, tls := cfg.address("listen"), cfg.address("tls_listen")
	isSet := cfg.sources["listen"] != "default" || cfg.sources["tls_listen"] != "default"
	if isLeftOpen(plain) || isLeftOpen(tls) || !isSet {
		err := cfg.decides(whereaboutsFile(cfg))
		if err == nil {
			var data []byte
			if data, err = os.ReadFile(whereaboutsFile(cfg)); err == nil {
				_ = json.Unmarshal(data, &w) // what is no JSON leaves the defaults, as what is not there does
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return w, err
		}
	}
	if w.URL == "" {
		w = whereabouts{URL: server.NearestOrigin(plain, tls, len(cfg.list("proxy_protocol_from")) > 0 && len(cfg.list("tls_proxy_protocol_from")) == 0), PublicURLs: server.Origins(plain, tls)}
	}
	if urls := cfg.list("public_url"); len(urls) > 0 {
		w.PublicURLs = urls
	}
	return w, nil
}

// isLeftOpen reports whether an address does not say where a server listens.
func isLeftOpen(address string) bool {
	return strings.HasSuffix(address, ":0") || strings.HasPrefix(address, "systemd:")
}
