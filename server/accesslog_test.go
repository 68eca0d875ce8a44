package server_test

import (
	"strings"
	"testing"
)

func TestAPathIsCutInTheLog(t *testing.T) {
	r := start(t)
	r.do("GET", r.plain+"/x/"+strings.Repeat("y", 5000), "")
	r.do(strings.Repeat("M", 200), r.plain+"/x", "")
	for line := range strings.Lines(r.log.String()) {
		if len(line) > 1000 || strings.Contains(line, strings.Repeat("M", 40)) {
			t.Errorf("%d bytes: %.600s", len(line), line)
		}
	}
	if !r.log.Has("path=/x/yyy") || !r.log.Has("method=MMM") {
		t.Error(r.log.String())
	}
}
