package history

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
)

// numbers are what an edit changes.
var numbers = regexp.MustCompile(`\bn\d\b`)

func sorted(b byDate) []Change {
	heap.Init(&b)
	var all []Change
	for len(b) > 0 {
		all = append(all, heap.Pop(&b).(Change))
	}
	return all
}

// movable is a file that no other names.
func movable(name string) bool { return strings.Contains(name, "free") }

func configMap(name string, more ...string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\n%sdata:\n  key: n0\n", name, strings.Join(more, ""))
}

func deployment(name, config string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: %s
  labels: {version: n0}
spec:
  template:
    spec:
      containers:
      - name: web
        image: registry.example/%s:n0
        envFrom: [{configMapRef: {name: %s}}]
`, name, name, config)
}

func join(documents ...string) string { return strings.Join(documents, "---\n") }

func beginPlain(random *rand.Rand) folder {
	files := folder{
		"ops/a-free.yaml":        join(deployment("web", "web"), configMap("web")),
		"ops/b-free.yaml":        configMap("db"),
		"ops/sub/c-free.yaml":    configMap("deep"),
		"ops/sub/d-free.json":    `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"json"},"data":{"key":"n0"}}`,
		"ops/.hidden/e.yaml":     configMap("hidden"),
		"ops/notes.txt":          "web n0\n",
		"ops/f-free.yaml":        configMap("\"esc\\u0061ped\""),
		"elsewhere/outside.yaml": configMap("web-outside"),
	}
	if random.IntN(4) == 0 {
		files["ops/linked.yaml"] = "-> ../elsewhere/outside.yaml"
	}
	return files
}

func beginKustomize(random *rand.Rand) folder {
	extra := []string{"", "", "replacements:\n- source: {kind: ConfigMap, name: db, fieldPath: data.key}\n  targets:\n" +
		"  - select: {kind: Deployment, name: web}\n    fieldPaths: [metadata.labels.version]\n",
		"vars:\n- {name: KEY, objref: {apiVersion: v1, kind: ConfigMap, name: db}, fieldref: {fieldpath: data.key}}\n"}
	used := "  annotations: {patched: n0, used: $(KEY)}\n"
	generator := []string{"", "  behavior: merge\n"}[random.IntN(2)]
	merged := map[bool]string{true: "db", false: "made"}[generator != ""]
	return folder{
		"ops/kustomization.yaml": "resources: [../base, own.yaml]\nnamespace: prod\nnamePrefix: n0-\n" +
			"patches:\n- path: patch.yaml\nimages:\n- {name: registry.example/web, newTag: n1}\n" +
			"configMapGenerator:\n- name: " + merged + "\n  files: [content.txt]\n" + generator + extra[random.IntN(len(extra))],
		"ops/own.yaml":            configMap("own"),
		"ops/patch.yaml":          "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n" + used,
		"ops/content.txt":         "n0\n",
		"base/kustomization.yaml": "resources: [web.yaml, api.yaml, db.yaml, config.yaml]\n",
		"base/web.yaml":           deployment("web", merged),
		"base/api.yaml":           deployment("api", "config"),
		"base/db.yaml":            configMap("db"),
		"base/config.yaml":        join(configMap("config"), configMap("other")),
	}
}

func beginHelm(*rand.Rand) folder {
	template := func(name, more string) string {
		return strings.Replace(configMap("{{ .Release.Name }}-"+name), "key: n0", "key: n0\n  value: {{ .Values.x | quote }}\n"+more, 1)
	}
	return folder{
		"ops/Chart.yaml":                        "apiVersion: v2\nname: shop\nversion: 1.0.0\ndescription: n0\n",
		"ops/values.yaml":                       "x: n0\ny: n0\n",
		"ops/templates/_helpers.tpl":            `{{ define "shop.key" }}n0{{ end }}` + "\n",
		"ops/templates/a.yaml":                  template("a", `  helped: {{ include "shop.key" . }}`+"\n"),
		"ops/templates/A-free.yaml":             "# nothing\n",
		"ops/templates/b.yaml":                  template("b", ""),
		"ops/templates/c-free.yaml":             template("c", ""),
		"ops/files/note.txt":                    "n0",
		"ops/charts/sub/Chart.yaml":             "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
		"ops/charts/sub/values.yaml":            "x: n0\n",
		"ops/charts/sub/templates/d-free.yaml":  template("d", ""),
		"ops/charts/sub/templates/_helpers.tpl": `{{ define "sub.key" }}n0{{ end }}` + "\n",
	}
}

// twists are other ways to write a file, those by which one reaches another among them.
func twists(name, content string) []string {
	switch {
	case strings.HasSuffix(name, "ops/content.txt"):
		return []string{"n0\nn1\n"}
	case strings.HasPrefix(name, "base/") && strings.Contains(content, "name: config\n"):
		return []string{
			join(configMap("other"), configMap("config")),
			join(configMap("config", "  annotations: {internal.config.kubernetes.io/needsHashSuffix: enabled}\n"), configMap("other")),
			join(configMap("config", "  annotations: {config.kubernetes.io/local-config: \"true\"}\n"), configMap("other")),
			join(configMap("config")),
		}
	case name == "base/db.yaml":
		return []string{
			configMap("db", "  annotations: {internal.config.kubernetes.io/needsHashSuffix: enabled}\n"),
			configMap("db", "  annotations: {n0: n1}\n"),
			configMap("db"),
		}
	case name == "ops/patch.yaml":
		return []string{
			"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n$patch: delete\n",
			"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: api\n  annotations: {patched: n2}\n",
		}
	case strings.HasSuffix(name, "A-free.yaml"):
		return []string{`{{ define "shop.key" }}n3{{ end }}` + "\n", `{{ define "shop.key" }}n2{{ end }}` + "\n", `{{ $_ := set .Values "x" "n3" }}` + "\n", "# nothing\n"}
	case strings.HasSuffix(name, "templates/b.yaml"):
		return []string{
			`{{ $_ := set .Values "x" "n3" }}` + "\n" + content,
			`{{ define "shop.key" }}n3{{ end }}` + "\n" + content,
			strings.Replace(content, "data:\n", "data:\n  sum: {{ include (print $.Template.BasePath \"/c-free.yaml\") . | sha256sum }}\n", 1),
			strings.Replace(content, "data:\n", "data:\n  note: {{ .Files.Get \"files/note.txt\" | quote }}\n", 1),
			strings.Replace(content, "data:\n", "data:\n  t: {{ tpl .Values.y . | quote }}\n", 1),
			strings.Replace(content, "data:\n", "data:\n  s: {{ include \"sub.key\" . }}\n", 1),
		}
	case name == "ops/values.yaml":
		return []string{"x: n0\ny: '{{ .Values.x }}'\n", "x: n1\ny: n0\nsub: {x: n2}\n"}
	}
	return nil
}
