package rollcall_test

import (
	"regexp"
	"strings"
	"testing"
)

// unbounded is what reads a body of whatever size: net/http spills multipart bodies onto the
// disk without an end, the others read on as long as something comes.
var unbounded = regexp.MustCompile(`\.(FormValue|ParseMultipartForm|MultipartReader|FormFile)\(|io\.ReadAll\(\w+\.Body\)|json\.NewDecoder\(\w+\.Body\)`)

// form is what reads a form: net/http bounds one by 10 MB, which is more than any of ours.
var form = regexp.MustCompile(`\.(ParseForm|PostFormValue)\(`)

func TestNoBodyIsReadWithoutABound(t *testing.T) {
	files := 0
	for name, text := range texts(t) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "bench/") || strings.HasPrefix(name, "reference/referencetest/") {
			continue
		}
		files++
		for _, found := range unbounded.FindAllString(text, -1) {
			t.Errorf("%s: %s", name, found)
		}
		if form.MatchString(text) && !strings.Contains(text, "http.MaxBytesReader(") {
			t.Errorf("%s: a form is read, and nothing bounds it", name)
		}
	}
	if files < 100 {
		t.Errorf("only %d files were read", files)
	}
}
