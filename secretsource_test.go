package rollcall_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestSecretsComeFromTheSystemsGeneratorAlone lists the files that may use another: none
// of them makes what must not be guessed.
func TestSecretsComeFromTheSystemsGeneratorAlone(t *testing.T) {
	mayGuess := map[string]string{
		"sessions/act.go":          "waits between attempts",
		"client/call.go":           "waits between attempts",
		"server/timedstore.go":     "which reads are timed",
		"cmd/rollcall/demodata.go": "users and devices of the demo",
		"bench/requests.go":        "which request comes next",
	}
	used := map[string]bool{}
	for name, text := range texts(t) {
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imported := range file.Imports {
			if p, _ := strconv.Unquote(imported.Path.Value); p == "math/rand" || p == "math/rand/v2" {
				used[name] = true
			}
		}
	}
	if unknown, gone := without(used, mayGuess), without(mayGuess, used); len(unknown)+len(gone) > 0 {
		t.Errorf("files that use a generator which can be guessed: %v; that use none any more: %v", unknown, gone)
	}
}

func without[A, B any](a map[string]A, b map[string]B) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if _, ok := b[name]; !ok {
			names = append(names, name)
		}
	}
	return names
}

// TestSecretsAndTheirHashesAreComparedInConstantTime finds, by their types, secrets,
// hashes of secrets, derivation keys, and SHA-256 sums that are compared with ==, !=,
// switch, or a function that stops at the first difference. That a value is all zeros may
// be asked.
func TestSecretsAndTheirHashesAreComparedInConstantTime(t *testing.T) {
	noSecrets := []string{"page.go: string(user[:8])"} // of a user's id, in a cursor
	comparisons := 0
	for _, p := range checkedPackages(t) {
		for _, file := range p.files {
			ast.Inspect(file, func(n ast.Node) bool {
				for _, operand := range p.compared(n) {
					comparisons++
					at := p.fset.Position(operand.Pos())
					if p.isSecret(operand) && !slices.Contains(noSecrets, filepath.Base(at.Filename)+": "+types.ExprString(operand)) {
						t.Errorf("%s: %s is compared", at, types.ExprString(operand))
					}
				}
				return true
			})
		}
	}
	if comparisons < 1000 {
		t.Errorf("only %d comparisons were found", comparisons)
	}
}

// A checkedPackage is one of ours, with the types of its expressions; tests are left out.
type checkedPackage struct {
	fset  *token.FileSet
	files []*ast.File
	info  *types.Info
}

// compared returns the operands of a comparison that takes longer the more is equal; none
// when n is no such comparison, or one with the zero value.
func (p *checkedPackage) compared(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if (n.Op == token.EQL || n.Op == token.NEQ) && !isZero(n.X) && !isZero(n.Y) {
			return []ast.Expr{n.X, n.Y}
		}
	case *ast.SwitchStmt:
		if n.Tag != nil {
			return []ast.Expr{n.Tag}
		}
	case *ast.CallExpr:
		if p.stopsEarly(n.Fun) && !slices.ContainsFunc(n.Args, isZero) {
			return n.Args
		}
	}
	return nil
}

// stopsEarly reports whether a function compares until the first difference.
func (p *checkedPackage) stopsEarly(f ast.Expr) bool {
	if index, ok := f.(*ast.IndexExpr); ok {
		f = index.X
	}
	selector, ok := f.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	called := p.info.Uses[selector.Sel]
	if called == nil || called.Pkg() == nil || !slices.Contains([]string{"bytes", "slices", "strings", "reflect", "cmp", "maps"}, called.Pkg().Path()) {
		return false
	}
	return slices.Contains([]string{"Equal", "EqualFold", "Compare", "Contains", "Index", "HasPrefix", "HasSuffix", "DeepEqual", "BinarySearch"}, called.Name())
}

// isZero reports whether an expression is a value without members, as T{} is.
func isZero(e ast.Expr) bool {
	literal, ok := ast.Unparen(e).(*ast.CompositeLit)
	return ok && len(literal.Elts) == 0
}

// isSecret reports whether an operand is a secret or holds one, or is made of the bytes of
// one.
func (p *checkedPackage) isSecret(operand ast.Expr) bool {
	if holdsSecret(p.info.TypeOf(operand)) {
		return true
	}
	switch t := p.info.TypeOf(operand).Underlying().(type) {
	case *types.Slice:
	case *types.Basic:
		if t.Info()&types.IsString == 0 {
			return false
		}
	default:
		return false
	}
	found := false
	ast.Inspect(operand, func(n ast.Node) bool {
		if s, ok := n.(*ast.SliceExpr); ok && holdsSecret(p.info.TypeOf(s.X)) {
			found = true
		}
		return true
	})
	return found
}

func holdsSecret(t types.Type) bool {
	if t == nil {
		return false
	}
	t = types.Unalias(t)
	if named, ok := t.(*types.Named); ok {
		switch object := named.Obj(); {
		case object.Pkg() != nil && object.Pkg().Path() == module && slices.Contains([]string{"Secret", "SecretHash", "DerivationKey"}, object.Name()):
			return true
		default:
			if _, isStruct := named.Underlying().(*types.Struct); !isStruct {
				return false // a type of another meaning, such as RequestDigest
			}
			t = named.Underlying()
		}
	}
	switch t := t.(type) {
	case *types.Array:
		element, ok := t.Elem().Underlying().(*types.Basic)
		return ok && element.Kind() == types.Byte && t.Len() == 32 || holdsSecret(t.Elem())
	case *types.Slice:
		return holdsSecret(t.Elem())
	case *types.Struct:
		for field := range t.Fields() {
			if _, isSlice := field.Type().Underlying().(*types.Slice); !isSlice && holdsSecret(field.Type()) {
				return true
			}
		}
	}
	return false
}

// checkedPackages type-checks the packages of this module, each against what the compiler
// has written of those that it imports.
func checkedPackages(t *testing.T) (checked []*checkedPackage) {
	t.Helper()
	arguments := []string{"list", "-export", "-deps", "-json=ImportPath,Dir,GoFiles,Export,Standard", "./..."}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		arguments = slices.Insert(arguments, 1, "-race") // so they have been compiled
	}
	out, err := exec.Command("go", arguments...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	type listed struct {
		ImportPath, Dir, Export string
		GoFiles                 []string
	}
	exports := map[string]string{}
	var ours []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if p.ImportPath == module || strings.HasPrefix(p.ImportPath, module+"/") {
			ours = append(ours, p)
		}
	}
	fset, replaced := token.NewFileSet(), overlaid(t)
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("%s is not compiled", path)
		}
		return os.Open(exports[path])
	})}
	for _, p := range ours {
		c := &checkedPackage{fset: fset, info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}}
		for _, name := range p.GoFiles {
			name = filepath.Join(p.Dir, name)
			if other := replaced[name]; other != "" {
				name = other
			}
			file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			c.files = append(c.files, file)
		}
		if _, err := config.Check(p.ImportPath, fset, c.files, c.info); err != nil {
			t.Fatal(err)
		}
		checked = append(checked, c)
	}
	return checked
}
