package rollcall_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestEveryPromiseNamesATestThatExists keeps docs/security.md and docs/operations.md
// true.
func TestEveryPromiseNamesATestThatExists(t *testing.T) {
	var named [][]string
	for path, least := range map[string]int{"docs/security.md": 30, "docs/operations.md": 25} {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`").FindAllStringSubmatch(string(page), -1)
		if len(found) < least {
			t.Fatalf("%s names %d tests", path, len(found))
		}
		named = append(named, found...)
	}
	var tests strings.Builder
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return err
		}
		if strings.HasSuffix(path, "_test.go") {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			tests.Write(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range named {
		if !strings.Contains(tests.String(), "\nfunc "+n[1]+"(") {
			t.Errorf("%s does not exist", n[1])
		}
	}
}
