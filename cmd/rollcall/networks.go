package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/rollcall-id/rollcall/network"
)

// openNetworks reads the network database, if there is to be one, and returns what
// looks addresses up in it.
func (r *running) openNetworks(log *slog.Logger) (func(ip string) string, error) {
	path := r.cfg.text("asn_database")
	if path == "" {
		return nil, nil
	}
	d, err := network.Open(path, log)
	if err != nil {
		return nil, fmt.Errorf("asn_database: %w", err)
	}
	r.loops = append(r.loops, func(ctx context.Context) { _ = d.Run(ctx) })
	return d.Number, nil
}
