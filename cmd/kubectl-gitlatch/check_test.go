package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// workCopy makes a working copy of files in a folder of its own, and works in it.
func workCopy(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir, files)
	t.Chdir(dir)
	return dir
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const configText = `apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: prod}
data: {colour: blue}
`

const widgetText = `apiVersion: example.com/v1
kind: Widget
metadata: {name: one, namespace: prod}
`

const widgetDefinition = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [size]
            properties:
              size: {type: integer, minimum: 1}
              most: {type: integer, default: 3}
              tags: {type: array, x-kubernetes-list-type: set, items: {type: string}}
            x-kubernetes-validations:
            - {rule: "self.size <= self.most", message: "size is at most most"}
  - {name: v2, served: false, storage: false, schema: {openAPIV3Schema: {type: object}}}
`

func TestCheckFindsWhatIsWrong(t *testing.T) {
	const app = "app/a.yaml"
	tests := []struct {
		name  string
		files map[string]string
		args  []string
		want  outcome
	}{
		{"nothing wrong", map[string]string{app: configText}, nil,
			outcome{Err: "checked 1 object in 1 folder: 0 errors, 0 warnings\n"}},
		{"a base beside the folder is read", map[string]string{
			"base/kustomization.yaml": "resources: [a.yaml]\n", "base/a.yaml": configText,
			"app/kustomization.yaml": "resources: [../base]\nnamePrefix: my-\n"}, nil,
			outcome{Err: "checked 1 object in 1 folder: 0 errors, 0 warnings\n"}},
		{"a broken document", map[string]string{app: "kind: ConfigMap\n"}, nil, outcome{Code: 1,
			Out: "app/a.yaml: document 1, line 1: is not a Kubernetes object: it has no apiVersion [DocumentInvalid]\n",
			Err: "checked 0 objects in 0 folders: 1 error, 0 warnings\n"}},
		{"a Secret that everybody can read", map[string]string{
			app: "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: prod}\nstringData: {password: hunter2}\n"}, nil, outcome{Code: 1,
			Out: "app/a.yaml: Secret prod/db: stringData.password: is readable in git: encrypt it with SOPS, or declare a SealedSecret " +
				"or an ExternalSecret; and rotate it: a revert does not take it out of history [PlaintextSecret]\n",
			Err: "checked 0 objects in 0 folders: 1 error, 0 warnings\n"}},
		{"a field, a type and a version that Kubernetes does not know", map[string]string{
			app: `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: prod}
spec: {replica: 3, selector: {}, template: {spec: {containers: [{name: web, imag: web}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: two, namespace: prod}
spec: {replicas: "3", selector: {}, template: {}}
---
apiVersion: batch/v1beta1
kind: CronJob
metadata: {name: night, namespace: prod}
---
apiVersion: apps/v7
kind: Deployment
metadata: {name: seven, namespace: prod}
`}, nil, outcome{Code: 1,
			Out: `app/a.yaml: apps/Deployment prod/seven: Kubernetes 1.37 knows no Deployment in apps/v7 [KindUnknown]
app/a.yaml: apps/Deployment prod/two: spec.replicas: is text, and should be a whole number [SchemaInvalid]
app/a.yaml: apps/Deployment prod/web: spec.replica: is an unknown field [SchemaInvalid]
app/a.yaml: apps/Deployment prod/web: spec.template.spec.containers[0].imag: is an unknown field [SchemaInvalid]
app/a.yaml: batch/CronJob prod/night: apiVersion: batch/v1beta1 is gone since Kubernetes 1.25: use CronJob of batch/v1 [VersionRemoved]
`, Err: "checked 4 objects in 1 folder: 5 errors, 0 warnings\n"}},
		{"a version that an older Kubernetes has", map[string]string{
			app: "apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: night, namespace: prod}\n"}, []string{"--kube-version", "v1.24.3"},
			outcome{Err: "checked 1 object in 1 folder: 0 errors, 0 warnings\n"}},
		{"metadata that no API server takes", map[string]string{
			app: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a/b, namespace: prod, labels: {app: 'two words'}}\n"}, nil, outcome{Code: 1,
			Out: `app/a.yaml: Namespace prod/a/b: metadata.name: may not contain '/' [MetadataInvalid]
app/a.yaml: Namespace prod/a/b: metadata.labels: Invalid value: "two words": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue', or 'my_value', or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?') [MetadataInvalid]
app/a.yaml: Namespace prod/a/b: metadata.namespace: Namespace is cluster-scoped: it can't be in namespace "prod" [MetadataInvalid]
`, Err: "checked 1 object in 1 folder: 3 errors, 0 warnings\n"}},
		{"a kind that is not known is a warning", map[string]string{app: widgetText}, nil, outcome{
			Out: "warning: app/a.yaml: example.com/Widget prod/one: no CustomResourceDefinition of Widget.example.com is in the folders, " +
				"so it is not checked: pass --crds with the folder that holds it [KindUnknown]\n",
			Err: "checked 1 object in 1 folder: 0 errors, 1 warning\n"}},
		{"a kind that is not known is an error where asked", map[string]string{app: widgetText}, []string{"--strict"}, outcome{Code: 1,
			Out: "app/a.yaml: example.com/Widget prod/one: no CustomResourceDefinition of Widget.example.com is in the folders, " +
				"so it is not checked: pass --crds with the folder that holds it [KindUnknown]\n",
			Err: "checked 1 object in 1 folder: 1 error, 0 warnings\n"}},
		{"custom resources that fit, and that do not", map[string]string{"crds/w.yaml": widgetDefinition,
			app: widgetText + "spec: {size: 2}\n---\n" + strings.Replace(widgetText, "one", "two", 1) + "spec: {size: 0, tags: [a, a], weight: 1}\n---\n" +
				strings.Replace(widgetText, "one", "three", 1) + "spec: {size: 4}\n---\n" +
				strings.Replace(strings.Replace(widgetText, "one", "four", 1), "/v1", "/v2", 1)}, []string{"--crds", "crds"}, outcome{Code: 1,
			Out: `app/a.yaml: example.com/Widget prod/four: apiVersion: crds/w.yaml serves no version v2 [KindUnknown]
app/a.yaml: example.com/Widget prod/three: spec: Invalid value: size is at most most [SchemaInvalid]
app/a.yaml: example.com/Widget prod/two: spec.weight: is an unknown field [SchemaInvalid]
app/a.yaml: example.com/Widget prod/two: spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1 [SchemaInvalid]
app/a.yaml: example.com/Widget prod/two: spec.tags[1]: Duplicate value: "a" [SchemaInvalid]
`, Err: "checked 4 objects in 1 folder: 5 errors, 0 warnings\n"}},
		{"one object in two folders", map[string]string{app: configText, "other/b.yaml": strings.Replace(configText, ", namespace: prod", "", 1)},
			[]string{"other", "-n", "prod"}, outcome{Code: 1,
				Out: "other/b.yaml: ConfigMap prod/settings: app and other both declare it (app/a.yaml): one object has one owner [ObjectClaimedTwice]\n",
				Err: "checked 2 objects in 2 folders: 1 error, 0 warnings\n"}},
		{"one object twice by its default namespace", map[string]string{app: configText + "---\n" + strings.Replace(configText, ", namespace: prod", "", 1)},
			[]string{"-n", "prod"}, outcome{Code: 1,
				Out: "app/a.yaml: ConfigMap prod/settings: with its default namespace it is declared in app/a.yaml too [ObjectDuplicate]\n",
				Err: "checked 2 objects in 1 folder: 1 error, 0 warnings\n"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			workCopy(t, test.files)
			nobody(t)
			got := gitlatch(t.Context(), "", noon, append([]string{"check", "app"}, test.args...)...)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckAsJSONIsAList(t *testing.T) {
	workCopy(t, map[string]string{"good/a.yaml": configText, "bad/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndatta: {}\n"})
	nobody(t)
	if diff := cmp.Diff(outcome{Out: "[]\n"}, gitlatch(t.Context(), "", noon, "check", "good", "-o", "json")); diff != "" {
		t.Errorf("nothing found (-want +got):\n%s", diff)
	}
	got := gitlatch(t.Context(), "", noon, "check", "bad", "-o", "json")
	var found []finding
	if err := json.Unmarshal([]byte(got.Out), &found); err != nil {
		t.Fatal(err)
	}
	want := []finding{{Severity: "Error", File: "bad/a.yaml", Object: "ConfigMap x", Key: "datta", Reason: "SchemaInvalid", Message: "is an unknown field"}}
	if diff := cmp.Diff(want, found); diff != "" || got.Code != 1 || got.Err != "" {
		t.Errorf("%+v (-want +got):\n%s", got, diff)
	}
}

func TestCheckOfTheSyncsOfAFile(t *testing.T) {
	const syncs = `apiVersion: v1
kind: Namespace
metadata: {name: prod}
---
apiVersion: gitlatch.dev/v1alpha1
kind: GitSync
metadata: {name: shop, namespace: prod}
spec: {url: "https://git.example/ops", path: chart, helm: {valuesFiles: [values/prod.yaml]}}
---
apiVersion: gitlatch.dev/v1alpha1
kind: GitSync
metadata: {name: other}
spec: {url: "https://git.example/ops", path: none}
`
	workCopy(t, map[string]string{
		"syncs.yaml":                  syncs,
		"chart/Chart.yaml":            "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
		"chart/values.yaml":           "colour: red\n",
		"values/prod.yaml":            "colour: blue\n",
		"chart/templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{.Release.Name}}', namespace: '{{.Release.Namespace}}'}\n{{.Values.colour}}: {}\n",
	})
	nobody(t)
	want := outcome{Code: 1, Out: "chart/templates/config.yaml: ConfigMap prod/shop: blue: is an unknown field [SchemaInvalid]\n",
		Err: "checked 1 object in 1 folder: 1 error, 0 warnings\n"}
	if diff := cmp.Diff(want, gitlatch(t.Context(), "", noon, "check", "-f", "syncs.yaml", "--sync", "shop")); diff != "" {
		t.Errorf("one sync (-want +got):\n%s", diff)
	}
	want.Out += "none: is not in the repository [PathInvalid]\n"
	want.Err = "checked 1 object in 1 folder: 2 errors, 0 warnings\n"
	if diff := cmp.Diff(want, gitlatch(t.Context(), syncs, noon, "check", "-f", "-")); diff != "" {
		t.Errorf("all syncs (-want +got):\n%s", diff)
	}
}

func TestWhatCantBeCheckedIsNoFinding(t *testing.T) {
	dir := workCopy(t, map[string]string{"app/a.yaml": configText, "nosync.yaml": configText})
	outside := t.TempDir()
	nobody(t)
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no folder", nil, "error: name a folder, or pass -f with a file of GitSyncs\n"},
		{"outside of a working copy", []string{outside},
			"error: neither " + outside + " nor a folder above it is a git working copy: name its root with --root\n"},
		{"outside of the root", []string{outside, "--root", dir}, "error: " + outside + " is not below the root " + dir + "\n"},
		{"a file without syncs", []string{"-f", "nosync.yaml"}, "error: nosync.yaml: it holds no GitSync\n"},
		{"a sync without a file", []string{"app", "--sync", "shop"}, "error: --sync is for -f\n"},
		{"a version that is none", []string{"app", "--kube-version", "new"}, `error: --kube-version "new": use a version such as v1.37.0` + "\n"},
		{"a key that is not there", []string{"app", "--age-key-file", "none"}, "error: reading keys: open none: no such file or directory\n"},
		{"a cluster without a kubeconfig", []string{"app", "--server-side"}, "error: no kubeconfig: set KUBECONFIG or pass --kubeconfig\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := gitlatch(t.Context(), "", noon, append([]string{"check"}, test.args...)...)
			if diff := cmp.Diff(outcome{Err: test.want, Code: 2}, got); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheNewestKubernetesIsThatOfItsTypes(t *testing.T) {
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`k8s\.io/api v0\.(\d+)\.`).FindSubmatch(text)
	if found == nil || string(found[1]) != strconv.Itoa(newestMinor) {
		t.Errorf("k8s.io/api is %q; newestMinor is %d", found, newestMinor)
	}
}
