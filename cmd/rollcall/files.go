package main

import (
	"log/slog"

	"github.com/rollcall-id/rollcall/server"
)

// Files that the process may have open, its limit permitting.
const (
	storeFiles = 1000 // the store's, tables most of all
	leastStore = 74   // the store makes do with no fewer
	otherFiles = 100  // telemetry, logs, configuration, requests to other issuers
)

// anyFiles is a limit of files that is none.
const anyFiles = 1 << 30

// A fileShare is how the files that the process may have open are shared out, so that
// connections leave the store what it needs. 0 is any number.
type fileShare struct{ store, connections int }

// shareFiles shares out so many files.
func shareFiles(files int) fileShare {
	if files >= anyFiles {
		return fileShare{}
	}
	store := min(storeFiles, max(files/4, leastStore))
	left := files - store - min(otherFiles, files/4)
	return fileShare{store: store, connections: max(left, files/4, 1)}
}

// warnOfFewFiles says so when the process may not open as many files as a listener's
// connections could take.
func warnOfFewFiles(files int, o server.ListenOptions, log *slog.Logger) {
	share := o.Share(shareFiles(files).connections)
	if share == 0 || o.MaxConnections > 0 && share >= o.MaxConnections {
		return
	}
	log.Warn("the limit of open files bounds connections: raise it, such as by ulimit -n or LimitNOFILE, or lower max_connections",
		"files", files, "connections", share, "max_connections", o.MaxConnections)
}
