package server_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall/server"
)

func TestACertificateThatOthersCouldReplaceOrItsKeyReadIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		path string
		mode fs.FileMode
		want string
	}{
		"the key, readable":          {"key.pem", 0o644, "others can read"},
		"the certificate, writable":  {"cert.pem", 0o666, "others can change"},
		"the folder of both":         {".", 0o777, "others can write to"},
		"the key, the owner's alone": {"key.pem", 0o400, ""},
	} {
		dir := t.TempDir()
		if _, err := server.LocalCertificate(dir, time.Now()); err != nil {
			t.Fatal(err)
		}
		tls := filepath.Join(dir, "tls")
		if err := os.Chmod(filepath.Join(tls, tt.path), tt.mode); err != nil {
			t.Fatal(err)
		}
		_, local := server.LocalCertificate(dir, time.Now())
		_, own := server.ReadCertificate(filepath.Join(tls, "cert.pem"), filepath.Join(tls, "key.pem"))
		for _, err := range []error{local, own} {
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%s: %v, want %q", name, err, tt.want)
			}
		}
	}
}
