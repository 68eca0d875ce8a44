package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

func TestABackupThatBreaksOffIsNotTakenForAWholeOne(t *testing.T) {
	for _, version2 := range []bool{false, true} {
		d := &Doors{Logger: slog.New(slog.DiscardHandler), Backup: func(context.Context) (string, error) {
			dir := filepath.Join(t.TempDir(), "copy")
			if err := os.Mkdir(dir, 0o700); err != nil {
				return "", err
			}
			if err := os.WriteFile(filepath.Join(dir, "a"), make([]byte, 1<<20), 0o600); err != nil {
				return "", err
			}
			return dir, syscall.Mkfifo(filepath.Join(dir, "b"), 0o600) // which no archive can hold
		}}
		everything := func(http.ResponseWriter, *http.Request) (rollcall.Caller, bool) {
			return rollcall.Caller{ID: "operator", Scopes: rollcall.Scopes()}, true
		}
		s := httptest.NewUnstartedServer(d.observe(d.backupRoute(wire.Authenticate(everything)), remote{}))
		s.EnableHTTP2 = version2
		s.StartTLS()
		defer s.Close()
		answer, err := s.Client().Post(s.URL, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if err == nil || answer.StatusCode != http.StatusOK || n < 1<<19 {
			t.Errorf("%s: status %d, %d bytes, error %v: want a part, and an error", answer.Proto, answer.StatusCode, n, err)
		}
	}
}
