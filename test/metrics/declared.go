package metrics

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Prefix that all metrics of Gitlatch have.
const Prefix = "gitlatch_"

// Metric is what is known of one.
type Metric struct {
	Name   string
	Type   string // counter, gauge or histogram
	Help   string
	Labels []string // in the order of their names
	Vector bool     // it isn't shown before it has a first value; one that is none is shown from the start
	Room   string   // the directory that declares it
}

// rooms that metrics are declared in.
var rooms = []string{"applier", "cmd", "reporter", "webhook"}

// types of metrics that we have.
var types = []string{"counter", "gauge", "histogram"}

// library that makes metrics: what does not import it declares none.
const library = `"github.com/prometheus/client_golang/prometheus"`

// name of a metric, standing alone in a string.
var name = regexp.MustCompile(`^` + Prefix + `[a-z0-9_]+$`)

// Declared reads the metrics of the rooms below a root, in the order of their names. It understands the forms that we
// use, literals all of them; a name in any other form is an error, so that none is overlooked.
func Declared(root string) ([]Metric, error) {
	var all []Metric
	for _, room := range rooms {
		err := filepath.WalkDir(filepath.Join(root, room), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			relative, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			found, err := ofFile(path)
			for i := range found {
				found[i].Room = filepath.ToSlash(relative)
			}
			all = append(all, found...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(all); i++ {
		if all[i].Name == all[i-1].Name {
			return nil, fmt.Errorf("reading metrics: %s is declared in %s and in %s", all[i].Name, all[i-1].Room, all[i].Room)
		}
	}
	return all, nil
}

func ofFile(path string) ([]Metric, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	if !slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == library }) {
		return nil, nil
	}
	var found []Metric
	names := map[string]token.Pos{}
	vectors := makers(file)
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.BasicLit:
			if text, ok := text(n); ok && name.MatchString(text) {
				names[text] = n.Pos()
			}
		case *ast.CallExpr:
			if m, ok := ofCall(n, vectors); ok {
				found = append(found, m)
			}
		}
		return true
	})
	for _, m := range found {
		delete(names, m.Name)
	}
	for name, at := range names {
		return nil, fmt.Errorf("reading metrics: %s: %s is in a form that is not understood", fset.Position(at), name)
	}
	return found, nil
}

// makers are the functions of a file that make metrics of a type, by the name of the type, and whether what they make is
// a vector.
func makers(file *ast.File) map[string]bool {
	vectors := map[string]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		assign, ok := node.(*ast.AssignStmt)
		if !ok || len(assign.Lhs) != 1 || len(assign.Rhs) != 1 {
			return true
		}
		maker, ok := assign.Lhs[0].(*ast.Ident)
		function, also := assign.Rhs[0].(*ast.FuncLit)
		if !ok || !also || !slices.Contains(types, maker.Name) || function.Type.Results == nil {
			return true
		}
		_, vectors[maker.Name] = function.Type.Results.List[0].Type.(*ast.StarExpr) // a vector is a pointer, one series an interface
		return true
	})
	return vectors
}

// ofCall reads prometheus.NewDesc(name, help, labels, constant), prometheus.New<Type>[Vec|Func](Opts{…}[, labels]), and
// what a maker of the file is called with: counter(name, help, labels…).
func ofCall(call *ast.CallExpr, makers map[string]bool) (Metric, bool) {
	if maker, ok := call.Fun.(*ast.Ident); ok {
		vector, ok := makers[maker.Name]
		if !ok || len(call.Args) < 2 {
			return Metric{}, false
		}
		return complete(Metric{Type: maker.Name, Vector: vector, Labels: literals(call.Args[2:])}, call.Args[0], call.Args[1], len(call.Args)-2)
	}
	function, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return Metric{}, false
	}
	if at, ok := function.X.(*ast.Ident); !ok || at.Name != "prometheus" {
		return Metric{}, false
	}
	kind := function.Sel.Name
	if kind == "NewDesc" && len(call.Args) == 4 {
		labels := elements(call.Args[2])
		m, ok := complete(Metric{Type: "gauge", Vector: true, Labels: literals(labels)}, call.Args[0], call.Args[1], len(labels))
		if strings.HasSuffix(m.Name, "_total") {
			m.Type = "counter"
		}
		return m, ok && (isNil(call.Args[2]) || len(labels) > 0)
	}
	m := Metric{
		Type:   strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(kind, "New"), "Vec"), "Func")),
		Vector: strings.HasSuffix(kind, "Vec"),
	}
	var labels []ast.Expr
	if m.Vector && len(call.Args) == 2 {
		labels = elements(call.Args[1])
		m.Labels = literals(labels)
	}
	name, help := options(call.Args[0])
	m, ok = complete(m, name, help, len(labels))
	return m, ok && m.Vector == (len(labels) > 0)
}

// complete gives a metric its name and help, and says whether all of it could be read.
func complete(m Metric, metric, help ast.Expr, labels int) (Metric, bool) {
	m.Name, _ = text(metric)
	m.Help, _ = text(help)
	ok := slices.Contains(types, m.Type) && name.MatchString(m.Name) && m.Help != "" && len(m.Labels) == labels
	slices.Sort(m.Labels)
	return m, ok
}

// options finds Name and Help of a composite literal.
func options(expression ast.Expr) (name, help ast.Expr) {
	for _, element := range elements(expression) {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		switch key, _ := pair.Key.(*ast.Ident); {
		case key == nil:
		case key.Name == "Name":
			name = pair.Value
		case key.Name == "Help":
			help = pair.Value
		}
	}
	return name, help
}

func isNil(expression ast.Expr) bool {
	ident, ok := expression.(*ast.Ident)
	return ok && ident.Name == "nil"
}

// elements of a composite literal.
func elements(expression ast.Expr) []ast.Expr {
	if literal, ok := expression.(*ast.CompositeLit); ok {
		return literal.Elts
	}
	return nil
}

// literals are the strings among the expressions.
func literals(expressions []ast.Expr) []string {
	var out []string
	for _, expression := range expressions {
		if s, ok := text(expression); ok {
			out = append(out, s)
		}
	}
	return out
}

// text reads a string, also one in parts.
func text(expression ast.Expr) (string, bool) {
	switch e := expression.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		s, err := strconv.Unquote(e.Value)
		return s, err == nil
	case *ast.BinaryExpr:
		left, ok := text(e.X)
		right, also := text(e.Y)
		return left + right, ok && also && e.Op == token.ADD
	}
	return "", false
}
