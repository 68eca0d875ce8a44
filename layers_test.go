package rollcall_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rollcall-id/rollcall"

// layers says what each package may import of ours, tests aside; docs/design/0001
// says why. A package that is not listed here fails the test: adding one is a
// decision.
var layers = map[string][]string{
	".":                   {},
	"sessions":            {".", "internal/recall"},
	"internal/recall":     {".", "internal/hugepages", "internal/prefetch"},
	"internal/pages":      {"internal/hugepages"},
	"internal/hugepages":  {},
	"internal/prefetch":   {},
	"internal/request":    {},
	"internal/strictjson": {},
	"internal/wire":       {".", "internal/strictjson"},
	"internal/logtest":    {},
	"internal/doortest":   {},
	"internal/outbound":   {},
	"store/memory":        {"."},
	"store/pebble":        {"."},
	"store/storetest":     {".", "store/memory"},
	"network":             {},
	"management":          {".", "internal/pages", "internal/strictjson", "internal/wire", "sessions"},
	"api":                 {".", "internal/strictjson", "internal/wire", "sessions"},
	"gate":                {".", "internal/request", "internal/wire", "sessions"},
	"oauth":               {".", "internal/outbound"},
	"reference":           {".", "internal/strictjson", "internal/wire"},
	"reference/referencetest": {
		".", "internal/wire", "reference",
	},
	"server": {
		".", "internal/request", "internal/wire", "management", "api", "gate", "oauth", "reference", "sessions",
	},
	"client":            {".", "internal/request"},
	"rollcalltest":      {".", "client", "internal/wire", "oauth", "server", "sessions", "store/memory"},
	"examples/webapp":   {"client"},
	"examples/embedded": {".", "sessions", "store/pebble"},
	"cmd/rollcall": {
		".", "client", "internal/wire", "network", "oauth", "server", "sessions", "store/memory", "store/pebble",
	},
	"bench":   {".", "sessions", "store/pebble"},
	"e2e/asn": {},
}

// alone says which one of our packages may import a module of others.
var alone = map[string]string{"github.com/pierrec/lz4/v4": "internal/pages"}

func TestEachLayerImportsOnlyWhatLiesBelowIt(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		name := layerName(p.ImportPath)
		allowed, known := layers[name]
		if !known {
			t.Errorf("package %s is not in the table of layers", name)
			continue
		}
		for _, imported := range p.Imports {
			ours := imported == module || strings.HasPrefix(imported, module+"/")
			switch {
			case ours && !slices.Contains(allowed, layerName(imported)):
				t.Errorf("%s imports %s", name, layerName(imported))
			case alone[imported] != "" && alone[imported] != name:
				t.Errorf("%s imports %s, which is for %s alone", name, imported, alone[imported])
			case !ours && name == "." && strings.Contains(strings.Split(imported, "/")[0], "."):
				t.Errorf("the root package imports %s, which is not of the standard library", imported)
			}
		}
	}
}

func TestNoPackageHasANameThatSaysNothing(t *testing.T) {
	empty := []string{"util", "utils", "common", "helpers", "helper", "types", "models", "core", "service", "services"}
	for name := range layers {
		if slices.Contains(empty, path.Base(name)) {
			t.Errorf("package %s", name)
		}
	}
}

func layerName(importPath string) string {
	if importPath == module {
		return "."
	}
	return strings.TrimPrefix(importPath, module+"/")
}
