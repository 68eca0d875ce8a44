package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rollcall-id/rollcall"
)

// backups returns what copies the store into a new directory of the data
// directory, nil when the engine has no copies to make.
func backups(store rollcall.Store, cfg *config) func(context.Context) (string, error) {
	s, ok := store.(interface {
		Backup(ctx context.Context, dir string) error
	})
	if !ok {
		return nil
	}
	removeLeftovers(cfg)
	return func(ctx context.Context) (string, error) {
		// On the store's own file system, where copies are links.
		parent, err := os.MkdirTemp(cfg.text("data"), "backup-")
		if err != nil {
			return "", err
		}
		if err := s.Backup(ctx, filepath.Join(parent, "store")); err != nil {
			return "", errors.Join(err, os.RemoveAll(parent))
		}
		return parent, nil
	}
}

// removeLeftovers removes the copies that a server has left behind which died while it
// sent them: their links keep old files on the disk. The store is open, so no other
// server is using the directory.
func removeLeftovers(cfg *config) {
	left, _ := filepath.Glob(filepath.Join(cfg.text("data"), "backup-*", "store")) // the pattern is a good one
	for _, dir := range left {
		_ = os.RemoveAll(filepath.Dir(dir))
	}
}

func newBackup() *cobra.Command {
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the store of a running server into a tar archive",
		Long: `Copy the store of a running server into a tar archive, of one moment, while it
serves. FILE - is standard output; the exit status says whether all of it was written.
Keys are not in the archive: keep a copy of the data directory's keys/ elsewhere. A store
in PostgreSQL is copied by PostgreSQL's own means, such as pg_dump.

"rollcall restore" makes a store of the archive.`,
		Example: `  rollcall backup --data /var/lib/rollcall /backup/rollcall.tar
  rollcall backup --data /var/lib/rollcall - | gzip > rollcall.tar.gz`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := loadConfig(c.Flags(), os.Environ())
			if err == nil {
				err = cfg.onlyEmbedded()
			}
			if err != nil {
				return err
			}
			r, err := newRemote(c, rollcall.ScopeBackup)
			if err != nil {
				return err
			}
			if args[0] == "-" {
				if isTerminal(os.Stdout) {
					return usage(errors.New("an archive is nothing for a terminal: redirect standard output, or name a file"))
				}
				_, err := r.download(c.Context(), "/v1/backup", os.Stdout)
				return err
			}
			n, err := r.downloadFile(c.Context(), "/v1/backup", args[0])
			if err == nil {
				fmt.Fprintf(output(c), "Wrote %d bytes to %s.\n", n, args[0])
			}
			return err
		},
	}
	addRemoteFlags(c)
	return c
}

// downloadFile posts to a path and writes the answer to a file that is whole or not there.
func (r *remoteServer) downloadFile(ctx context.Context, path, file string) (int64, error) {
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	n, err := r.download(ctx, path, f)
	if err != nil {
		return 0, errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return 0, fmt.Errorf("the copy is not whole: %w", err)
	}
	return n, os.Rename(f.Name(), file)
}

// download posts to a path and writes the answer, of which all was written when there is no
// error.
func (r *remoteServer) download(ctx context.Context, path string, to io.Writer) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+path, nil)
	if err != nil {
		return 0, usage(err)
	}
	request.Header.Set("Authorization", "Bearer "+r.token)
	r.client.Timeout = 0 // a large store takes its time
	answer, err := r.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("asking the server: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotFound {
		return 0, fmt.Errorf("POST %s: %s: the server has no copies to make: its store is in memory, or PostgreSQL, which pg_dump copies", path, answer.Status)
	}
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("POST %s: %s", path, answer.Status)
	}
	n, err := io.Copy(to, answer.Body)
	if err != nil {
		return n, fmt.Errorf("the copy is not whole: %w", err)
	}
	return n, nil
}
