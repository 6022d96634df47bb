package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// unrun are the lines of drills' pages that no drill runs, and why.
func unrun() map[string]map[string]string {
	return map[string]map[string]string{
		"certificates.md": { // e2e/certificates/expired_test.go goes through the rest of the page
			"kubectl -n gitlatch-system logs deploy/gitlatch-webhook | grep -i certificate":                                                           "the tests have no kubelet that serves logs",
			`kubectl -n gitlatch-system get secret gitlatch-webhook-ca -o jsonpath='{.metadata.managedFields[*].time}'    # when it was written last`: "it is looked at, not acted upon; the tests read the Secret itself",
		},
		"uninstall.md": {
			"kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations,validatingadmissionpolicies,validatingadmissionpolicybindings,crds,namespaces,clusterroles -o name | grep gitlatch": "it prints nothing; the drill compares every object of the cluster",
		},
	}
}

// TestEachCommandOfADrillsPageIsRun: every line between the fences of a page under "drills" is in a string of a drill
// that reads this page, or is listed above. That a drill runs nothing else by the page, e2e/drills asserts.
func TestEachCommandOfADrillsPageIsRun(t *testing.T) {
	_, table, _ := strings.Cut(read(t, "docs/runbooks/README.md"), "| drills")
	table, _, _ = strings.Cut(table, "| alerts")
	pages := regexp.MustCompile(`\]\(([a-z-]+\.md)\)`).FindAllStringSubmatch(table, -1)
	if len(pages) < 8 {
		t.Fatalf("only %d pages are under drills", len(pages))
	}
	run := linesOfDrills(t)
	for _, page := range pages {
		name := page[1]
		text := read(t, "docs/runbooks/"+name)
		want := slices.Sorted(maps.Keys(unrun()[name]))
		if diff := cmp.Diff(want, slices.Sorted(slices.Values(missing(text, run[name])))); diff != "" {
			t.Errorf("%s: lines that no drill runs (-as listed +found):\n%s", name, diff)
		}
	}
}

func TestWhichLinesOfAPageAreMissing(t *testing.T) {
	const page = "Look:\n```\nkubectl get pods\n```\nand `kubectl inline`, then\n```\nfor a in b; do\n  kubectl delete $a\ndone\n\nkubectl get pod\n```\n"
	got := missing(page, map[string]bool{"kubectl get pods": true, "for a in b; do": true, "done": true, "kubectl inline": true})
	if diff := cmp.Diff([]string{"  kubectl delete $a", "kubectl get pod"}, got); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
}

// missing are the lines between a page's fences that are not run.
func missing(page string, run map[string]bool) []string {
	var out []string
	for i, part := range strings.Split(page, "```") {
		for line := range strings.SplitSeq(part, "\n") {
			if i%2 == 1 && strings.TrimSpace(line) != "" && !run[line] {
				out = append(out, line)
			}
		}
	}
	return out
}

// linesOfDrills are the lines of all strings of the drills, by the page that their file reads.
func linesOfDrills(t *testing.T) map[string]map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../../e2e/drills/*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no drills: %v", err)
	}
	out := map[string]map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		var pages, lines []string
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 2 {
				if f, ok := call.Fun.(*ast.Ident); ok && f.Name == "runbook" {
					pages = append(pages, text(call.Args[1]))
				}
			}
			if said := text(n); said != "" {
				lines = append(lines, strings.Split(said, "\n")...)
			}
			return true
		})
		for _, page := range pages {
			if out[page] == nil {
				out[page] = map[string]bool{}
			}
			for _, line := range lines {
				out[page][line] = true
			}
		}
	}
	return out
}

// text of a string; empty: it is none.
func text(n ast.Node) string {
	literal, ok := n.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return ""
	}
	said, err := strconv.Unquote(literal.Value)
	if err != nil {
		return ""
	}
	return said
}

// TestPagesNameStatesAsStatusPrintsThem: `kubectl gitlatch status` prints the state as the API has it.
func TestPagesNameStatesAsStatusPrintsThem(t *testing.T) {
	states := []string{string(v1alpha1.GateEnforcing), string(v1alpha1.GateAuditing), string(v1alpha1.GateOff), string(v1alpha1.GateFailing)}
	pages, err := filepath.Glob("../../docs/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range append(pages, "../../README.md") {
		name, err := filepath.Rel("../..", page)
		if err != nil {
			t.Fatal(err)
		}
		for _, said := range regexp.MustCompile(`GATE  (\w+)`).FindAllStringSubmatch(read(t, name), -1) {
			if found++; !slices.Contains(states, said[1]) {
				t.Errorf("%s: status never prints %q", name, said[0])
			}
		}
	}
	if found == 0 {
		t.Error("no page names a state")
	}
}
