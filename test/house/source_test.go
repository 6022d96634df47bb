package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"testing"
)

const (
	longestFile     = 300
	longestFunction = 80
)

// source is one parsed file that is neither generated nor a test.
type source struct {
	path string // inside the module
	file *ast.File
	fset *token.FileSet
}

func (s source) at(pos token.Pos) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(pos).Line)
}

// sources parses a package's files that somebody wrote.
func sources(t *testing.T, p listed) []source {
	t.Helper()
	fset := token.NewFileSet()
	var all []source
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
		file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("parsing %s: %v", name, err)
		}
		if !ast.IsGenerated(file) {
			all = append(all, source{path: filepath.Join(p.room(), name), file: file, fset: fset})
		}
	}
	return all
}

// calls finds the uses of these names of an imported package, by where they are.
func calls(t *testing.T, p listed, pkg string, names ...string) []string {
	t.Helper()
	var found []string
	for _, s := range sources(t, p) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			if selector, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := selector.X.(*ast.Ident); ok && x.Name == pkg && slices.Contains(names, selector.Sel.Name) {
					found = append(found, fmt.Sprintf("%s: %s.%s", s.at(n.Pos()), pkg, selector.Sel.Name))
				}
			}
			return true
		})
	}
	return found
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for _, p := range list(t, module+"/...") {
		for _, s := range sources(t, p) {
			if lines := s.fset.Position(s.file.FileEnd).Line; lines > longestFile+1 {
				t.Errorf("%s has %d lines, more than %d: split it by idea", s.path, lines, longestFile)
			}
			for _, decl := range s.file.Decls {
				f, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				if lines := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; lines > longestFunction {
					t.Errorf("%s: %s has %d lines, more than %d", s.at(f.Pos()), f.Name.Name, lines, longestFunction)
				}
			}
		}
	}
}

func TestNothingHappensOnImport(t *testing.T) {
	for _, p := range list(t, module+"/...") {
		for _, s := range sources(t, p) {
			for _, decl := range s.file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					t.Errorf("%s: init()", s.at(f.Pos()))
				}
			}
		}
	}
}
