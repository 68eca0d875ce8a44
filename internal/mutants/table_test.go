package mutants

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A mutant is a patch that breaks a promise, and the test that must notice.
type mutant struct {
	promise string // its number in docs/security.md
	title   string // what the mutant does
	sample  bool   // it runs in every run of the tests
	// folder is that of the test's package, "rollcall" for the root; test is its name.
	folder, test string
	hunks        []hunk
}

// A hunk replaces lines of a file, whose path is from the root of the repository.
type hunk struct {
	file     string
	old, new []string
}

// read reads mutants.txt: blocks between empty lines, each of
//
//	S1: what the mutant does            (with "*" before it: part of the sample)
//	sessions.TestTheNameOfTheTest
//	sessions/file.go
//	-lines of the file
//	+lines that stand there instead
//
// with more files and lines if need be. Lines are found in the file by their text without
// the white space around it, and must be there exactly once. Lines that begin with # are
// comments.
func read(t *testing.T) (mutants []mutant) {
	t.Helper()
	text, err := os.ReadFile("mutants.txt")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		lines := slices.DeleteFunc(strings.Split(strings.Trim(block, "\n"), "\n"), func(l string) bool { return strings.HasPrefix(l, "#") })
		if len(lines) == 0 || lines[0] == "" {
			continue
		}
		m, err := parse(lines)
		if err != nil {
			t.Fatalf("mutants.txt: %q: %v", lines[0], err)
		}
		mutants = append(mutants, m)
	}
	return mutants
}

func parse(lines []string) (m mutant, err error) {
	if len(lines) < 4 {
		return m, fmt.Errorf("it has %d lines", len(lines))
	}
	first, sample := strings.CutPrefix(lines[0], "*")
	m.sample = sample
	var ok, found bool
	m.promise, m.title, ok = strings.Cut(first, ": ")
	at := strings.LastIndex(lines[1], ".")
	if found = at > 0; found {
		m.folder, m.test = lines[1][:at], lines[1][at+1:]
	}
	if !ok || !found {
		return m, fmt.Errorf("its first lines are not like \"S1: title\" and \"package.TestName\"")
	}
	for _, line := range lines[2:] {
		last := len(m.hunks) - 1
		switch {
		case line[0] != '-' && line[0] != '+':
			m.hunks = append(m.hunks, hunk{file: line})
		case last < 0:
			return m, fmt.Errorf("no file is named before its lines")
		case line[0] == '-' && len(m.hunks[last].new) > 0:
			m.hunks = append(m.hunks, hunk{file: m.hunks[last].file, old: []string{line[1:]}})
		case line[0] == '-':
			m.hunks[last].old = append(m.hunks[last].old, line[1:])
		default:
			m.hunks[last].new = append(m.hunks[last].new, line[1:])
		}
	}
	return m, nil
}

// patched returns the files that the mutant changes, as they are with it.
func (m mutant) patched() (map[string]string, error) {
	files := map[string]string{}
	for _, h := range m.hunks {
		text, ok := files[h.file]
		if !ok {
			data, err := os.ReadFile(filepath.Join(root, h.file))
			if err != nil {
				return nil, err
			}
			text = string(data)
		}
		changed, err := h.apply(strings.Split(text, "\n"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.file, err)
		}
		files[h.file] = strings.Join(changed, "\n")
	}
	return files, nil
}

// apply returns the lines with the hunk's old ones replaced.
func (h hunk) apply(lines []string) ([]string, error) {
	same := func(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) }
	var places []int
	for i := range len(lines) - len(h.old) + 1 {
		if slices.EqualFunc(lines[i:i+len(h.old)], h.old, same) {
			places = append(places, i)
		}
	}
	if len(h.old) == 0 || len(places) != 1 {
		return nil, fmt.Errorf("the lines %q are there %d times, not once", h.old, len(places))
	}
	return slices.Replace(slices.Clone(lines), places[0], places[0]+len(h.old), h.new...), nil
}
