package rollcall_test

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/rollcall-id/rollcall"

// layers says what each package imports of ours, tests aside; why is in
// docs/design/0001-layers-by-who-may-import-whom.md. A package that is not listed here
// fails the test: adding one is a decision. So does an import that is listed and that
// nobody needs.
var layers = map[string][]string{
	".":                            {},
	"sessions":                     {".", "internal/recall"},
	"internal/recall":              {".", "internal/hugepages", "internal/prefetch"},
	"internal/pages":               {"internal/hugepages"},
	"internal/hugepages":           {},
	"internal/prefetch":            {},
	"internal/request":             {"."},
	"internal/secretfile":          {},
	"internal/strictjson":          {},
	"internal/wire":                {".", "internal/request", "internal/strictjson"},
	"internal/logtest":             {},
	"internal/doortest":            {},
	"internal/mutants":             {},
	"internal/outbound":            {},
	"internal/sink":                {},
	"internal/tracing":             {"."},
	"internal/tracing/tracingtest": {},
	"store/memory":                 {"."},
	"store/pebble":                 {".", "store/pebble/internal/codec", "store/pebble/uselog"},
	"store/pebble/internal/codec": {
		".",
	},
	"store/pebble/uselog": {".", "store/pebble/internal/codec"},
	"store/postgres":      {"."},
	"store/postgres/postgrestest": {
		"store/postgres",
	},
	"store/storetest": {".", "store/memory"},
	"network":         {},
	"management":      {".", "internal/pages", "internal/request", "internal/strictjson", "internal/wire", "sessions"},
	"api":             {".", "internal/request", "internal/strictjson", "internal/wire", "sessions"},
	"gate":            {".", "internal/request", "internal/wire", "sessions"},
	"oauth":           {".", "internal/outbound", "internal/request", "internal/secretfile", "internal/strictjson", "internal/wire"},
	"reference":       {"internal/request", "internal/strictjson", "internal/wire"},
	"reference/referencetest": {
		"internal/wire", "reference",
	},
	"server": {
		".", "internal/request", "internal/secretfile", "internal/tracing", "internal/wire", "management", "api", "gate", "oauth", "reference", "sessions",
	},
	"client":            {".", "internal/request"},
	"rollcalltest":      {".", "client", "internal/request", "internal/wire", "oauth", "server", "sessions", "store/memory"},
	"examples/webapp":   {"client"},
	"examples/embedded": {".", "sessions", "store/pebble"},
	"cmd/rollcall": {
		".", "client", "gate", "internal/request", "internal/secretfile", "internal/sink", "internal/tracing", "internal/wire",
		"network", "oauth", "server", "sessions", "store/memory", "store/pebble", "store/postgres",
	},
	"deploy":     {},
	"docs/model": {},
	"bench":      {".", "sessions", "store/pebble"},
	"e2e/asn":    {},
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
		for _, layer := range allowed {
			if !slices.ContainsFunc(p.Imports, func(i string) bool { return i == module && layer == "." || i == module+"/"+layer }) {
				t.Errorf("%s does not import %s", name, layer)
			}
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

// TestOneFileAloneNamesTheMemory keeps the order in which what is stored, remembered and
// not yet written are looked at in one place. Tests of the memory itself are beside it.
func TestOneFileAloneNamesTheMemory(t *testing.T) {
	const memory, place = "internal/recall", "sessions/facts.go"
	found := false
	for name, text := range texts(t) {
		if path.Ext(name) != ".go" || strings.HasPrefix(name, memory+"/") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imported := range file.Imports {
			if imported.Path.Value == strconv.Quote(module+"/"+memory) {
				found = found || name == place
				if name != place {
					t.Errorf("%s imports %s", name, memory)
				}
			}
		}
	}
	if !found {
		t.Errorf("%s does not import %s", place, memory)
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
