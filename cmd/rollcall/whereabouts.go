package main

import (
	"encoding/json"
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
// or else, and where they are set to take any port, where one that used the data directory
// last has been.
func findServer(cfg *config) whereabouts {
	var w whereabouts
	plain, tls := cfg.address("listen"), cfg.address("tls_listen")
	isSet := cfg.sources["listen"] != "default" || cfg.sources["tls_listen"] != "default"
	if anyPort := strings.HasSuffix(plain, ":0") || strings.HasSuffix(tls, ":0"); anyPort || !isSet {
		// A file that is not there, cannot be read, or could be another's leaves the defaults:
		// tokens are sent where it says.
		if cfg.decides(whereaboutsFile(cfg)) == nil {
			if data, err := os.ReadFile(whereaboutsFile(cfg)); err == nil {
				_ = json.Unmarshal(data, &w)
			}
		}
	}
	if w.URL == "" {
		w = whereabouts{URL: server.NearestOrigin(plain, tls), PublicURLs: server.Origins(plain, tls)}
	}
	if urls := cfg.list("public_url"); len(urls) > 0 {
		w.PublicURLs = urls
	}
	return w
}
