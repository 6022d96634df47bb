package desired

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// chartWith is a chart of one template.
func chartWith(template string, more map[string]string) map[string]string {
	files := map[string]string{
		"web/Chart.yaml":         "apiVersion: v2\nname: web\nversion: 0.1.0\n",
		"web/templates/web.yaml": template,
	}
	maps.Copy(files, more)
	return files
}

func TestHelmRefuses(t *testing.T) {
	const unsteady = " is rendered differently each time, from the clock or at random: it would drift for ever; give it a value of its own"
	data := func(value string) string { return webMap + "data: {a: " + value + "}\n" }
	for _, c := range []struct {
		name  string
		files map[string]string
		helm  Helm
		want  string
	}{
		{"a value at random", chartWith(data("{{ randAlphaNum 8 | quote }}"), nil), Helm{}, "RenderFailed: web/templates/web.yaml (ConfigMap web) data.a:" + strings.Replace(unsteady, " is", " is", 1)},
		{"a date, though it is the same all day", chartWith(data(`{{ now | date "2006" | quote }}`), nil), Helm{}, "RenderFailed: web/templates/web.yaml (ConfigMap web) data.a:" + unsteady},
		{"a number at random", chartWith(data("{{ randInt 1 3 | quote }}"), nil), Helm{}, "RenderFailed: web/templates/web.yaml (ConfigMap web) data.a:" + unsteady},
		{"a name at random", chartWith("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ uuidv4 }}}\n{{/* x */}}", nil), Helm{}, "unsteady name"},
		{"what a chart says itself", chartWith(`{{ fail "set a password" }}`, nil), Helm{}, "RenderFailed: web/templates/web.yaml: execution error at (web/templates/web.yaml:1:3): set a password"},
		{"a missing chart", chartWith("", map[string]string{"web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\ndependencies: [{name: redis, version: 1.x, repository: 'https://charts.example'}]\n"}), Helm{},
			"RenderFailed: web/Chart.yaml: needs the chart redis, which is not in charts/: nothing is fetched while a commit is rendered; commit what `helm dependency update` leaves there"},
		{"a chart of a later kind", chartWith("", map[string]string{"web/Chart.yaml": "apiVersion: v3\nname: web\nversion: 0.1.0\n"}), Helm{}, `RenderFailed: web/Chart.yaml: is of apiVersion "v3", which is neither v1 nor v2`},
		{"a library", chartWith("", map[string]string{"web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\ntype: library\n"}), Helm{},
			"RenderFailed: web/Chart.yaml: is a chart of type library, which renders nothing by itself: name a chart that uses it"},
		{"an older cluster", chartWith("", map[string]string{"web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\nkubeVersion: '>=1.99'\n"}), Helm{KubeVersion: kubeVersion},
			"RenderFailed: web/Chart.yaml: is for Kubernetes >=1.99, not v1.37.2"},
		{"values that the schema does not take, without the values", chartWith("", map[string]string{
			"web/values.schema.json": `{"type": "object", "required": ["name"], "properties": {"password": {"pattern": "^[0-9]+$"}, "count": {"type": "integer"}}}`,
			"v.yaml":                 "password: hunter2\ncount: hunter2\n"}), Helm{ValuesFiles: []string{"v.yaml"}},
			"RenderFailed: web/values.schema.json: does not take the values: count: is string, not integer; password: pattern; the values: missing name"},
		{"a schema that refers to another", chartWith("", map[string]string{"web/values.schema.json": `{"$ref": "https://example.com/s.json"}`}), Helm{},
			"RenderFailed: web/values.schema.json: is not a schema: failing loading \"https://example.com/s.json\": https://example.com/s.json is not in the schema itself, and nothing is fetched while a commit is rendered"},
		{"a schema of a file", chartWith("", map[string]string{"web/values.schema.json": `{"$ref": "file:///etc/passwd"}`}), Helm{},
			"RenderFailed: web/values.schema.json: is not a schema: failing loading \"file:///etc/passwd\": file:///etc/passwd is not in the schema itself, and nothing is fetched while a commit is rendered"},
		{"values that are not there", chartWith("", nil), Helm{ValuesFiles: []string{"./prod.yaml"}}, "PathInvalid: web/prod.yaml: file does not exist"},
		{"values out of the tree", chartWith("", nil), Helm{ValuesFiles: []string{"../prod.yaml"}}, "PathInvalid: ../prod.yaml: is not a values file inside the repository"},
		{"remote values", chartWith("", nil), Helm{ValuesFiles: []string{"https://example.com/v.yaml"}}, "PathInvalid: https://example.com/v.yaml: is not a values file inside the repository"},
		{"broken values", chartWith("", map[string]string{"web/values.yaml": "a: 1\nb: [\n"}), Helm{}, "DocumentInvalid: web/values.yaml: document 1, line 3: is not YAML: did not find expected node content"},
		{"values that grow", chartWith("", map[string]string{"web/values.yaml": laughs()}), Helm{}, "DocumentInvalid: web/values.yaml: document 1, line 8: grows over 32 MiB when its anchors are written out"},
		{"what is not YAML when it is rendered", chartWith(webMap+"data: {{ list 1 2 }}: x", nil), Helm{},
			"RenderFailed: web/templates/web.yaml: renders what can't be applied: document 1, line 4: is not YAML: mapping values are not allowed in this context"},
		{"one object from two templates", chartWith(webMap, map[string]string{"web/templates/b.yaml": webMap}), Helm{},
			"ObjectDuplicate: web/templates/web.yaml (ConfigMap web): is declared in web/templates/b.yaml too"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := outcome(Render(t.Context(), folder(c.files), Options{Path: "web", Helm: c.helm}))
			if c.want == "unsteady name" {
				if !strings.HasPrefix(got, "RenderFailed: web/templates/web.yaml (ConfigMap ") || !strings.HasSuffix(got, "):"+unsteady) {
					t.Errorf("got %s", got)
				}
				return
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestHelmMayUseTheClockWhereItDoesNotShow(t *testing.T) {
	files := chartWith(webMap+"# rendered at {{ now }}\n", map[string]string{"web/templates/NOTES.txt": "{{ randAlphaNum 9 }}"})
	if got := outcome(Render(t.Context(), folder(files), Options{Path: "web"})); got != "Helm\nConfigMap web from web/templates/web.yaml" {
		t.Error(got)
	}
}

// TestHooks: docs/decisions/0009-helm-hooks.md.
func TestHooks(t *testing.T) {
	for hook, want := range map[string]bool{
		"pre-install": true, "post-install,post-upgrade": true, "Pre-Upgrade": true, "pre-install, post-delete": true,
		"test": false, "test-success": false, "pre-delete": false, "post-delete": false, "pre-rollback,post-rollback": false, "crd-install": false,
	} {
		files := chartWith("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, annotations: {helm.sh/hook: \""+hook+"\"}}\n", nil)
		set, err := Render(t.Context(), folder(files), Options{Path: "web"})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(set.Objects) == 1; got != want {
			t.Errorf("%s: declared is %t, not %t", hook, got, want)
		}
	}
}

// TestNoDecryptedValueIsInAnError: a chart and an overlay that fail with a decrypted value in what they say.
func TestNoDecryptedValueIsInAnError(t *testing.T) {
	alice := newPerson(t, "alice")
	sealed := encrypting{to: []person{alice}}.file(t, sopsYAML, "password: hunter2\ntable: hunter2\n")
	patch := encrypting{to: []person{alice}, meta: flux}.file(t, sopsYAML, "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata: {a: hunter2}\n")
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"a template that fails with a value":            {chartWith("{{ fail .Values.password }}", nil), "RenderFailed"},
		"a template that fails in the words of a value": {chartWith(`{{ if eq .Values.password "hunter2" }}{{ tpl (printf "{{ %s" .Values.password) . }}{{ end }}`, nil), "RenderFailed"},
		"a table and a value":                           {chartWith(webMap, map[string]string{"web/values.yaml": "table: {a: b}"}), "RenderFailed"},
		"a patch that fits nothing":                     {map[string]string{"web/kustomization.yaml": "patches: [{path: p.yaml}]", "web/p.yaml": patch}, "RenderFailed"},
	} {
		t.Run(name, func(t *testing.T) {
			c.files["v.yaml"] = sealed
			got := outcome(Render(t.Context(), folder(c.files), Options{Path: "web", Keys: alice.ageKeys(), Helm: Helm{ValuesFiles: []string{"v.yaml"}}}))
			if strings.Contains(got, "hunter2") || !strings.HasPrefix(got, c.want) {
				t.Errorf("got %s", got)
			}
		})
	}
}
