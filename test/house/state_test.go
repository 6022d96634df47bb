package house

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// TestNoPackageHoldsState: a package-level variable is a constant that Go can't write as one. It is given its value
// where it is declared, from a literal or from one of a few constructors whose values don't change, and nothing in its
// package writes to it, to a part of it, or takes its address.
func TestNoPackageHoldsState(t *testing.T) {
	for _, p := range list(t, module+"/...") {
		files := sources(t, p)
		declared := map[string]string{}
		for _, s := range files {
			for _, spec := range variables(s.file) {
				for i, name := range spec.Names {
					if name.Name == "_" {
						continue // an assertion of a type
					}
					declared[name.Name] = s.at(name.Pos())
					if i >= len(spec.Values) {
						t.Errorf("%s: %s has no value where it is declared", s.at(name.Pos()), name.Name)
					} else if !constant(spec.Values[i]) {
						t.Errorf("%s: %s may change: its value is neither a literal nor one of %v",
							s.at(name.Pos()), name.Name, constructors())
					}
				}
			}
		}
		for _, s := range files {
			for _, write := range writes(s.file) {
				if _, ok := declared[write.Name]; ok && !shadowed(s.file, write) {
					t.Errorf("%s: %s is written to, and it is package-level state", s.at(write.Pos()), write.Name)
				}
			}
		}
	}
}

// variables returns the package-level declarations that `go:embed` does not fill.
func variables(file *ast.File) []*ast.ValueSpec {
	var specs []*ast.ValueSpec
	for _, decl := range file.Decls {
		general, ok := decl.(*ast.GenDecl)
		if !ok || general.Tok != token.VAR {
			continue
		}
		for _, spec := range general.Specs {
			value := spec.(*ast.ValueSpec)
			if !embedded(general.Doc) && !embedded(value.Doc) {
				specs = append(specs, value)
			}
		}
	}
	return specs
}

func embedded(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, comment := range doc.List {
		if strings.HasPrefix(comment.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// constructors are the calls whose values nobody changes afterwards.
func constructors() []string {
	return []string{"errors.New", "fmt.Errorf", "regexp.MustCompile", "strings.NewReplacer", "sets.New", "field.NewPath",
		"resource.MustParse", "fieldpath.MakePathOrDie", "cel.MustCompile", "template.Must", "base32.NewEncoding"}
}

// copiers are the methods that return a changed copy.
func copiers() []string {
	return []string{"WithKind", "WithResource", "WithVersion", "GroupResource", "GroupKind", "GroupVersion", "WithPadding"}
}

// constant accepts literals, constructors and copiers of the lists, and functions, and refuses what synchronises: a lock, a counter or a once is state by its nature.
func constant(value ast.Expr) bool {
	switch v := value.(type) {
	case *ast.BasicLit, *ast.Ident, *ast.SelectorExpr, *ast.FuncLit:
		return true
	case *ast.CompositeLit:
		return !synchronises(v)
	case *ast.UnaryExpr:
		return constant(v.X)
	case *ast.BinaryExpr:
		return constant(v.X) && constant(v.Y)
	case *ast.ParenExpr:
		return constant(v.X)
	case *ast.CallExpr:
		return constantCall(v)
	}
	return false
}

func constantCall(call *ast.CallExpr) bool {
	fun := call.Fun
	if index, ok := fun.(*ast.IndexExpr); ok { // sets.New[string]
		fun = index.X
	}
	switch f := fun.(type) {
	case *ast.ArrayType, *ast.MapType: // a conversion
		return true
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok && slices.Contains(constructors(), x.Name+"."+f.Sel.Name) {
			return true
		}
		// A method that returns a changed copy of a value that is constant itself.
		return slices.Contains(copiers(), f.Sel.Name) && constant(f.X)
	}
	return false
}

func synchronises(literal *ast.CompositeLit) bool {
	found := false
	ast.Inspect(literal, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := selector.X.(*ast.Ident); ok && (x.Name == "sync" || x.Name == "atomic") {
				found = true
			}
		}
		return !found
	})
	return found
}

// writes returns the names at the root of what is assigned to, counted up, deleted from, cleared, or whose address is
// taken.
func writes(file *ast.File) []*ast.Ident {
	var found []*ast.Ident
	add := func(e ast.Expr) {
		if name := root(e); name != nil {
			found = append(found, name)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch s := n.(type) {
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE {
				for _, left := range s.Lhs {
					add(left)
				}
			}
		case *ast.IncDecStmt:
			add(s.X)
		case *ast.UnaryExpr:
			if _, literal := s.X.(*ast.CompositeLit); s.Op == token.AND && !literal {
				add(s.X)
			}
		case *ast.CallExpr:
			if name, ok := s.Fun.(*ast.Ident); ok && (name.Name == "delete" || name.Name == "clear") {
				add(s.Args[0])
			}
		}
		return true
	})
	return found
}

// root is the variable that an expression reaches into: x of x, x.y, x[i], (x), *x.
func root(e ast.Expr) *ast.Ident {
	for {
		switch v := e.(type) {
		case *ast.Ident:
			return v
		case *ast.SelectorExpr:
			e = v.X
		case *ast.IndexExpr:
			e = v.X
		case *ast.ParenExpr:
			e = v.X
		case *ast.StarExpr:
			e = v.X
		default:
			return nil
		}
	}
}

// shadowed says whether the function around this use declares the name itself, as a parameter, result, receiver or
// variable. It looks no closer than the function: a false "yes" costs a missed finding, never a false one.
func shadowed(file *ast.File, use *ast.Ident) bool {
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || use.Pos() < f.Pos() || use.Pos() > f.End() {
			continue
		}
		found := false
		ast.Inspect(f, func(n ast.Node) bool {
			switch d := n.(type) {
			case *ast.Field:
				for _, name := range d.Names {
					found = found || name.Name == use.Name
				}
			case *ast.AssignStmt:
				for _, left := range d.Lhs {
					if name, ok := left.(*ast.Ident); ok && d.Tok == token.DEFINE {
						found = found || name.Name == use.Name
					}
				}
			case *ast.RangeStmt:
				for _, e := range []ast.Expr{d.Key, d.Value} {
					if name, ok := e.(*ast.Ident); ok {
						found = found || name.Name == use.Name
					}
				}
			case *ast.ValueSpec:
				for _, name := range d.Names {
					found = found || name.Name == use.Name
				}
			}
			return !found
		})
		return found
	}
	return false
}
