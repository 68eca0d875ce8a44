package server

import (
	"archive/tar"
	"io"
	"io/fs"
	"net/http"
	"os"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// backupRoute lets callers with the scope reach the backup. As with every route, that
// there is none, or no such method, is said before anybody is asked who they are.
func (d *Doors) backupRoute(auth wire.Authenticate) http.HandlerFunc {
	door := wire.Door{Authenticate: auth, Logger: d.Logger}
	scoped := door.With(rollcall.ScopeBackup, d.sendBackup)
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case d.Backup == nil:
			wire.NotFound(w, r)
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			wire.WriteError(w, http.StatusMethodNotAllowed, "Method Not Allowed", "")
		default:
			scoped(w, r)
		}
	}
}

// sendBackup answers POST /v1/backup with a copy of the store as a tar archive. The
// copy is of one moment; what is acknowledged after the call began may be missing.
// Keys are not in it.
func (d *Doors) sendBackup(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error {
	dir, err := d.Backup(r.Context())
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d.Logger.InfoContext(r.Context(), "sending a backup", "caller", by.ID)
	w.Header().Set("Content-Type", "application/x-tar")
	w.Header().Set("Cache-Control", "no-store")
	if err := writeTar(patient{w, http.NewResponseController(w)}, os.DirFS(dir)); err != nil {
		// The status has gone out: only cutting the connection says that the
		// archive is not whole.
		d.Logger.ErrorContext(r.Context(), "sending a backup failed", "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// writeTar writes the files of a directory, and closes the archive only when all
// are in it.
func writeTar(w io.Writer, files fs.FS) error {
	archive := tar.NewWriter(w)
	if err := archive.AddFS(files); err != nil {
		return err
	}
	return archive.Close()
}

// patient moves the write deadline along while the client reads: a large store takes
// longer than an answer may otherwise.
type patient struct {
	io.Writer
	c *http.ResponseController
}

func (p patient) Write(b []byte) (int, error) {
	if err := p.c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return p.Writer.Write(b)
}
