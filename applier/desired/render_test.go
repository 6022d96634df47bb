package desired

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// folder is a tree of text files.
func folder(files map[string]string) fs.FS {
	tree := fstest.MapFS{}
	for name, content := range files {
		tree[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return tree
}

const webMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"

// outcome is a set or an error on a few lines.
func outcome(set *Set, err error) string {
	if err != nil {
		var lines []string
		for _, one := range leaves(err) {
			reason := Reason("")
			if typed := (*Error)(nil); errors.As(one, &typed) {
				reason = typed.Reason
			}
			lines = append(lines, fmt.Sprintf("%s: %s", reason, one))
		}
		return strings.Join(lines, "\n")
	}
	lines := []string{string(set.Form)}
	for _, o := range set.Objects {
		lines = append(lines, fmt.Sprintf("%s from %s", title(o.Unstructured), o.Source))
	}
	return strings.Join(lines, "\n")
}

func TestPlain(t *testing.T) {
	for _, c := range []struct {
		name, path string
		files      map[string]string
		want       string
	}{
		{"every YAML and JSON file below the folder is read, and no other", "prod", map[string]string{
			"prod/b/web.yml":            webMap + "---\n# nothing\n---\n\n...\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: prod}\n",
			"prod/a.json":               `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}} {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}`,
			"prod/c.yaml":               "\t{\"apiVersion\": \"v1\",\n\t\"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"tabs\"}}\n",
			"prod/README.md":            "kind: no",
			"prod/.github/x.yaml":       "a: b",
			"prod/.sops.yaml":           "creation_rules: []",
			"staging/other.yaml":        "broken: [",
			"prod/empty.yaml":           "",
			"prod/comments/only.yaml":   "# later\n---\n# more\n",
			"prod/windows/windows.yaml": "---\r\napiVersion: v1\r\nkind: ConfigMap\r\nmetadata:\r\n  name: crlf\r\n---\r\n",
		}, "YAML\nNamespace prod from prod/b/web.yml\nConfigMap a from prod/a.json\nConfigMap b from prod/a.json\n" +
			"ConfigMap crlf from prod/windows/windows.yaml\nConfigMap tabs from prod/c.yaml\nConfigMap web from prod/b/web.yml"},
		{"lists of every kind are unpacked", "", map[string]string{
			"l.yaml": "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMapList\n  items: [{metadata: {name: a}}]\n- {apiVersion: apps/v1, kind: Deployment, metadata: {name: b}}\n",
			"e.yaml": "apiVersion: v1\nkind: List\nitems:\n",
		}, "YAML\nConfigMap a from l.yaml\napps/Deployment b from l.yaml"},
		{"anchors and merge keys are written out", "./x/", map[string]string{
			"x/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: &x {a: b}\n  y:\n    <<: *x\n    a: c\n",
		}, "YAML\nConfigMap a from x/a.yaml"},
		{"an empty folder is an empty set", "x", map[string]string{"x/README": ""}, "YAML"},
		{"a path that is not there", "clusters/prod", map[string]string{"a": ""}, "PathInvalid: clusters/prod: is not in the repository"},
		{"a path that is a file", "a.yaml", map[string]string{"a.yaml": ""}, "PathInvalid: a.yaml: is a file: name the folder that it is in"},
		{"a path out of the tree", "a/../..", map[string]string{"a.yaml": ""}, "PathInvalid: a/../..: is not a path inside the repository"},
		{"a kustomization below", "", map[string]string{"apps/kustomization.yaml": "resources: []"},
			"DocumentInvalid: apps/kustomization.yaml: stands below a folder of plain YAML, so Kustomize would not read it: let a sync's path name apps, or list it in a kustomization.yaml in ."},
		{"broken YAML names file and line, and every file", "", map[string]string{
			"a.yaml": webMap + "---\napiVersion: v1\nkind: Secret\ndata:\n  a: b\n c: hunter2\n",
			"b.yaml": "a: 'hunter2\n",
			"c.yaml": "a: *hunter2\n",
			"d.yaml": "a: !!int hunter2\n",
		}, "DocumentInvalid: a.yaml: document 2, line 9: is not YAML: did not find expected key\n" +
			"DocumentInvalid: b.yaml: document 1, line 2: is not YAML: found unexpected end of stream\n" +
			"DocumentInvalid: c.yaml: document 1, line 1: is not YAML: unknown anchor ... referenced\n" +
			"DocumentInvalid: d.yaml: document 1, line 1: holds a key or a value that can't be written as JSON"},
		{"what is not an object", "", map[string]string{
			"a.yaml": "# top\n---\nimage: x\n", "b.yaml": "kind: ConfigMap\nmetadata: {name: x}\n", "c.yaml": "apiVersion: v1\nkind: ConfigMap\n",
			"d.yaml": "- a\n", "e.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n", "f.yaml": "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: run-}\n",
			"g.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, annotations: {on: true}}\n", "h.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 5}\n",
			"i.json": "[1]", "j.json": "{\n\"a\": }", "k.yaml": "apiVersion: v1\nkind: List\nitems: [{a: b}]\n",
			"l.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []\n",
		}, "DocumentInvalid: a.yaml: document 1, line 2: is not a Kubernetes object: it has no apiVersion and no kind\n" +
			"DocumentInvalid: b.yaml: document 1, line 1: is not a Kubernetes object: it has no apiVersion\n" +
			"DocumentInvalid: c.yaml: document 1, line 1: is a ConfigMap without metadata\n" +
			"DocumentInvalid: d.yaml: document 1, line 1: is not a Kubernetes object: it is not keys and values\n" +
			"DocumentInvalid: e.yaml: document 1, line 1: is a ConfigMap without metadata.name\n" +
			"DocumentInvalid: f.yaml: document 1, line 1: is a Job with generateName and no name: each sync would create another one\n" +
			"DocumentInvalid: g.yaml: document 1, line 1: (ConfigMap x) has metadata.annotations[\"true\"] that is not text: put it in quotes\n" +
			"DocumentInvalid: h.yaml: document 1, line 1: is a ConfigMap whose metadata.name is not text: put it in quotes\n" +
			"DocumentInvalid: i.json: document 1, line 1: is not a JSON object\n" +
			"DocumentInvalid: j.json: document 1, line 2: is not JSON\n" +
			"DocumentInvalid: k.yaml: document 1, line 1: is a List whose item 1 is not a Kubernetes object: it has no apiVersion and no kind\n" +
			"DocumentInvalid: l.yaml: document 1, line 1: is a Kustomization, which no cluster knows: Kustomize reads it from a file named kustomization.yaml"},
		{"keys in duplicate", "", map[string]string{
			"a.yaml": webMap + "data:\n  a: 1\n  b: 2\n  a: 3\n", "b.json": `{"apiVersion": "v1", "kind": "ConfigMap", "kind": "Secret"}`,
		}, "DocumentInvalid: a.yaml: document 1, line 7: the key \"a\" is there twice\nDocumentInvalid: b.json: document 1, line 1: duplicate field \"kind\""},
		{"a document that begins without a mark", "", map[string]string{"a.yaml": webMap + "...\n" + webMap},
			"DocumentInvalid: a.yaml: document 1, line 4: is not YAML: did not find expected <document start>"},
		{"one object declared twice, whatever the version", "", map[string]string{
			"a.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: prod}\n",
			"b.yaml": "apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: web, namespace: prod}\n---\n" + webMap + "---\n" + webMap,
		}, "ObjectDuplicate: b.yaml (apps/Deployment prod/web): is declared in a.yaml too\nObjectDuplicate: b.yaml (ConfigMap web): is declared twice in this file"},
		{"an anchor that grows out of all proportion", "", map[string]string{"a.yaml": laughs()},
			"DocumentInvalid: a.yaml: document 1, line 8: grows over 32 MiB when its anchors are written out"},
		{"an anchor of many small values", "", map[string]string{"a.yaml": "a: &a [" + strings.Repeat("1,", 2000) + "1]\nb: [" + strings.Repeat("*a,", 2000) + "1]\n"},
			"DocumentInvalid: a.yaml: document 1, line 2: grows over 2000000 values when its anchors are written out"},
		{"an anchor in itself", "", map[string]string{"a.yaml": "a: &a [*a]\n"}, "DocumentInvalid: a.yaml: document 1, line 1: an anchor contains itself"},
		{"what is nested too deep", "", map[string]string{"a.yaml": "a: " + strings.Repeat("[", 600) + strings.Repeat("]", 600)},
			"DocumentInvalid: a.yaml: document 1, line 1: is nested more than 500 deep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := outcome(Render(t.Context(), folder(c.files), Options{Path: c.path}))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// laughs is a billion laughs.
func laughs() string {
	text := "a0: &a0 laughs and laughs\n"
	for i := 1; i < 12; i++ {
		text += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), i-1)
	}
	return text
}

func TestManyErrorsAreCutShort(t *testing.T) {
	files := map[string]string{}
	for i := range 30 {
		files[fmt.Sprintf("%02d.yaml", i)] = "a: b"
	}
	_, err := Render(t.Context(), folder(files), Options{})
	if found := leaves(err); len(found) != 21 || found[20].Error() != "and 10 more" {
		t.Errorf("got %d errors, the last %v", len(found), found[len(found)-1])
	}
}

func TestRenderEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Render(ctx, folder(map[string]string{"a.yaml": webMap}), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestNumbersAndWordsAreAsTheAPIServerReadsThem(t *testing.T) {
	set, err := Render(t.Context(), folder(map[string]string{
		"a.yaml": webMap + "spec: {whole: 9007199254740993, half: 0.5, yes: yes, no: off, octal: 0644, quoted: \"1\", none: null, date: 2026-01-02}\n",
	}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"whole": int64(9007199254740993), "half": 0.5, "true": true, "false": false, "octal": int64(420), "quoted": "1", "none": nil, "date": "2026-01-02"}
	if diff := cmp.Diff(want, set.Objects[0].Object["spec"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
