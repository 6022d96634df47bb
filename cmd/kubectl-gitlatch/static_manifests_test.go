package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// TestStaticManifestsAreWritten compares what is written with the golden files; e2e/staticmanifests runs it.
func TestStaticManifestsAreWritten(t *testing.T) {
	nobody(t)
	source, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	got := gitlatch(t.Context(), "", noon, "static-manifests", "--off-group", "oncall", "--off-group", mastersGroup, "--path", "/srv/gitlatch", "-n", "latch")
	written := map[string]string{}
	for _, name := range []string{readmeFile, configurationFile, policyFile} {
		content, err := os.ReadFile(filepath.Join("gitlatch-static", name))
		if err != nil {
			t.Fatal(err)
		}
		written[name] = string(content)
	}
	t.Chdir(source)
	golden(t, "static-manifests", got)
	for name, content := range written {
		golden(t, "static-manifests-"+filepath.Base(name), outcome{Out: content})
	}
}

func TestStaticManifestsRefuseWhatWouldNotGuard(t *testing.T) {
	nobody(t)
	dir := t.TempDir()
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no directory", []string{"--dir", ""}, "error: --dir: name a directory\n"},
		{"a path that depends on where one is", []string{"--path", "gitlatch"}, `error: --path "gitlatch": use an absolute path, such as /etc/kubernetes/gitlatch` + "\n"},
		{"a path that goes up", []string{"--path", "/etc/../x"}, `error: --path "/etc/../x": use an absolute path, such as /etc/kubernetes/gitlatch` + "\n"},
		{"a group without a name", []string{"--off-group", ""}, `error: --off-group "": name a group` + "\n"},
		{"a group that everybody is in", []string{"--off-group", "system:authenticated"},
			"error: --off-group system:authenticated: everybody is in it, and would switch the gate off\n"},
		{"two groups at once", []string{"--off-group", "oncall,sre"}, `error: --off-group "oncall,sre": name one group, and repeat the flag for the next` + "\n"},
		{"a group that every pod of a namespace is in", []string{"--off-group", "system:serviceaccounts:default"},
			"error: --off-group system:serviceaccounts:default: every pod of namespace default is in it, and would switch the gate off\n"},
		{"an injector without a namespace", []string{"--ca-injector", "cainjector"}, `error: --ca-injector "cainjector": use namespace/name` + "\n"},
		{"an unknown output", []string{"-o", "wide"}, `error: unknown output "wide": use one of table, json, yaml` + "\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := gitlatch(t.Context(), "", noon, append([]string{"static-manifests", "--dir", dir}, test.args...)...)
			if diff := cmp.Diff(outcome{Err: test.want, Code: 2}, got); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("something was written: %v, %v", left, err)
	}
}

func TestAGroupOfADirectoryMayHaveCommas(t *testing.T) {
	nobody(t)
	const group = "cn=oncall,ou=groups,dc=example,dc=org"
	dir := t.TempDir()
	if got := gitlatch(t.Context(), "", noon, "static-manifests", "--dir", dir, "--off-group", group); got.Code != 0 {
		t.Fatalf("%+v", got)
	}
	content, err := os.ReadFile(filepath.Join(dir, policyFile))
	if err != nil || !strings.Contains(string(content), `["system:masters", "`+group+`"].exists(`) {
		t.Errorf("%v: %s", err, content)
	}
}

func TestStaticManifestsAreNotWrittenOver(t *testing.T) {
	nobody(t)
	dir := t.TempDir()
	theirs := filepath.Join(dir, configurationFile)
	if err := os.WriteFile(theirs, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := gitlatch(t.Context(), "", noon, "static-manifests", "--dir", dir)
	want := outcome{Err: "error: " + theirs + " is there already: pass --force to write over it\n", Code: 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(dir, readmeFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a part was written: %v", err)
	}
	if got := gitlatch(t.Context(), "", noon, "static-manifests", "--dir", dir, "--force", "-o", "json"); got.Code != 0 {
		t.Errorf("by force: %+v", got)
	}
	if content, err := os.ReadFile(theirs); err != nil || !strings.Contains(string(content), "AdmissionConfiguration") {
		t.Errorf("by force: %s, %v", content, err)
	}
}

// TestAnInjectorIsComparedInEveryField: one that a later Kubernetes adds must not be the injector's to change.
func TestAnInjectorIsComparedInEveryField(t *testing.T) {
	var fields []string
	of := func(kind reflect.Type) {
		for i := range kind.NumField() {
			name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
			if name != "clientConfig" && !slices.Contains(fields, name) {
				fields = append(fields, name)
			}
		}
	}
	of(reflect.TypeFor[admissionv1.ValidatingWebhook]())
	of(reflect.TypeFor[admissionv1.MutatingWebhook]())
	got := webhookFields()
	slices.Sort(fields)
	slices.Sort(got)
	if diff := cmp.Diff(fields, got); diff != "" {
		t.Errorf("fields of a webhook (-want +got):\n%s", diff)
	}
	fields = nil
	of(reflect.TypeFor[admissionv1.WebhookClientConfig]())
	slices.Sort(fields)
	if diff := cmp.Diff([]string{"caBundle", "service", "url"}, fields); diff != "" {
		t.Errorf("fields of a client (-want +got):\n%s", diff)
	}
}

func TestWithoutAnInjectorNobodyElseWrites(t *testing.T) {
	nobody(t)
	dir := t.TempDir()
	if got := gitlatch(t.Context(), "", noon, "static-manifests", "--dir", dir, "--ca-injector", ""); got.Code != 0 {
		t.Fatalf("%+v", got)
	}
	content, err := os.ReadFile(filepath.Join(dir, policyFile))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(content), "\n---\n")
	var policy admissionv1.ValidatingAdmissionPolicy
	if err := yaml.UnmarshalStrict([]byte(first), &policy); err != nil {
		t.Fatal(err)
	}
	want := "variables.switcher || variables.gitlatch || variables.unchanged"
	if diff := cmp.Diff(want, policy.Spec.Validations[0].Expression); diff != "" {
		t.Errorf("expression (-want +got):\n%s", diff)
	}
}

func TestADenialOfTheFileIsSaidOnce(t *testing.T) {
	resource := schema.GroupResource{Resource: "things"}
	byFile := apierrors.NewForbidden(resource, "gitlatch", errors.New("ValidatingAdmissionPolicy '"+guardName+"' with binding 'b' denied request: It is ours."))
	byRBAC := apierrors.NewForbidden(resource, "gitlatch", errors.New("alice cannot patch"))
	tests := []struct {
		name string
		errs []error
		want string
	}{
		{"both by the file", []error{byFile, byFile}, "It is ours."},
		{"one by the file", []error{nil, byFile}, "It is ours."},
		{"by RBAC", []error{byRBAC, nil}, byRBAC.Error()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, oneDenial(test.errs...).Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
	if err := oneDenial(nil, nil); err != nil {
		t.Errorf("without an error: %v", err)
	}
}
