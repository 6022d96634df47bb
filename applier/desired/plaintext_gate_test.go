package desired

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getsops/sops/v3"
	"github.com/google/go-cmp/cmp"
)

// planted is the secret value of these tests, and where it may not be seen.
const planted = "hunter2"

// gated tells what became of a folder: the errors' texts, or the objects that are
// decrypted.
func gated(t *testing.T, files map[string]string, o Options) (decrypted []string, wrong string) {
	t.Helper()
	set, err := Render(context.Background(), treeOf(files), o)
	if err != nil {
		for _, one := range leaves(err) {
			if typed := (*Error)(nil); !errors.As(one, &typed) {
				t.Errorf("%v is no *Error", one)
			}
		}
		return nil, err.Error()
	}
	for _, object := range set.Objects {
		if object.Decrypted {
			decrypted = append(decrypted, title(object.Unstructured))
		}
	}
	return decrypted, ""
}

type gateCase struct {
	files     map[string]string
	helm      Helm
	decrypted []string
	want      []string
}

func (c gateCase) run(t *testing.T, keys Keys) {
	t.Helper()
	decrypted, wrong := gated(t, c.files, Options{Keys: keys, Helm: c.helm})
	if diff := cmp.Diff(strings.Join(c.want, "\n"), wrong); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	for i, title := range decrypted {
		decrypted[i] = withoutHash(title)
	}
	if diff := cmp.Diff(c.decrypted, decrypted); diff != "" {
		t.Errorf("decrypted (-want +got):\n%s", diff)
	}
	if strings.Contains(wrong, planted) {
		t.Errorf("the errors show the value:\n%s", wrong)
	}
}

func TestSecretsOfPlainYAML(t *testing.T) {
	alice := newPerson(t, "alice")
	whole, only := encrypting{to: []person{alice}}, encrypting{to: []person{alice}, meta: flux}
	for name, test := range map[string]gateCase{
		"an encrypted Secret": {files: map[string]string{"db.yaml": only.file(t, sopsYAML, secretYAML), "web.yaml": configMap("web", "a: b")},
			decrypted: []string{"Secret prod/db"}},
		"a Secret encrypted whole": {files: map[string]string{"db.yaml": whole.file(t, sopsYAML, secretYAML)}, decrypted: []string{"Secret prod/db"}},
		"a Secret encrypted whole but for a suffix": {
			files: map[string]string{"db.yaml": whole.file(t, sopsYAML, strings.ReplaceAll(secretYAML, "user:", "user_unencrypted:"))},
			want:  []string{"db.yaml (Secret prod/db) stringData.user_unencrypted" + readable}},
		"a Secret with base64": {files: map[string]string{"db.yaml": only.file(t, sopsYAML, "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata: {a: aHVudGVyMg==}\n")},
			decrypted: []string{"Secret db"}},
		"several in one file": {files: map[string]string{"db.yaml": only.file(t, sopsYAML, secretYAML+"---\n"+strings.ReplaceAll(secretYAML, "name: db", "name: cache"))},
			decrypted: []string{"Secret prod/cache", "Secret prod/db"}},
		"JSON":   {files: map[string]string{"db.json": only.file(t, sopsJSON, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db"},"stringData":{"a":"hunter2"}}`)}, decrypted: []string{"Secret db"}},
		"a list": {files: map[string]string{"db.yaml": only.file(t, sopsYAML, "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: db}\n  stringData: {a: hunter2}\n")}, decrypted: []string{"Secret db"}},
		"an encrypted ConfigMap": {files: map[string]string{"web.yaml": only.file(t, sopsYAML, configMap("web", "a: hunter2"))},
			decrypted: []string{"ConfigMap web"}},
		"a Secret without values":       {files: map[string]string{"db.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ntype: kubernetes.io/service-account-token\n"}},
		"one that is not encrypted":     {files: map[string]string{"db.yaml": secretYAML}, want: []string{"db.yaml (Secret prod/db) stringData.password" + readable, "db.yaml (Secret prod/db) stringData.user" + readable}},
		"one in a list":                 {files: map[string]string{"db.yaml": "apiVersion: v1\nkind: SecretList\nitems:\n- metadata: {name: db}\n  stringData: {a: hunter2}\n"}, want: []string{"db.yaml (Secret db) stringData.a" + readable}},
		"one beside an encrypted one":   {files: map[string]string{"a.yaml": strings.ReplaceAll(secretYAML, "name: db", "name: a"), "db.yaml": only.file(t, sopsYAML, secretYAML)}, want: []string{"a.yaml (Secret prod/a) stringData.password" + readable, "a.yaml (Secret prod/a) stringData.user" + readable}},
		"one that is encrypted in part": {files: map[string]string{"db.yaml": encrypting{to: []person{alice}, meta: func(m *sops.Metadata) { m.EncryptedRegex = "^user$" }}.file(t, sopsYAML, secretYAML)}, want: []string{"db.yaml (Secret prod/db) stringData.password" + readable}},
		"cipher text that is none": {
			files: map[string]string{"db.yaml": encrypting{to: []person{alice}, meta: func(m *sops.Metadata) { m.EncryptedRegex = "^user$" }}.file(t, sopsYAML,
				strings.Replace(secretYAML, "hunter2", "ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str]", 1))},
			want: []string{"db.yaml (Secret prod/db) stringData.password: " + errStrayCipherText.Error()}},
		"a copy that kubectl left": {
			files: map[string]string{"db.yaml": "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: '{\"kind\":\"Secret\",\"stringData\":{\"a\":\"hunter2\"}}'\n"},
			want:  []string{"db.yaml (Secret db) metadata.annotations.kubectl.kubernetes.io/last-applied-configuration" + readable}},
	} {
		t.Run(name, func(t *testing.T) { test.run(t, alice.ageKeys()) })
	}
}

func configMap(name, data string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n    name: " + name + "\ndata:\n    " + data + "\n"
}

func TestSecretsOfKustomize(t *testing.T) {
	alice := newPerson(t, "alice")
	whole, only := encrypting{to: []person{alice}}, encrypting{to: []person{alice}, meta: flux}
	generator := func(sources string) string {
		return "resources: [web.yaml]\nsecretGenerator:\n- name: db\n" + sources
	}
	web := configMap("web", "a: b")
	secret := only.file(t, sopsYAML, secretYAML)
	for name, test := range map[string]gateCase{
		"an encrypted resource": {files: map[string]string{"kustomization.yaml": "resources: [db.yaml]\nnamePrefix: my-\n", "db.yaml": secret}, decrypted: []string{"Secret prod/my-db"}},
		"a generator of an encrypted dotenv file": {files: map[string]string{"kustomization.yaml": generator("  envs: [db.env]\n"), "web.yaml": web,
			"db.env": whole.file(t, sopsDotenv, "PASSWORD=hunter2\nUSER=web\n")}, decrypted: []string{"Secret db-#"}},
		"a generator of a dotenv file that is encrypted whole": {files: map[string]string{"kustomization.yaml": generator("  envs: [db.env]\n"), "web.yaml": web,
			"db.env": whole.file(t, sopsBinary, "PASSWORD=hunter2\nUSER=web\n")}, decrypted: []string{"Secret db-#"}},
		"a generator of encrypted files": {files: map[string]string{"kustomization.yaml": generator("  files: [tls.key, config.json, my.yaml=values.yaml]\n"), "web.yaml": web,
			"tls.key": whole.file(t, sopsBinary, "hunter2"), "config.json": whole.file(t, sopsJSON, `{"a": "hunter2"}`), "values.yaml": whole.file(t, sopsYAML, "a: hunter2\n")},
			decrypted: []string{"Secret db-#"}},
		"a generator without a hash": {files: map[string]string{"kustomization.yaml": generator("  envs: [db.env]\ngeneratorOptions: {disableNameSuffixHash: true}\n"), "web.yaml": web,
			"db.env": whole.file(t, sopsDotenv, "PASSWORD=hunter2\n")}, decrypted: []string{"Secret db"}},
		"an encrypted patch": {files: map[string]string{"kustomization.yaml": "resources: [db.yaml]\npatches: [{path: patch.yaml}]\n", "db.yaml": secret,
			"patch.yaml": only.file(t, sopsYAML, strings.ReplaceAll(secretYAML, "hunter2", "swordfish"))}, decrypted: []string{"Secret prod/db"}},
		"a base below": {files: map[string]string{"kustomization.yaml": "resources: [base]\nnamespace: prod\n", "base/kustomization.yaml": generator("  envs: [db.env]\n"), "base/web.yaml": web,
			"base/db.env": whole.file(t, sopsDotenv, "PASSWORD=hunter2\n")}, decrypted: []string{"Secret prod/db-#"}},
		"a generator of literals": {files: map[string]string{"kustomization.yaml": generator("  literals: [password=hunter2]\n"), "web.yaml": web},
			want: []string{"kustomization.yaml (Secret db) secretGenerator.literals.password" + readable}},
		"a generator of a plain dotenv file": {files: map[string]string{"kustomization.yaml": generator("  envs: [db.env]\n"), "web.yaml": web, "db.env": "PASSWORD=hunter2\nEMPTY=\n"},
			want: []string{"kustomization.yaml (Secret db) data.PASSWORD" + readable}},
		"a generator of a plain file beside an encrypted one": {files: map[string]string{"kustomization.yaml": generator("  envs: [db.env]\n  files: [ca.crt]\n"), "web.yaml": web,
			"db.env": whole.file(t, sopsDotenv, "PASSWORD=hunter2\n"), "ca.crt": "swordfish"},
			want: []string{"kustomization.yaml (Secret db) data.ca.crt" + readable}},
		"a plain resource": {files: map[string]string{"kustomization.yaml": "resources: [db.yaml]\n", "db.yaml": secretYAML},
			want: []string{"db.yaml (Secret prod/db) stringData.password" + readable, "db.yaml (Secret prod/db) stringData.user" + readable}},
		"a plain patch of an encrypted Secret": {files: map[string]string{"kustomization.yaml": "resources: [db.yaml]\npatches: [{path: patch.yaml}]\n", "db.yaml": secret, "patch.yaml": secretYAML},
			want: []string{"patch.yaml (Secret prod/db) stringData.password" + readable, "patch.yaml (Secret prod/db) stringData.user" + readable}},
		"an inline patch": {files: map[string]string{"kustomization.yaml": "resources: [db.yaml]\npatches:\n- patch: |\n    apiVersion: v1\n    kind: Secret\n    metadata: {name: db, namespace: prod}\n    stringData: {extra: hunter2}\n", "db.yaml": secret},
			want: []string{"kustomization.yaml (Secret prod/db) stringData.extra" + readable}},
		"a patch of operations in a file": {files: map[string]string{"kustomization.yaml": "resources: [db.yaml]\npatches: [{path: patch.yaml, target: {kind: Secret}}]\n", "db.yaml": secret,
			"patch.yaml": "- {op: add, path: /stringData/extra, value: hunter2}\n"},
			want: []string{"db.yaml (Secret prod/db) stringData.extra" + readable}},
		"a replacement from a ConfigMap": {files: map[string]string{
			"kustomization.yaml": "resources: [db.yaml, web.yaml]\nreplacements:\n- source: {kind: ConfigMap, fieldPath: data.a}\n  targets: [{select: {kind: Secret}, fieldPaths: [stringData.user]}]\n",
			"db.yaml":            secret, "web.yaml": configMap("web", "a: hunter2")},
			want: []string{"db.yaml (Secret prod/db) stringData.user" + readable}},
		"a replacement into a ConfigMap": {files: map[string]string{
			"kustomization.yaml": "resources: [db.yaml, web.yaml]\nreplacements:\n- source: {kind: Secret, fieldPath: stringData.user}\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.a]}]\n",
			"db.yaml":            secret, "web.yaml": web}, decrypted: []string{"ConfigMap web", "Secret prod/db"}},
		"a tampered dotenv file": {files: map[string]string{"kustomization.yaml": generator("  envs: [db.env]\n"), "web.yaml": web,
			"db.env": replaceFirst(t, whole.file(t, sopsDotenv, "PASSWORD=hunter2\nUSER=web\n"), `USER=.*\n`, "")},
			want: []string{"db.env: " + errMAC.Error()}},
	} {
		t.Run(name, func(t *testing.T) { test.run(t, alice.ageKeys()) })
	}
}

func TestSecretsOfHelm(t *testing.T) {
	alice := newPerson(t, "alice")
	values := encrypting{to: []person{alice}}.file(t, sopsYAML, "password: hunter2\nport: 5432\ntls: true\nnested: {a: hunter2, b: web}\n")
	chart := func(more map[string]string) map[string]string {
		files := map[string]string{
			"Chart.yaml":             "apiVersion: v2\nname: db\nversion: 1.0.0\n",
			"values.yaml":            "user: web\n",
			"templates/web.yaml":     configMap("web", "a: b"),
			"clusters/secrets.yaml":  values,
			"examples/secret.yaml":   secretYAML,
			"templates/_helpers.tpl": `{{- define "pass" }}{{ .Values.password | quote }}{{ end }}`,
		}
		maps.Copy(files, more)
		return files
	}
	secret := func(data string) map[string]string {
		return chart(map[string]string{"templates/secret.yaml": "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ .Release.Name }}\n" + data})
	}
	helm := Helm{ReleaseName: "db", Namespace: "prod", ValuesFiles: []string{"clusters/secrets.yaml"}}
	for name, test := range map[string]gateCase{
		"values that are encrypted": {files: secret("stringData:\n  a: {{ .Values.password }}\n  b: {{ include \"pass\" . }}\n  c: {{ .Values.port | quote }}\ndata:\n  d: {{ .Values.password | b64enc }}\n"),
			helm: helm, decrypted: []string{"Secret db"}},
		"values within a text": {files: secret("stringData:\n  url: postgres://{{ .Values.user }}:{{ .Values.password }}@db\n"), helm: helm, decrypted: []string{"Secret db"}},
		"values in a loop":     {files: secret("stringData:\n{{- range $k, $v := .Values.nested }}\n  {{ $k }}: {{ $v }}\n{{- end }}\n"), helm: helm, decrypted: []string{"Secret db"}},
		"a hash in an annotation": {files: secret("  annotations: {sum: {{ .Values.password | sha256sum | quote }}}\nstringData:\n  a: {{ .Values.password }}\n"),
			helm: helm, decrypted: []string{"Secret db"}},
		"a Secret without values": {files: secret("stringData:\n  a: {{ .Values.none | default \"\" | quote }}\n"), helm: helm},
		"a plain value beside an encrypted one": {files: secret("stringData:\n  a: {{ .Values.password }}\n  b: {{ .Values.user }}\n"), helm: helm,
			want: []string{"templates/secret.yaml (Secret db) stringData.b" + readable}},
		"a literal": {files: secret("stringData:\n  a: hunter2\n"), helm: helm, want: []string{"templates/secret.yaml (Secret db) stringData.a" + readable}},
		"a default instead of the value": {files: secret("stringData:\n  a: {{ .Values.none | default \"hunter2\" }}\n"), helm: helm,
			want: []string{"templates/secret.yaml (Secret db) stringData.a" + readable}},
		"no encrypted values at all": {files: secret("stringData:\n  a: {{ .Values.user }}\n"), helm: Helm{ReleaseName: "db", Namespace: "prod"},
			want: []string{"templates/secret.yaml (Secret db) stringData.a" + readable}},
		"an encrypted truth value": {files: secret("stringData:\n  a: {{ .Values.tls | quote }}\n"), helm: helm,
			want: []string{"templates/secret.yaml (Secret db) stringData.a" + readable}},
		"a Secret that is there for one value only": {files: secret("{{ if eq .Values.password \"hunter2\" }}\nstringData:\n  a: swordfish\n{{ end }}\n"), helm: helm,
			want: []string{"templates/secret.yaml (Secret db) stringData.a: " + errUntraced.Error()}},
		"a chart that takes one value only": {files: secret("{{ if ne .Values.password \"hunter2\" }}{{ fail .Values.password }}{{ end }}\nstringData:\n  a: {{ .Values.password }}\n"), helm: helm,
			want: []string{"templates/secret.yaml (Secret db) stringData.a: " + errUntraced.Error()}},
	} {
		t.Run(name, func(t *testing.T) { test.run(t, alice.ageKeys()) })
	}
}

// TestNoErrorShowsAValue breaks folders with a planted value in every way that is
// known, and looks for the value in what is said.
func TestNoErrorShowsAValue(t *testing.T) {
	alice := newPerson(t, "alice")
	whole, only := encrypting{to: []person{alice}}, encrypting{to: []person{alice}, meta: flux}
	secret := only.file(t, sopsYAML, secretYAML)
	chart := map[string]string{"Chart.yaml": "apiVersion: v2\nname: db\nversion: 1.0.0\n", "values.yaml": whole.file(t, sopsYAML, "password: hunter2\nnumber: 7\n")}
	templates := []string{
		"{{ fail .Values.password }}", "{{ .Values.password | toJson | fromYaml }}", "a: {{ .Values.password }}: b", "{{ .Values.password.a }}",
		"{{ required .Values.password .Values.none }}", "{{ include .Values.password . }}", "{{ tpl (print \"{{\" .Values.password) . }}",
		"{{ mustToDate .Values.password .Values.password }}", "{{ index .Values.password 9 }}", "{{ .Values.password | int | add \"hunter2\" }}", "{{ genPrivateKey .Values.password }}",
		"apiVersion: v1\nkind: {{ .Values.password }}\nmetadata: {name: [{{ .Values.password }}]}\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Values.password }}, labels: [{{ .Values.password }}]}\n",
	}
	folders := []map[string]string{
		{"a.env": whole.file(t, sopsDotenv, "A=hunter2\n"), "kustomization.yaml": "secretGenerator: [{name: db, envs: [a.env], files: [none]}]\n"},
		{"a.txt": whole.file(t, sopsBinary, "hunter2"), "kustomization.yaml": "secretGenerator: [{name: db, files: [a.txt, a.txt]}]\n"},
		{"db.yaml": secret, "kustomization.yaml": "resources: [db.yaml]\npatches: [{target: {kind: Secret}, patch: '[{\"op\": \"test\", \"path\": \"/stringData/password\", \"value\": \"x\"}]'}]\n"},
		{"db.yaml": whole.file(t, sopsBinary, "apiVersion: v1\nkind: Secret\nhunter2\n"), "kustomization.yaml": "resources: [db.yaml]\n"},
		{"db.yaml": whole.file(t, sopsBinary, "hunter2: [\n")},
		{"db.yaml": whole.file(t, sopsYAML, "apiVersion: hunter2/hunter2/v1\nkind: Secret\nmetadata: {name: db}\n")},
		{"db.yaml": whole.file(t, sopsYAML, "apiVersion: v1\nkind: Secret\nmetadata: {name: 7, hunter2: hunter2}\n")},
		{"a.yaml": secret, "b.yaml": secret},
		{"db.yaml": secretYAML + "broken: [hunter2\n"},
		{"db.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData:\n  password hunter2:\n  'password: hunter2': a\n"},
		{"db.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: hunter2 hunter2}\nstringData: hunter2\n"},
		{"db.env": whole.file(t, sopsDotenv, "A=hunter2\n") + "hunter2\n", "kustomization.yaml": "secretGenerator: [{name: db, envs: [db.env]}]\n"},
	}
	for _, template := range templates {
		folder := maps.Clone(chart)
		folder["templates/a.yaml"] = template
		folders = append(folders, folder)
	}
	for _, keys := range []Keys{alice.ageKeys(), newPerson(t, "bob").ageKeys(), {}} {
		for _, folder := range folders {
			_, err := Render(context.Background(), treeOf(folder), Options{Keys: keys, Helm: Helm{ReleaseName: "db"}})
			if text := textOf(err); err == nil || strings.Contains(text, planted) || strings.Contains(text, alice.age.String()) {
				t.Errorf("%v says %q", slices.Sorted(maps.Keys(folder)), text)
			}
		}
	}
}
