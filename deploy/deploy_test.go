// Package deploy_test tries the files of this folder: the unit, the package, the image, the
// manifests, the rules and the dashboard.
package deploy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program returns the path of a program, or skips the test where there is none; with CI set
// the test fails.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: scripts/deploy installs it", name)
	}
	t.Skipf("%s is missing", name)
	return ""
}

// run returns what a program writes, and fails the test when the program fails.
func run(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", c.Args, err, out)
	}
	return string(out)
}

// binary is a static server, built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "rollcall-deploy-")
	if err != nil {
		return "", err
	}
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, "rollcall"), "../cmd/rollcall")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return filepath.Join(dir, "rollcall"), nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func built(t *testing.T) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheUnitIsGoodAndLeavesTheServerLittle(t *testing.T) {
	analyze := program(t, "systemd-analyze")
	dir := t.TempDir()
	for _, name := range []string{"rollcall.service", "rollcall.socket"} {
		text, err := os.ReadFile("systemd/" + name)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("/usr/bin/rollcall"), []byte(built(t)))
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	unit := filepath.Join(dir, "rollcall.service")
	c := exec.Command(analyze, "verify", "--man=no", unit, filepath.Join(dir, "rollcall.socket"))
	if out := run(t, c); strings.Contains(out, dir) {
		t.Errorf("systemd-analyze verify: %s", out)
	}
	// The sum of what the server could do to the machine, from 0 to 100.
	const most = 15
	run(t, exec.Command(analyze, "security", "--offline=true", "--no-pager", fmt.Sprint("--threshold=", most), unit))
}

func TestThePackageHasWhatAnInstallationNeeds(t *testing.T) {
	deb := program(t, "dpkg-deb")
	dir := t.TempDir()
	make := func(to string) string {
		c := exec.Command("../scripts/deb", "v1.2.3-4-gabcdef", filepath.Join(dir, to))
		c.Env = append(os.Environ(), "BINARY="+built(t), "SOURCE_DATE_EPOCH=1800000000", "DPKG_DEB_COMPRESSOR_TYPE=gzip", "DPKG_DEB_COMPRESSOR_LEVEL=1")
		run(t, c)
		made, err := filepath.Glob(filepath.Join(dir, to, "rollcall_1.2.3.4.gabcdef_*.deb"))
		if err != nil || len(made) != 1 {
			t.Fatalf("%v, %v", made, err)
		}
		return made[0]
	}
	file := make("first")
	first, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(make("second"))
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("two packages of the same files differ: %v", err)
	}
	root := filepath.Join(dir, "root")
	run(t, exec.Command(deb, "-x", file, root))
	run(t, exec.Command(deb, "-e", file, filepath.Join(dir, "control")))
	for name, mode := range map[string]os.FileMode{
		"usr/bin/rollcall": 0o755, "usr/lib/systemd/system/rollcall.service": 0o644, "usr/lib/systemd/system/rollcall.socket": 0o644,
		"etc/rollcall/rollcall.yaml": 0o644, "usr/share/man/man1/rollcall-serve.1.gz": 0o644, "usr/share/doc/rollcall/copyright": 0o644,
		"usr/share/bash-completion/completions/rollcall": 0o644, "../control/postinst": 0o755, "../control/prerm": 0o755, "../control/postrm": 0o755,
	} {
		if info, err := os.Stat(filepath.Join(root, name)); err != nil || info.Mode().Perm() != mode || info.Size() == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if conffiles, err := os.ReadFile(filepath.Join(dir, "control/conffiles")); err != nil || string(conffiles) != "/etc/rollcall/rollcall.yaml\n" {
		t.Errorf("conffiles: %q, %v", conffiles, err)
	}
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		run(t, exec.Command("sh", "-n", filepath.Join(dir, "control", script)))
	}
	run(t, exec.Command(filepath.Join(root, "usr/bin/rollcall"), "config", "check",
		"--config", filepath.Join(root, "etc/rollcall/rollcall.yaml"), "--data", filepath.Join(dir, "data")))
}

// TestTheImageServesWithoutRightsOnAReadOnlyRoot builds the image and runs the server as an
// engine does: with the image as a root that cannot be written to, a volume for the data, and
// the image's user.
func TestTheImageServesWithoutRightsOnAReadOnlyRoot(t *testing.T) {
	buildah := program(t, "buildah")
	if os.Getuid() != 0 {
		t.Skip("only root can change the root")
	}
	storage := t.TempDir()
	env := append(os.Environ(), "STORAGE_DRIVER=vfs", "BUILDAH_ISOLATION=chroot", "BINARY="+built(t), "BUILDER=buildah",
		"CONTAINERS_STORAGE_CONF="+filepath.Join(storage, "storage.conf"))
	conf := fmt.Sprintf("[storage]\ndriver = \"vfs\"\ngraphroot = %q\nrunroot = %q\n", filepath.Join(storage, "graph"), filepath.Join(storage, "run"))
	if err := os.WriteFile(filepath.Join(storage, "storage.conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	in := func(name string, args ...string) string {
		c := exec.Command(name, args...)
		c.Env = env
		return run(t, c)
	}
	in("../scripts/image", "rollcall:test")
	var image struct {
		Docker struct {
			Config struct {
				User            string
				Entrypoint, Cmd []string
				Healthcheck     struct{ Test []string }
			} `json:"config"`
		} `json:"Docker"`
	}
	if err := json.Unmarshal([]byte(in(buildah, "inspect", "--type", "image", "rollcall:test")), &image); err != nil {
		t.Fatal(err)
	}
	config := image.Docker.Config
	if config.User != "65532:65532" || strings.Join(append(config.Entrypoint, config.Cmd...), " ") != "/rollcall serve" || len(config.Healthcheck.Test) == 0 {
		t.Errorf("the image: %+v", config)
	}
	container := strings.TrimSpace(in(buildah, "from", "rollcall:test"))
	root := strings.TrimSpace(in(buildah, "mount", container))
	t.Cleanup(func() { in(buildah, "rm", container) })

	// The volume of an engine begins as a copy of the image's folder, with its owner.
	script := `set -e
mount --make-rprivate /
mount --bind "$ROOT" "$ROOT"
mount -t tmpfs -o uid=65532,gid=65532,mode=0700 none "$ROOT/var/lib/rollcall"
mount -o remount,bind,ro "$ROOT"
setpriv --reuid 65532 --regid 65532 --clear-groups --no-new-privs --bounding-set -all true
chroot --userspec=65532:65532 "$ROOT" /rollcall serve --listen 127.0.0.1:0 --tls-listen 127.0.0.1:0 --telemetry-listen off &
server=$!
trap 'kill $server; wait $server' EXIT
i=0
until chroot --userspec=65532:65532 "$ROOT" /rollcall healthcheck; do
	i=$((i + 1)); [ $i -lt 100 ]; sleep 0.1
done
chroot --userspec=65532:65532 "$ROOT" /rollcall token --scope read:sessions >/dev/null
if chroot --userspec=65532:65532 "$ROOT" /rollcall man --dir /man; then echo "the root can be written to" >&2; exit 1; fi
`
	c := exec.Command(program(t, "unshare"), "--mount", "--pid", "--fork", "sh", "-c", script)
	c.Env = append(os.Environ(), "ROOT="+root, "ROLLCALL_DATA=/var/lib/rollcall", "HOME=/")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.WaitDelay = time.Minute
	run(t, c)
}

func TestTheManifestsAreOnesThatKubernetesTakes(t *testing.T) {
	validate := ".venv/bin/kubernetes-validate"
	if _, err := os.Stat(validate); err != nil {
		validate = program(t, "kubernetes-validate")
	}
	files, err := filepath.Glob("kubernetes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, version := range []string{"1.30", "1.34"} {
		for _, file := range files {
			run(t, exec.Command(validate, "--strict", "-k", version, file))
		}
	}
}

// TestRulesAndDashboardNameMetricsThatThereAre holds the metrics that the monitoring files name
// against the table in docs/operations.md, which a test of the server's holds against the
// server.
func TestRulesAndDashboardNameMetricsThatThereAre(t *testing.T) {
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for file, least := range map[string]int{"monitoring/alerts.yaml": 8, "monitoring/dashboard.json": 15} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, name := range regexp.MustCompile(`rollcall_[a-z_]+`).FindAllString(string(text), -1) {
			names[strings.TrimSuffix(name, "_bucket")] = true
		}
		if len(names) < least {
			t.Errorf("%s names %d metrics", file, len(names))
		}
		for name := range names {
			if !bytes.Contains(page, []byte("\n| `"+name+"` |")) {
				t.Errorf("%s names %s, which there is not", file, name)
			}
		}
	}
	dashboard, err := os.ReadFile("monitoring/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Type, Title string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(dashboard, &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		if p.Title == "" || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("a panel without a title or a target: %+v", p)
		}
	}
}
