package history

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/applier/desired"
)

// edits are commits one after the other: a subject, and files that it writes; "" removes one.
type edits []struct {
	subject string
	files   folder
}

func (e edits) made() *made {
	m, files := &made{}, folder{}
	last := 0
	for _, one := range e {
		maps.Copy(files, one.files)
		maps.DeleteFunc(files, func(_, content string) bool { return content == "" })
		var parents []int
		if last > 0 {
			parents = []int{last}
		}
		last = m.commit(one.subject, files, parents...)
	}
	return m
}

func opsOptions() desired.Options {
	return desired.Options{Path: "ops", Encrypted: true, Helm: desired.Helm{ReleaseName: "shop", Namespace: "prod"}}
}

// told asks for every change, and returns kinds and subjects, newest first.
func told(t *testing.T, m *made, object Object) []string {
	t.Helper()
	h := &History{Repository: m.open(t), Options: opsOptions()}
	answer, err := h.All(t.Context(), Question{Object: object, Commit: m.head})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range answer.Changes {
		all = append(all, string(c.Kind)+" "+c.Subject)
	}
	return all
}

func of(kind, name string) Object {
	object := Object{Kind: kind, Namespace: "prod", Name: name, Default: "prod"}
	if kind == "Deployment" {
		object.Group = "apps"
	}
	return object
}

const (
	begin   = "begin"
	overlay = "resources: [../base]\nnamespace: prod\n"
)

func shopBase() folder {
	return folder{
		"base/kustomization.yaml": "resources: [web.yaml, db.yaml]\n",
		"base/web.yaml":           deployment("web", "db"),
		"base/db.yaml":            configMap("db"),
		"ops/kustomization.yaml":  overlay,
	}
}

func with(files folder, more folder) folder {
	files = maps.Clone(files)
	maps.Copy(files, more)
	return files
}

func n(content, value string) string { return strings.ReplaceAll(content, "n0", value) }

func TestEachCommitThatChangedTheObjectIsTold(t *testing.T) {
	merging := overlay + "configMapGenerator:\n- {name: db, behavior: merge, literals: [a=b]}\n"
	patched := overlay + "patches:\n- path: patch.yaml\n"
	patch := "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  annotations: {patched: n0}\n"
	chart := beginHelm(nil)
	tests := []struct {
		name   string
		edits  edits
		object Object
		want   []string
	}{
		{"a value of the file", edits{{begin, folder{"ops/a.yaml": configMap("db")}}, {"edit", folder{"ops/a.yaml": n(configMap("db"), "n1")}}},
			of("ConfigMap", "db"), []string{"Changed edit", "Added begin"}},
		{"another object of the same file does not count",
			edits{{begin, folder{"ops/a.yaml": join(configMap("db"), configMap("web"))}}, {"edit", folder{"ops/a.yaml": join(configMap("db"), n(configMap("web"), "n1"))}}},
			of("ConfigMap", "db"), []string{"Added begin"}},
		{"comments, order and quotes do not count",
			edits{{begin, folder{"ops/a.yaml": configMap("db")}}, {"tidy", folder{"ops/a.yaml": "# the database\nkind: ConfigMap\napiVersion: 'v1'\ndata: {key: \"n0\"}\nmetadata: {name: db}\n"}}},
			of("ConfigMap", "db"), []string{"Added begin"}},
		{"that git names the sync's namespace does not count",
			edits{{begin, folder{"ops/a.yaml": configMap("db")}}, {"name it", folder{"ops/a.yaml": configMap("db", "  namespace: prod\n")}}},
			of("ConfigMap", "db"), []string{"Added begin"}},
		{"a file that is renamed does not count",
			edits{{begin, folder{"ops/a.yaml": configMap("db")}}, {"rename", folder{"ops/a.yaml": "", "ops/sub/b.yaml": configMap("db")}}, {"edit", folder{"ops/sub/b.yaml": n(configMap("db"), "n1")}}},
			of("ConfigMap", "db"), []string{"Changed edit", "Added begin"}},
		{"an object that moves to another file does not count",
			edits{{begin, folder{"ops/a.yaml": join(configMap("db"), configMap("web")), "ops/b.yaml": configMap("other")}},
				{"move", folder{"ops/a.yaml": configMap("web"), "ops/b.yaml": join(configMap("other"), configMap("db"))}}},
			of("ConfigMap", "db"), []string{"Added begin"}},
		{"a revert counts, and the commit that it undoes",
			edits{{begin, folder{"ops/a.yaml": configMap("db")}}, {"edit", folder{"ops/a.yaml": n(configMap("db"), "n1")}}, {"revert", folder{"ops/a.yaml": configMap("db")}}},
			of("ConfigMap", "db"), []string{"Changed revert", "Changed edit", "Added begin"}},
		{"removed and added again",
			edits{{begin, folder{"ops/a.yaml": configMap("db"), "ops/b.yaml": configMap("web")}}, {"remove", folder{"ops/a.yaml": ""}}, {"again", folder{"ops/c.yaml": configMap("db")}}},
			of("ConfigMap", "db"), []string{"Added again", "Removed remove", "Added begin"}},
		{"an object that is gone is asked about",
			edits{{begin, folder{"ops/a.yaml": configMap("db"), "ops/b.yaml": configMap("web")}}, {"remove", folder{"ops/a.yaml": ""}}, {"edit", folder{"ops/b.yaml": n(configMap("web"), "n1")}}},
			of("ConfigMap", "db"), []string{"Removed remove", "Added begin"}},
		{"an object that never was", edits{{begin, folder{"ops/a.yaml": configMap("db")}}}, of("ConfigMap", "none"), nil},
		{"the folder was elsewhere before",
			edits{{"old place", folder{"old/a.yaml": configMap("db")}}, {"move the folder", folder{"old/a.yaml": "", "ops/a.yaml": configMap("db")}}},
			of("ConfigMap", "db"), []string{"Added move the folder"}},
		{"a commit whose file is broken tells nothing",
			edits{{begin, folder{"ops/a.yaml": configMap("db")}}, {"break", folder{"ops/a.yaml": "a: ["}}, {"mend", folder{"ops/a.yaml": configMap("db")}}},
			of("ConfigMap", "db"), []string{"Added begin"}},
		{"what changed while it was broken is the next commit's that renders",
			edits{{begin, folder{"ops/a.yaml": configMap("db")}}, {"break", folder{"ops/a.yaml": "a: ["}}, {"mend", folder{"ops/a.yaml": n(configMap("db"), "n1")}}},
			of("ConfigMap", "db"), []string{"Changed mend", "Added begin"}},
		{"another file's fault does not hide who changed the object",
			edits{{begin, folder{"ops/a.yaml": configMap("db"), "ops/b.yaml": configMap("web")}}, {"break b", folder{"ops/b.yaml": "a: ["}},
				{"edit a", folder{"ops/a.yaml": n(configMap("db"), "n1")}}, {"mend b", folder{"ops/b.yaml": configMap("web")}}},
			of("ConfigMap", "db"), []string{"Changed edit a", "Added begin"}},
		{"a name that YAML spells otherwise",
			edits{{begin, folder{"ops/a.yaml": configMap(`"d\x62"`)}}, {"edit", folder{"ops/a.yaml": n(configMap(`"d\x62"`), "n1")}}},
			of("ConfigMap", "db"), []string{"Changed edit", "Added begin"}},
		{"through a link",
			edits{{begin, folder{"ops/a.yaml": "-> ../shared/db.yaml", "shared/db.yaml": configMap("db")}}, {"edit", folder{"shared/db.yaml": n(configMap("db"), "n1")}}},
			of("ConfigMap", "db"), []string{"Changed edit", "Added begin"}},

		{"Kustomize: a resource of the base", edits{{begin, shopBase()}, {"edit", folder{"base/web.yaml": n(deployment("web", "db"), "n1")}}},
			of("Deployment", "web"), []string{"Changed edit", "Added begin"}},
		{"Kustomize: another resource does not count", edits{{begin, shopBase()}, {"edit", folder{"base/db.yaml": n(configMap("db"), "n1")}}},
			of("Deployment", "web"), []string{"Added begin"}},
		{"Kustomize: a patch", edits{{begin, with(shopBase(), folder{"ops/kustomization.yaml": patched, "ops/patch.yaml": patch})}, {"edit", folder{"ops/patch.yaml": n(patch, "n1")}}},
			of("Deployment", "web"), []string{"Changed edit", "Added begin"}},
		{"Kustomize: an image's tag", edits{{begin, shopBase()}, {"bump", folder{"ops/kustomization.yaml": overlay + "images:\n- {name: registry.example/web, newTag: v2}\n"}}},
			of("Deployment", "web"), []string{"Changed bump", "Added begin"}},
		{"Kustomize: another image's tag does not count", edits{{begin, shopBase()}, {"bump", folder{"ops/kustomization.yaml": overlay + "images:\n- {name: registry.example/api, newTag: v2}\n"}}},
			of("Deployment", "web"), []string{"Added begin"}},
		{"Kustomize: the content of a generator changes the name that is referred to",
			edits{{begin, with(shopBase(), folder{"base/kustomization.yaml": "resources: [web.yaml]\nconfigMapGenerator:\n- {name: db, files: [content.txt]}\n", "base/db.yaml": "", "base/content.txt": "n0"})},
				{"edit", folder{"base/content.txt": "n1"}}},
			of("Deployment", "web"), []string{"Changed edit", "Added begin"}},
		{"Kustomize: a resource that a generator merges with",
			edits{{begin, with(shopBase(), folder{"ops/kustomization.yaml": merging})}, {"edit", folder{"base/db.yaml": n(configMap("db"), "n1")}}},
			of("ConfigMap", "db"), []string{"Changed edit", "Added begin"}},
		{"Kustomize: a resource that asks for a hash changes the name that is referred to",
			edits{{begin, with(shopBase(), folder{"base/db.yaml": configMap("db", "  annotations: {internal.config.kubernetes.io/needsHashSuffix: enabled}\n")})},
				{"edit", folder{"base/db.yaml": n(configMap("db", "  annotations: {internal.config.kubernetes.io/needsHashSuffix: enabled}\n"), "n1")}}},
			of("Deployment", "web"), []string{"Changed edit", "Added begin"}},
		{"Kustomize: a replacement takes a value from another resource",
			edits{{begin, with(shopBase(), folder{"ops/kustomization.yaml": overlay + "replacements:\n- source: {kind: ConfigMap, name: db, fieldPath: data.key}\n" +
				"  targets:\n  - {select: {kind: Deployment}, fieldPaths: [metadata.labels.version]}\n"})},
				{"edit", folder{"base/db.yaml": n(configMap("db"), "n1")}}},
			of("Deployment", "web"), []string{"Changed edit", "Added begin"}},
		{"Kustomize: with a prefix, a reference follows the name of what another file declares",
			edits{{begin, with(shopBase(), folder{"ops/kustomization.yaml": overlay + "namePrefix: eu-\n"})}, {"rename", folder{"base/db.yaml": configMap("other")}}},
			of("Deployment", "eu-web"), []string{"Changed rename", "Added begin"}},
		{"from plain YAML to Kustomize is no change of an object that stays the same",
			edits{{begin, folder{"ops/a.yaml": configMap("db")}}, {"kustomize", folder{"ops/kustomization.yaml": "resources: [a.yaml]\n"}}},
			of("ConfigMap", "db"), []string{"Added begin"}},

		{"Helm: a value", edits{{begin, chart}, {"edit", folder{"ops/values.yaml": "x: n1\ny: n0\n"}}}, of("ConfigMap", "shop-a"), []string{"Changed edit", "Added begin"}},
		{"Helm: a value that the template doesn't use does not count", edits{{begin, chart}, {"edit", folder{"ops/values.yaml": "x: n0\ny: n1\n"}}}, of("ConfigMap", "shop-a"), []string{"Added begin"}},
		{"Helm: its template", edits{{begin, chart}, {"edit", folder{"ops/templates/a.yaml": n(chart["ops/templates/a.yaml"], "n1")}}}, of("ConfigMap", "shop-a"), []string{"Changed edit", "Added begin"}},
		{"Helm: another template does not count", edits{{begin, chart}, {"edit", folder{"ops/templates/b.yaml": n(chart["ops/templates/b.yaml"], "n1") + "more: true\n"}}}, of("ConfigMap", "shop-a"), []string{"Added begin"}},
		{"Helm: a helper", edits{{begin, chart}, {"edit", folder{"ops/templates/_helpers.tpl": n(chart["ops/templates/_helpers.tpl"], "n1")}}}, of("ConfigMap", "shop-a"), []string{"Changed edit", "Added begin"}},
		{"Helm: another template that defines the helper anew",
			edits{{begin, with(chart, folder{"ops/templates/A.yaml": "# nothing\n"})}, {"edit", folder{"ops/templates/A.yaml": `{{ define "shop.key" }}n3{{ end }}` + "\n"}}},
			of("ConfigMap", "shop-a"), []string{"Changed edit", "Added begin"}},
		{"Helm: another template that sets a value",
			edits{{begin, chart}, {"edit", folder{"ops/templates/c-free.yaml": `{{ $_ := set .Values "x" "n3" }}` + "\n" + chart["ops/templates/c-free.yaml"]}}},
			of("ConfigMap", "shop-b"), []string{"Changed edit", "Added begin"}},
		{"Helm: a template that another one takes the sum of",
			edits{{begin, with(chart, folder{"ops/templates/b.yaml": twists("ops/templates/b.yaml", chart["ops/templates/b.yaml"])[2]})},
				{"edit", folder{"ops/templates/c-free.yaml": n(chart["ops/templates/c-free.yaml"], "n1")}}},
			of("ConfigMap", "shop-b"), []string{"Changed edit", "Added begin"}},
		{"Helm: a template that another one includes by a name that is made up",
			edits{{begin, with(chart, folder{"ops/templates/b.yaml": strings.Replace(chart["ops/templates/b.yaml"], "data:\n",
				"data:\n  sum: {{ include (printf \"%s/%s/c-free.yaml\" .Chart.Name \"templates\") . | sha256sum }}\n", 1)})},
				{"edit", folder{"ops/templates/c-free.yaml": n(chart["ops/templates/c-free.yaml"], "n1")}}},
			of("ConfigMap", "shop-b"), []string{"Changed edit", "Added begin"}},
		{"Helm: a subchart's template", edits{{begin, chart}, {"edit", folder{"ops/charts/sub/values.yaml": "x: n1\n"}}}, of("ConfigMap", "shop-d"), []string{"Changed edit", "Added begin"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, told(t, test.edits.made(), test.object)); diff != "" {
				t.Errorf("the changes (-want +got):\n%s", diff)
			}
		})
	}
}
