package main

import "log/slog"

// Files that the process may have open, its limit permitting.
const (
	storeFiles = 1000 // the store's, tables most of all
	leastStore = 74   // the store makes do with no fewer
	otherFiles = 100  // telemetry, logs, configuration, requests to other issuers
)

// anyFiles is a limit of files that is none.
const anyFiles = 1 << 30

// A fileShare is how the files that the process may have open are shared out, so that
// connections leave the store what it needs.
type fileShare struct {
	// store is the number of the store's files, 0 for as many as it likes.
	store int
	// connections bounds each listener's connections, 0 for no bound.
	connections int
}

// shareFiles shares out so many files between the store and so many listeners, each of
// which is to have wanted connections, 0 for any number.
func shareFiles(files, listeners, wanted int) fileShare {
	if files >= anyFiles {
		return fileShare{connections: wanted}
	}
	store := min(storeFiles, max(files/4, leastStore))
	left := files - store - min(otherFiles, files/4)
	room := max(1, max(left, files/4)/max(listeners, 1))
	if wanted > 0 {
		room = min(room, wanted)
	}
	return fileShare{store: store, connections: room}
}

// files is the share by the process's limit and the configuration.
func (c *config) files() fileShare {
	listeners := 0
	for _, name := range []string{"listen", "tls_listen"} {
		if c.address(name) != "" {
			listeners++
		}
	}
	return shareFiles(openFileLimit(), listeners, c.number("max_connections"))
}

// warnOfFewFiles says so when the process may not open as many files as the
// configuration's connections would take.
func warnOfFewFiles(c *config, log *slog.Logger) {
	share, wanted := c.files(), c.number("max_connections")
	if share.connections == wanted || wanted == 0 && share.connections >= 10_000 {
		return
	}
	log.Warn("the limit of open files allows fewer connections than max_connections: raise it, such as by ulimit -n or LimitNOFILE",
		"files", openFileLimit(), "connections", share.connections, "max_connections", wanted)
}
