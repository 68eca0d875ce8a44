package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/secretfile"
)

func newRestore() *cobra.Command {
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a store of an archive that rollcall backup has written",
		Long: `Make the store of a data directory from an archive that "rollcall backup" has
written. FILE - is standard input. The directory must have no store yet: stop the server
and move its store/ out of the way first.

The archive is unpacked beside the store's place, opened and read to its end; only then
the store is put into place, whole. Keys are not in the archive: without the keys/ of
before, the server makes new ones, and management tokens and repeated creations of
before are refused.

Sessions that were ended after the copy was made are alive in it: end everybody's after
restoring unless that is what you want. Readers of events are told that they have missed
some.`,
		Example: `  rollcall restore --data /var/lib/rollcall /backup/rollcall.tar
  gunzip -c rollcall.tar.gz | rollcall restore --data /var/lib/rollcall -`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := loadConfig(c.Flags(), os.Environ())
			if err != nil {
				return err
			}
			if err := cfg.onlyEmbedded(); err != nil {
				return err
			}
			archive := io.Reader(os.Stdin)
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return usage(err)
				}
				defer f.Close()
				archive = f
			}
			n, err := restore(c.Context(), cfg, archive)
			if err == nil {
				fmt.Fprintf(output(c), "Restored %d sessions into %s, ended ones among them.\n", n, storeDir(cfg))
			}
			return err
		},
	}
	addFlags(c.Flags(), "data", "store")
	return c
}

// restore unpacks an archive, verifies it and puts it into the place of the store. It returns
// how many sessions there are.
func restore(ctx context.Context, cfg *config, archive io.Reader) (sessions int, err error) {
	dir := storeDir(cfg)
	if files, err := os.ReadDir(dir); err == nil && len(files) > 0 {
		return 0, usage(fmt.Errorf("there is a store in %s already: move it out of the way first", dir))
	}
	if err := os.MkdirAll(cfg.text("data"), 0o700); err != nil {
		return 0, usage(err)
	}
	if _, err := secretfile.Judge(cfg.text("data"), secretfile.Secret); err != nil {
		return 0, usage(err)
	}
	work, err := os.MkdirTemp(cfg.text("data"), "restore-") // on the store's own file system
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := unpack(ctx, archive, work); err != nil {
		return 0, fmt.Errorf("this is no whole archive of rollcall backup: %w", err)
	}
	part := &config{values: maps.Clone(cfg.values)}
	part.values["data"] = work
	if sessions, err = countStored(ctx, part); err != nil {
		return 0, fmt.Errorf("the store of the archive cannot be read: %w", err)
	}
	// An empty directory may be there, such as a mounted volume has; a store that has come
	// meanwhile stops it.
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	if err := os.Rename(storeDir(part), dir); err != nil {
		return 0, err
	}
	return sessions, syncDir(cfg.text("data"))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// unpack writes the files of an archive below dir. The archive has folders and plain files in
// store/, and its end.
func unpack(ctx context.Context, archive io.Reader, dir string) error {
	end := &trailer{from: archive}
	files := tar.NewReader(end)
	manifest := false
	for {
		h, err := files.Next()
		if err == io.EOF {
			break
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		name := path.Clean(h.Name)
		if name != "store" && !strings.HasPrefix(name, "store/") || !filepath.IsLocal(name) {
			return fmt.Errorf("%q does not lie in store/", h.Name)
		}
		to := filepath.Join(dir, filepath.FromSlash(name))
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(to, 0o700)
		case tar.TypeReg:
			err = errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), writeNew(to, files))
			manifest = manifest || strings.HasPrefix(name, "store/marker.manifest.")
		default:
			err = fmt.Errorf("%q is neither a file nor a folder", h.Name)
		}
		if err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, end); err != nil {
		return err
	}
	if !end.isWhole() || !manifest {
		return errors.New("it ends too soon")
	}
	return nil
}

func writeNew(file string, from io.Reader) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Sync(), f.Close())
}

// A trailer remembers how a stream ends. The end of a tar archive is two blocks of zeros,
// which the tar package does not insist on.
type trailer struct {
	from io.Reader
	n    int64
	last []byte
}

const tarTrailer = 2 * 512

// Read reads on.
func (t *trailer) Read(p []byte) (int, error) {
	n, err := t.from.Read(p)
	t.n += int64(n)
	t.last = append(t.last, p[max(0, n-tarTrailer):n]...)
	t.last = t.last[max(0, len(t.last)-tarTrailer):]
	return n, err
}

func (t *trailer) isWhole() bool {
	return t.n%512 == 0 && bytes.Equal(t.last, make([]byte, tarTrailer))
}

// countStored opens a store, which finds out whether files are missing or cut, and reads every
// row.
func countStored(ctx context.Context, cfg *config) (n int, err error) {
	s, err := openPebble(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	_, err = s.Walk(ctx, "", func(rollcall.Walked) bool { n++; return true })
	return n, err
}
