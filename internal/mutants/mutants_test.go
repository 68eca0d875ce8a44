// Package mutants holds the tests of docs/security.md against code that breaks what they
// promise. A mutant is a patch of a few lines that breaks one promise; the test that
// docs/security.md names for the promise must fail with it. The patches are in mutants.txt.
package mutants

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

// root is the root of the repository.
const root = "../.."

// TestEveryMutantIsNoticed runs each mutant's test, which must fail. Without
// ROLLCALL_TEST_LONG only the sample runs.
func TestEveryMutantIsNoticed(t *testing.T) {
	all := os.Getenv("ROLLCALL_TEST_LONG") != ""
	mutants := read(t)
	slices.SortStableFunc(mutants, func(a, b mutant) int { return cmp.Compare(a.folder, b.folder) })
	ran := 0
	for _, m := range mutants {
		if !all && !m.sample {
			continue
		}
		ran++
		t.Run(m.promise+" "+m.title, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			output, err := m.run(t)
			switch {
			case strings.Contains(output, "[build failed]") || strings.Contains(output, "[setup failed]"):
				t.Errorf("the mutant does not compile:\n%s", output)
			case err == nil:
				t.Errorf("%s.%s passes", m.folder, m.test)
			case !strings.Contains(output, "--- FAIL: "+m.test):
				t.Errorf("%s.%s did not run to its end: %v\n%s", m.folder, m.test, err, output)
			default:
				t.Logf("%s.%s fails, after %s", m.folder, m.test, time.Since(began).Round(time.Second/10))
			}
		})
	}
	if ran < 3 {
		t.Errorf("%d mutants", ran)
	}
}

// TestEveryMutantApplies names each mutant whose lines are no longer in the code.
func TestEveryMutantApplies(t *testing.T) {
	titles := map[string]bool{}
	for _, m := range read(t) {
		if _, err := m.patched(); err != nil {
			t.Errorf("%s %s: %v", m.promise, m.title, err)
		}
		if titles[m.title] {
			t.Errorf("two mutants are called %q", m.title)
		}
		titles[m.title] = true
	}
}

// TestEveryPromiseHasAMutant holds mutants.txt against docs/security.md: each mutant's
// test is named by its promise there, and each promise that names tests has a mutant.
func TestEveryPromiseHasAMutant(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/security.md"))
	if err != nil {
		t.Fatal(err)
	}
	mutants := read(t)
	held := make([]bool, len(mutants))
	number := regexp.MustCompile(`^\*\*(S[0-9]+)\.\*\* `)
	quoted := regexp.MustCompile("`(\\S+)\\.((?:Test|Fuzz)\\w+)`")
	promises := 0
	for paragraph := range strings.SplitSeq(string(page), "\n\n") {
		named := quoted.FindAllStringSubmatch(paragraph, -1)
		if len(named) == 0 {
			continue
		}
		promises++
		promise := "page" // that at /docs
		if found := number.FindStringSubmatch(paragraph); found != nil {
			promise = found[1]
		}
		broken := false
		for i, m := range mutants {
			if m.promise == promise && slices.ContainsFunc(named, func(n []string) bool { return n[1] == m.folder && n[2] == m.test }) {
				held[i], broken = true, true
			}
		}
		if !broken {
			t.Errorf("no mutant breaks the promise %q", strings.Split(paragraph, "\n")[0])
		}
	}
	for i, m := range mutants {
		if !held[i] {
			t.Errorf("%s does not name %s.%s, the test of the mutant %q", m.promise, m.folder, m.test, m.title)
		}
	}
	if promises < 25 {
		t.Errorf("docs/security.md has %d promises", promises)
	}
}

// run runs the mutant's test and returns what go test says.
func (m mutant) run(t *testing.T) (output string, err error) {
	t.Helper()
	patched, err := m.patched()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replace := map[string]string{}
	for file, text := range patched {
		original, err := filepath.Abs(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		replace[original] = filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(replace[original], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	arguments := []string{"test", "-count=1", "-vet=off", "-timeout=5m", "-run=^" + m.test + "$"}
	if isRace() { // what is not patched has been compiled so
		arguments = append(arguments, "-race")
	}
	folder := "./" + m.folder
	if m.folder == "rollcall" {
		folder = "."
	}
	c := exec.CommandContext(t.Context(), "go", append(arguments, folder)...)
	c.Dir = root
	// In GOFLAGS the overlay reaches the builds that tests make themselves.
	c.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+file, "ROLLCALL_TEST_LONG=")
	said, err := c.CombinedOutput()
	return string(said), err
}

// isRace reports whether this test runs with the race detector.
func isRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "-race" && s.Value == "true" })
}
