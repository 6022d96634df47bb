package desired

import (
	"fmt"
	"strings"
	"testing"

	"github.com/getsops/sops/v3"
	"github.com/google/go-cmp/cmp"
)

// texts of what Plaintext finds.
func reasonsOf(found []*Error) []string {
	var all []string
	for _, err := range found {
		all = append(all, fmt.Sprintf("%s: %s", err.Reason, err))
	}
	return all
}

const readable = ": is readable in git: encrypt it with SOPS, or declare a SealedSecret or an ExternalSecret; " +
	"and rotate it: a revert does not take it out of history"

func TestPlaintext(t *testing.T) {
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: prod}\n"
	for name, test := range map[string]struct {
		file    string // a.yaml
		content string
		want    []string // objects and keys that are readable
	}{
		"data":                       {content: secret + "data: {password: aHVudGVyMg==, user: d2Vi}\n", want: []string{"(Secret prod/db) data.password", "(Secret prod/db) data.user"}},
		"stringData":                 {content: secret + "stringData:\n  password: hunter2\n", want: []string{"(Secret prod/db) stringData.password"}},
		"no values":                  {content: secret + "type: kubernetes.io/service-account-token\n"},
		"empty values":               {content: secret + "data: {a: '', b: null}\nstringData: {}\n"},
		"a value that is no text":    {content: secret + "stringData: {pin: 1234, on: false, at: 2026-01-02}\n", want: []string{"(Secret prod/db) stringData.at", "(Secret prod/db) stringData.on", "(Secret prod/db) stringData.pin"}},
		"data that is no mapping":    {content: secret + "data: hunter2\n", want: []string{"(Secret prod/db) data"}},
		"data in data":               {content: secret + "data: {a: {b: hunter2}, c: [hunter2]}\n", want: []string{"(Secret prod/db) data.a.b", "(Secret prod/db) data.c"}},
		"a key that may be a value":  {content: secret + "data: {'password: hunter2': x}\n", want: []string{"(Secret prod/db) data"}},
		"a name that may be a value": {content: "apiVersion: v1\nkind: Secret\nmetadata: {name: 'my pass word', namespace: prod}\ndata: {a: x}\n", want: []string{"(Secret) data.a"}},
		"without a namespace":        {content: "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata: {a: x}\n", want: []string{"(Secret db) data.a"}},
		"without a version":          {content: "kind: Secret\nmetadata: {name: db}\ndata: {a: x}\n", want: []string{"(Secret db) data.a"}},
		"the second document":        {content: "kind: ConfigMap\ndata: {a: x}\n---\n" + secret + "data: {a: x}\n", want: []string{"(Secret prod/db) data.a"}},
		"before a broken document":   {content: secret + "data: {a: x}\n---\na: [\n", want: []string{"(Secret prod/db) data.a"}},
		"JSON":                       {file: "a.json", content: `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db"},"data":{"a":"x"}}`, want: []string{"(Secret db) data.a"}},
		"JSON with escapes":          {file: "a.json", content: `{"apiVersion":"v1","kind":"\u0053\u0065cret","metadata":{"name":"db"},"data":{"a":"x"}}`, want: []string{"(Secret db) data.a"}},
		"YAML with a tag":            {content: "apiVersion: v1\nkind: !!binary U2VjcmV0\ndata: {a: x}\n", want: []string{"(Secret) data.a"}},
		"YAML with an anchor":        {content: "kind: &kind Secret\nx: &x {a: x}\ndata: *x\n", want: []string{"(Secret) data.a"}},
		"YAML with a merge":          {content: "x: &x {data: {a: x}}\nkind: Secret\n<<: *x\n", want: []string{"(Secret) data.a"}},
		"a List": {content: "apiVersion: v1\nkind: List\nitems:\n- {kind: ConfigMap, data: {a: x}}\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: db}\n  data: {a: x}\n",
			want: []string{"(Secret db) data.a"}},
		"a List in a List":           {content: "kind: List\nitems: [{kind: List, items: [{kind: Secret, data: {a: x}}]}]\n", want: []string{"(Secret) data.a"}},
		"a SecretList without types": {content: "apiVersion: v1\nkind: SecretList\nitems: [{metadata: {name: db}, data: {a: x}}]\n", want: []string{"(Secret db) data.a"}},
		"what kubectl applied last to a Secret": {content: "kind: Secret\nmetadata: {name: db, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{\"kind\":\"Secret\",\"data\":{\"a\":\"x\"}}'}}\n",
			want: []string{"(Secret db) metadata.annotations.kubectl.kubernetes.io/last-applied-configuration"}},
		"what kubectl applied last, unreadable": {content: "kind: Secret\nmetadata: {name: db, annotations: {kubectl.kubernetes.io/last-applied-configuration: 'hunter2'}}\n",
			want: []string{"(Secret db) metadata.annotations.kubectl.kubernetes.io/last-applied-configuration"}},
		"a Secret's copy on another object": {content: "kind: ConfigMap\nmetadata: {name: db, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{\"kind\":\"Secret\",\"data\":{\"a\":\"x\"}}'}}\n",
			want: []string{"(ConfigMap db) metadata.annotations.kubectl.kubernetes.io/last-applied-configuration"}},
		"a ConfigMap's copy":     {content: "kind: ConfigMap\nmetadata: {name: db, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{\"kind\":\"ConfigMap\",\"data\":{\"a\":\"x\"}}'}}\n"},
		"a Secret of others":     {content: "apiVersion: vault.example/v1\nkind: Secret\nmetadata: {name: db}\ndata: {a: x}\n"},
		"a SealedSecret":         {content: "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: db}\nspec: {encryptedData: {a: AgBx}}\n"},
		"an ExternalSecret":      {content: "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: db}\nspec: {data: [{secretKey: a, remoteRef: {key: b}}]}\n"},
		"a ConfigMap":            {content: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: secret}\ndata: {a: x}\n"},
		"a template":             {content: "kind: Secret\nmetadata: {name: {{ .Release.Name }}}\ndata: {a: {{ .Values.a }}}\n"},
		"no YAML":                {content: "Secret: [\n"},
		"aliases without end":    {content: "kind: Secret\ndata: &a [*a]\n"},
		"a list":                 {content: "- kind: Secret\n"},
		"an alias bomb":          {content: "kind: Secret\na: &a [x,x,x,x,x,x,x,x,x]\n" + bomb() + "data: *i\n"},
		"a file that is no YAML": {file: "Secret.md", content: "# Secret\n\nkind: Secret, always.\n"},
		"literals of a generator": {file: "kustomization.yaml", content: "secretGenerator:\n- name: db\n  namespace: prod\n  literals: [password=hunter2, empty=, 'quoted=\"\"', novalue]\nconfigMapGenerator:\n- literals: [a=b]\n",
			want: []string{"(Secret prod/db) secretGenerator.literals.password"}},
		"literals of a component": {file: "x.yaml", content: "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nsecretGenerator: [{name: db, literals: ['bad key=hunter2']}]\n",
			want: []string{"(Secret db) secretGenerator.literals"}},
		"generators elsewhere": {file: "x.yaml", content: "secretGenerator: [{name: db, literals: [a=b]}]\n"},
		"inline patches": {file: "a/kustomization.yml", content: unindent(`
		patches:
		- path: db.yaml
		- patch: |
		    kind: Secret
		    metadata: {name: db}
		    stringData: {a: hunter2}
		- target: {kind: Secret, name: db}
		  patch: |
		    metadata: {name: any}
		    stringData: {b: hunter2}
		- target: {kind: Secret, name: db}
		  patch: '[{"op": "add", "path": "/data/c", "value": "x"}, {"op": "remove", "path": "/data/d"}, {"op": "add", "path": "/type", "value": "x"}]'
		- target: {kind: ConfigMap, name: db}
		  patch: '[{"op": "add", "path": "/data/e", "value": "x"}]'
		patchesStrategicMerge:
		- db.yaml
		- |
		  kind: Secret
		  data: {f: x}
		patchesJson6902:
		- target: {kind: Secret, name: db}
		  patch: |
		    - {op: replace, path: /stringData, value: {g: hunter2}}
		`), want: []string{"(Secret db) stringData.a", "(Secret any) stringData.b", "(Secret db) data.c", "(Secret db) stringData.g", "(Secret) data.f"}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.file == "" {
				test.file = "a.yaml"
			}
			var want []string
			for _, one := range test.want {
				want = append(want, "PlaintextSecret: "+test.file+" "+one+readable)
			}
			if diff := cmp.Diff(want, reasonsOf(Plaintext(test.file, []byte(test.content)))); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
}

// bomb is nine lines that write out to billions of values.
func bomb() string {
	var text strings.Builder
	for c := 'b'; c <= 'i'; c++ {
		fmt.Fprintf(&text, "%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
	}
	return text.String()
}

func TestPlaintextOfEncryptedFiles(t *testing.T) {
	alice := newPerson(t, "alice")
	to := func(meta func(*sops.Metadata)) encrypting { return encrypting{to: []person{alice}, meta: meta} }
	withCopy := strings.Replace(secretYAML, "    name: db\n",
		"    name: db\n    annotations:\n        kubectl.kubernetes.io/last-applied-configuration: '{\"kind\":\"Secret\",\"data\":{\"a\":\"aHVudGVyMg==\"}}'\n", 1)
	only := to(flux).file(t, sopsYAML, secretYAML)
	for name, test := range map[string]struct {
		file, content string
		want          []string
	}{
		"values encrypted":      {"a.yaml", only, nil},
		"everything encrypted":  {"a.yaml", to(nil).file(t, sopsYAML, secretYAML), nil},
		"a binary file":         {"a.yaml.enc", to(nil).file(t, sopsBinary, secretYAML), nil},
		"JSON":                  {"a.json", to(flux).file(t, sopsJSON, `{"kind":"Secret","data":{"a":"x"}}`), nil},
		"left by regex":         {"a.yaml", to(func(m *sops.Metadata) { m.EncryptedRegex = "^password$" }).file(t, sopsYAML, secretYAML), []string{"PlaintextSecret: a.yaml (Secret prod/db) stringData.user" + readable}},
		"left in an annotation": {"a.yaml", to(flux).file(t, sopsYAML, withCopy), []string{"PlaintextSecret: a.yaml (Secret prod/db) metadata.annotations.kubectl.kubernetes.io/last-applied-configuration" + readable}},
		"added in plain":        {"a.yaml", replaceFirst(t, only, `user: ENC\[.*\]`, "user: web"), []string{"PlaintextSecret: a.yaml (Secret prod/db) stringData.user" + readable}},
		"a document added":      {"a.yaml", only + "---\n" + secretYAML, []string{"PlaintextSecret: a.yaml (Secret prod/db) stringData.password" + readable, "PlaintextSecret: a.yaml (Secret prod/db) stringData.user" + readable}},
		"encrypted literals":    {"kustomization.yaml", to(nil).file(t, sopsYAML, "secretGenerator:\n- name: db\n  literals: [a=hunter2]\n"), nil},
		"metadata removed": {"a.yaml", replaceFirst(t, only, `(?s)sops:.*`, ""), []string{
			"DecryptionFailed: a.yaml (Secret prod/db) stringData.password: " + errStrayCipherText.Error(),
			"DecryptionFailed: a.yaml (Secret prod/db) stringData.user: " + errStrayCipherText.Error()}},
	} {
		t.Run(name, func(t *testing.T) {
			got := reasonsOf(Plaintext(test.file, []byte(test.content)))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
}
