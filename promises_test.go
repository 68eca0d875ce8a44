package rollcall_test

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEveryPromiseNamesATestThatExists keeps docs/security.md and docs/operations.md
// true: they name a test as `sessions.TestX` or `store/pebble.FuzzY`, by its package's
// folder, and `rollcall.TestX` for the root.
func TestEveryPromiseNamesATestThatExists(t *testing.T) {
	all := texts(t)
	test := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	exists := map[string]bool{}
	for name, text := range all {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		folder := path.Dir(name)
		if folder == "." {
			folder = "rollcall"
		}
		for _, found := range test.FindAllStringSubmatch(text, -1) {
			exists[folder+"."+found[1]] = true
		}
	}
	quoted := regexp.MustCompile("`([^`\\s]*\\b(?:Test|Fuzz)[A-Z]\\w*)`")
	for page, least := range map[string]int{"docs/security.md": 80, "docs/operations.md": 30} {
		named := quoted.FindAllStringSubmatch(all[page], -1)
		if len(named) < least {
			t.Errorf("%s names %d tests", page, len(named))
		}
		for _, n := range named {
			if !exists[n[1]] {
				t.Errorf("%s names %s, which does not exist", page, n[1])
			}
		}
	}
}

const architecture = "docs/architecture.md"

func TestTheMapOfTheHouseNamesTheImportsThatThereAre(t *testing.T) {
	page, err := os.ReadFile(architecture)
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "\n| package | what it answers | may import |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	if !found {
		t.Fatalf("%s has no table of imports", architecture)
	}
	code := regexp.MustCompile("`([^`]+)`")
	told := map[string][]string{}
	name := ""
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], " ---") {
			continue
		}
		if next := strings.Trim(cells[1], " `"); next != "" { // else the row goes on with the package
			name = next
			told[name] = []string{}
		}
		for _, imported := range code.FindAllStringSubmatch(cells[3], -1) {
			told[name] = append(told[name], imported[1])
		}
		slices.Sort(told[name])
	}
	held := map[string][]string{}
	for name, imports := range layers {
		held[name] = slices.Sorted(slices.Values(imports))
		if held[name] == nil {
			held[name] = []string{}
		}
	}
	if diff := cmp.Diff(held, told); diff != "" {
		t.Errorf("layers_test.go and %s differ (-layers +page):\n%s", architecture, diff)
	}
}

// TestEveryPathOnTheMapExists also reads the pictures.
func TestEveryPathOnTheMapExists(t *testing.T) {
	page, err := os.ReadFile(architecture)
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	paths := regexp.MustCompile(`[\w./-]*\w\.(?:go|md|yaml)\b`).FindAllString(text, -1)
	for _, folder := range regexp.MustCompile("`([\\w./-]+)/`").FindAllStringSubmatch(text, -1) {
		paths = append(paths, folder[1])
	}
	if len(paths) < 100 {
		t.Errorf("%s names %d paths", architecture, len(paths))
	}
	for _, p := range paths {
		_, err := os.Stat(p)
		if _, beside := os.Stat("docs/" + p); err != nil && beside != nil {
			t.Errorf("%s names %s, which does not exist", architecture, p)
		}
	}
}
