package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sampleLog = "../../reporter/audit/testdata/writes.jsonl"

func sample(t *testing.T) string {
	t.Helper()
	log, err := os.ReadFile(sampleLog)
	if err != nil {
		t.Fatal(err)
	}
	return string(log)
}

func TestPolicyTestGolden(t *testing.T) {
	tests := []struct {
		name string
		args []string
	}{
		{"declared", []string{"-f", "testdata/declared.yaml"}},
		{"declared-wide", []string{"-f", "testdata/declared.yaml", "-o", "wide"}},
		{"declared-json", []string{"-f", "testdata/declared.yaml", "-o", "json"}},
		{"declared-yaml", []string{"-f", "testdata/declared.yaml", "-o", "yaml"}},
		{"all-in-audit", []string{"-f", "testdata/all.yaml"}},
		{"all-as-if-enforced", []string{"-f", "testdata/all.yaml", "--mode", "Enforce", "-o", "wide"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"policy", "test", "--audit-log", sampleLog}, test.args...)
			golden(t, test.name, gitlatch(t.Context(), "", noon, args...))
		})
	}
}

func TestPolicyTestWithADamagedLog(t *testing.T) {
	lines := strings.SplitAfter(sample(t), "\n")
	flux := lines[0] + lines[1]
	tests := []struct{ name, log string }{
		{"log-truncated", flux + lines[2][:200]},
		{"log-foreign-lines", "I0302 starting\n" + flux + strings.Repeat("{}\n", 6)},
		{"log-empty", ""},
		{"log-no-events", `{"kind":"Pod","apiVersion":"v1"}` + "\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			golden(t, test.name, gitlatch(t.Context(), test.log, noon,
				"policy", "test", "-f", "testdata/declared.yaml", "--audit-log", "-"))
		})
	}
}

func TestABadPolicyIsNamedByFileDocumentAndField(t *testing.T) {
	const head = "apiVersion: gitlatch.dev/v1alpha1\nkind: ChangePolicy\nmetadata: {name: cluster}\n"
	const sync = "  sync:\n  - serviceAccount: {namespace: flux-system, name: kustomize-controller}\n    fieldManagers: [kustomize-controller]\n"
	const good = head + "spec:\n  mode: Audit\n" + sync
	tests := []struct{ name, policy, want string }{
		{"an unknown field", head + "spec:\n  mode: Audit\n  objcts: All\n" + sync, `FILE: document 1: unknown field "spec.objcts"`},
		{"an unknown field in a list", good + "    manager: x\n", `FILE: document 1: unknown field "spec.sync[0].manager"`},
		{"a key that stands twice", head + "spec:\n  mode: Audit\n  mode: Enforce\n" + sync, "FILE: document 1: spec.mode: duplicate field"},
		{"a key that stands twice in a list", good + "  - fieldManagers: [a]\n    fieldManagers: [b]\n",
			"FILE: document 1: spec.sync[1].fieldManagers: duplicate field"},
		{"the second document", good + "---\n" + strings.Replace(good, "name: cluster", "name: other", 1) + "  colour: red\n",
			`FILE: document 2: unknown field "spec.colour"`},
		{"the same name twice", good + "---\n" + good, `FILE: document 2: metadata.name: "cluster" is a policy of FILE: document 1 already`},
		{"no name", strings.Replace(good, "name: cluster", "labels: {}", 1), "FILE: document 1: metadata.name: required"},
		{"another kind", "apiVersion: v1\nkind: ConfigMap\n",
			`FILE: document 1: apiVersion "v1", kind "ConfigMap": want gitlatch.dev/v1alpha1, ChangePolicy`},
		{"a field of another type", head + "spec: {mode: [Audit]}\n",
			"FILE: document 1: cannot unmarshal array into Go struct field ChangePolicySpec.spec.mode of type v1alpha1.Mode"},
		{"no YAML", "a: [\n", "FILE: document 1: line 1: did not find expected node content"},
		{"nothing", "# a comment\n", "no ChangePolicy in FILE"},
		{"a policy that can't work", head + "spec:\n  mode: Enforced\n",
			`FILE: document 1: spec.mode: Unsupported value: "Enforced": supported values: "Enforce", "Warn", "Audit"; ` +
				"spec.sync: Required value: without a sync identity git could not write either"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "policy.yaml")
			if err := os.WriteFile(file, []byte(test.policy), 0o600); err != nil {
				t.Fatal(err)
			}
			got := gitlatch(t.Context(), "", noon, "policy", "test", "-f", file, "--audit-log", sampleLog)
			got.Err = strings.ReplaceAll(got.Err, file, "FILE")
			if diff := cmp.Diff(outcome{Err: "error: " + test.want + "\n", Code: 2}, got); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPoliciesAreReadFromAListAndFromStandardInput(t *testing.T) {
	list := `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"gitlatch.dev/v1alpha1","kind":"ChangePolicy",
"metadata":{"name":"one"}},{"apiVersion":"gitlatch.dev/v1alpha1","kind":"ChangePolicy","metadata":{"name":"two"}}]}`
	policies, err := readPolicies([]string{"-", "testdata/all.yaml"}, strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range policies {
		got = append(got, p.Name+" "+p.where)
	}
	want := []string{
		"one standard input: document 1: items[0]", "two standard input: document 1: items[1]", "cluster testdata/all.yaml: document 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}
}
