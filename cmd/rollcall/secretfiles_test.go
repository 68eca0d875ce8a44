package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall/oauth"
	"github.com/rollcall-id/rollcall/server"
)

// secretFiles makes a data directory as a server does, and a configuration that names files.
func secretFiles(t *testing.T) (dir, config string) {
	t.Helper()
	dir = t.TempDir()
	data := filepath.Join(dir, "data")
	if _, err := oauth.OpenKeys(filepath.Join(data, "keys")); err != nil {
		t.Fatal(err)
	}
	if _, err := server.LocalCertificate(data, time.Now()); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "own")
	cert, key, _ := localCertificate(t, own)
	config = filepath.Join(dir, "rollcall.yaml")
	texts := map[string]string{
		config: fmt.Sprintf("data: %s\ntls_cert: %s\ntls_key: %s\nlisten: 127.0.0.1:0\ntls_listen: 127.0.0.1:0\n"+
			"issuers: [{issuer: \"https://a/\", audience: b, jwks_file: %s/jwks.json, scopes: [introspect]}]\n", data, cert, key, dir),
		dir + "/jwks.json": `{"keys":[]}`,
		dir + "/level":     "info",
	}
	for path, text := range texts {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(data, "store"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir, config
}

func TestFilesThatOthersReachStopTheStartAndAreNamed(t *testing.T) {
	dir, config := secretFiles(t)
	check := func(command, path, want string) {
		t.Helper()
		c := exec.Command(program, append(strings.Fields(command), "--config", config)...)
		c.Env = append(os.Environ(), "ROLLCALL_LOG_LEVEL_FILE="+dir+"/level")
		out, _ := c.CombinedOutput()
		if text := string(out); c.ProcessState.ExitCode() != exitUsage || !strings.Contains(text, want) || !strings.Contains(text, path) || strings.Count(text, "\n") != 1 {
			t.Errorf("%s with %s, want %q: exit %d: %s", command, path, want, c.ProcessState.ExitCode(), text)
		}
	}
	for name, tt := range map[string]struct {
		mode fs.FileMode
		want string
	}{
		"data":                     {0o777, "others can write to"},
		"data/keys":                {0o777, "others can write to"},
		"data/keys/signing.pem":    {0o604, "others can read"},
		"data/keys/derivation.key": {0o644, "others can read"},
		"data/store":               {0o777, "others can write to"},
		"data/tls":                 {0o777, "others can write to"},
		"data/tls/key.pem":         {0o644, "others can read"},
		"own/tls":                  {0o777, "others can write to"},
		"own/tls/key.pem":          {0o644, "others can read"},
		"own/tls/cert.pem":         {0o666, "others can change"},
		"rollcall.yaml":            {0o666, "others can change"},
		"jwks.json":                {0o666, "others can change"},
		"level":                    {0o666, "others can change"},
	} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		check("config check", path, tt.want)
		check("serve", path, tt.want)
		if err := os.Chmod(path, info.Mode()); err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() != 0 || name == "data" {
			continue // only root can give a file away; of a folder further up that is a warning
		}
		if err := os.Chown(path, 1234, 0); err != nil {
			t.Fatal(err)
		}
		check("config check", path, "belongs to user 1234")
		if err := os.Chown(path, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	if out, errs, code := run(t, "config", "check", "--config", config); code != 0 || errs != "" {
		t.Errorf("as they were: exit %d: %s%s", code, out, errs)
	}
}

// TestAnFsGroupThatWidensModesIsAWarning does what Kubernetes does to a volume with fsGroup
// when it is mounted again.
func TestAnFsGroupThatWidensModesIsAWarning(t *testing.T) {
	if _, err := exec.LookPath("setpriv"); err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and setpriv, to run as another user")
	}
	if err := os.Chmod(filepath.Dir(program), 0o755); err != nil {
		t.Fatal(err)
	}
	const app, group = 1000, 2000
	data := filepath.Join(t.TempDir(), "data")
	if err := errors.Join(os.Chmod(filepath.Dir(filepath.Dir(data)), 0o755), os.Mkdir(data, 0o700)); err != nil {
		t.Fatal(err)
	}
	as := func(groups ...int) []string {
		list := strings.Trim(strings.ReplaceAll(fmt.Sprint(groups), " ", ","), "[]")
		return []string{"setpriv", fmt.Sprint("--reuid=", app), fmt.Sprint("--regid=", app), "--groups=" + list, program}
	}
	mount := func(owner, group int) {
		t.Helper()
		err := filepath.Walk(data, func(path string, info fs.FileInfo, err error) error {
			if err != nil {
				return err
			}
			if err := os.Chown(path, owner, group); err != nil {
				return err
			}
			mode := info.Mode().Perm() | 0o660
			if info.IsDir() {
				mode |= 0o110 | fs.ModeSetgid
			}
			return os.Chmod(path, mode)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	mount(0, group)
	for start := range 3 { // the first one makes the files
		p := serveBy(t, data, as(group))
		if code := p.stop(syscall.SIGTERM); code != 0 || start > 0 && !strings.Contains(p.logged(), "not this process alone reaches files") || start > 0 && !strings.Contains(p.logged(), "group 2000 can write to") {
			t.Errorf("exit %d\n%s", code, p.logged())
		}
		mount(app, group)
	}
	// The same with the process's own group is refused.
	mount(app, app)
	command := append(as(app), "serve", "--data", data, "--listen", "127.0.0.1:0", "--tls-listen", "off")
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err == nil || !strings.Contains(string(out), "it is the process's own group") {
		t.Errorf("%v %s", err, out)
	}
}

func TestProxiesThatAreNobodyOrEverybody(t *testing.T) {
	for network, bad := range map[string]bool{
		"0.0.0.0/0": true, "::/0": true, "128.0.0.0/1": true, "8000::/1": true, "10.0.0.0/7": true,
		"10.0.0.0/8": false, "fc00::/7": false, "192.0.2.1": false, "2001:db8::/32": false,
	} {
		_, errs, code := run(t, "config", "check", "--tls-listen", "off", "--trusted-proxies", network)
		if bad && (code != exitUsage || !strings.Contains(errs, "trusted_proxies: "+network+" lets nearly anybody")) || !bad && (code != 0 || errs != "") {
			t.Errorf("%s: exit %d %s", network, code, errs)
		}
	}
	if _, errs, code := run(t, "config", "check", "--tls-listen", "off", "--behind-proxy"); code != 0 || !strings.Contains(errs, "warning: behind_proxy without trusted_proxies") {
		t.Errorf("exit %d %s", code, errs)
	}
}
