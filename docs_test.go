package rollcall_test

import (
	"cmp"
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// texts returns every file that people write, code, tests and pages, by its path
// from the root of the repository.
func texts(t *testing.T) map[string]string {
	t.Helper()
	kinds := []string{".go", ".md", ".txt", ".yaml", ".yml", ".js", ".py", ".html", ".css", ".s", ".sql", ".conf", ".cfg", ".lua", ""}
	others := []string{".git", ".cache", ".venv", "node_modules", "bin", "target"}
	found := map[string]string{}
	replaced := overlaid(t)
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(others, d.Name()):
			return fs.SkipDir
		case d.IsDir() || !d.Type().IsRegular() || !slices.Contains(kinds, path.Ext(name)):
			return nil
		}
		text, err := os.ReadFile(cmp.Or(replaced[filepath.Join(folder, name)], name))
		if err == nil && utf8.Valid(text) {
			found[name] = string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// overlaid returns what a build reads in place of files, by their absolute paths: with
// -overlay in GOFLAGS, tests that read the source read what is compiled.
func overlaid(t *testing.T) map[string]string {
	t.Helper()
	var overlay struct{ Replace map[string]string }
	for flag := range strings.FieldsSeq(os.Getenv("GOFLAGS")) {
		if file, ok := strings.CutPrefix(flag, "-overlay="); ok {
			text, err := os.ReadFile(file)
			if err == nil {
				err = json.Unmarshal(text, &overlay)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return overlay.Replace
}

const publishedAPI = "docs/published-api.md"

// TestEveryStatementOfThePublishedBehaviourThatIsNamedExists holds what is written as
// "docs/published-api.md P12", "P12 to P15" or "P12, P13 and P15" against that page, and
// the page's own references to its statements.
func TestEveryStatementOfThePublishedBehaviourThatIsNamedExists(t *testing.T) {
	all := texts(t)
	stated := map[string]bool{}
	for _, s := range regexp.MustCompile(`(?m)^\*\*(P[0-9]+)\.\*\*`).FindAllStringSubmatch(all[publishedAPI], -1) {
		if stated[s[1]] {
			t.Errorf("%s: %s is stated twice", publishedAPI, s[1])
		}
		stated[s[1]] = true
	}
	number := regexp.MustCompile(`\bP[0-9]+\b`)
	named := regexp.MustCompile(`published-api\.md\)?[\s/#]+P[0-9]+(?:(?:,| and| to)[\s/#]+P[0-9]+)*`)
	count := 0
	for name, text := range all {
		places := named.FindAllString(text, -1)
		if name == publishedAPI {
			places = []string{text}
		}
		for _, place := range places {
			for _, n := range number.FindAllString(place, -1) {
				count++
				if !stated[n] {
					t.Errorf("%s names %s, which %s does not state", name, n, publishedAPI)
				}
			}
		}
	}
	if len(stated) < 50 || count < 100 {
		t.Errorf("%d statements, named %d times", len(stated), count)
	}
}

func TestNoPageIsNamedThatIsNotInTheRepository(t *testing.T) {
	all := texts(t)
	elsewhere := regexp.MustCompile(`(?:^|[^\w/-])((?:wire|house|contract|design|decisions)\.md)\b`)
	page := regexp.MustCompile(`\bdocs/[\w./-]*\w\.md\b`)
	for name, text := range all {
		if strings.HasSuffix(name, "docs_test.go") {
			continue
		}
		for _, found := range elsewhere.FindAllStringSubmatch(text, -1) {
			t.Errorf("%s names %s", name, found[1])
		}
		for _, found := range page.FindAllString(text, -1) {
			if _, err := os.Stat(found); err != nil {
				t.Errorf("%s names %s, which does not exist", name, found)
			}
		}
	}
}

func TestEveryLinkOfAPageLeadsSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)\s]*)?\)`)
	for name, text := range texts(t) {
		folder := path.Dir(name)
		switch {
		case path.Ext(name) != ".md":
			continue
		case folder == "e2e": // the beginning of a page that is made
			folder = "docs"
		}
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			if _, err := os.Stat(path.Join(folder, found[1])); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, found[1])
			}
		}
	}
}

func TestEachDecisionSaysWhenWhyAndWhatWouldChangeIt(t *testing.T) {
	all := texts(t)
	index := all["docs/design/README.md"]
	parts := []string{"\nDate: 20", "\n## Decision\n", "\n## Alternatives\n", "\n## Consequences\n", "\n## What would change it\n"}
	for name, text := range all {
		page, ok := strings.CutPrefix(name, "docs/design/")
		if !ok || page == "README.md" {
			continue
		}
		if !strings.Contains(index, "("+page+")") {
			t.Errorf("%s is not in the index", name)
		}
		if lines := strings.Count(text, "\n"); lines > 60 {
			t.Errorf("%s has %d lines", name, lines)
		}
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("%s has no %q", name, part)
			}
		}
	}
}

func TestNoLineOfAPageIsTooLong(t *testing.T) {
	wide := []string{"docs/benchmarks.md"} // a table that bench makes
	for name, text := range texts(t) {
		if path.Ext(name) != ".md" || slices.Contains(wide, name) {
			continue
		}
		for i, line := range strings.Split(text, "\n") {
			if n := utf8.RuneCountInString(line); n > 160 {
				t.Errorf("%s:%d has %d characters", name, i+1, n)
			}
		}
	}
}

// TestTheApplicationsAreShownAsTheyRun holds the code in docs/applications.md against the
// files that the end-to-end tests run.
func TestTheApplicationsAreShownAsTheyRun(t *testing.T) {
	const page, folder = "docs/applications.md", "e2e/applications/"
	all := texts(t)
	shown := map[string]bool{}
	for _, block := range regexp.MustCompile("(?ms)^`(\\S+)`:\n\n```\\w+\n(.*?)^```$").FindAllStringSubmatch(all[page], -1) {
		name := folder + block[1]
		text, err := os.ReadFile(name)
		if err != nil || string(text) != block[2] {
			t.Errorf("%s shows %s as it is not: %v", page, name, err)
		}
		shown[name] = true
	}
	err := fs.WalkDir(os.DirFS("."), path.Clean(folder), func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains([]string{".venv", "target", "__pycache__"}, d.Name()) {
			return fs.SkipDir
		}
		if err == nil && !d.IsDir() && path.Ext(name) != ".txt" && !strings.HasSuffix(name, ".test.js") && !shown[name] {
			t.Errorf("%s does not show %s", page, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
