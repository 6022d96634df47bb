package applier

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
)

// Scenario 23: a Kustomize overlay, with a base, a component, a generator, a patch and a
// replacement, reaches the cluster as the objects that it renders to.
func TestAnOverlayReachesTheClusterAsItRenders(t *testing.T) {
	w := newProject(t, "")
	w.write("base/web.yaml", strings.ReplaceAll(deployment, ", namespace: NS", "")+"---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{name: http, port: 80}]}\n")
	w.write("base/kustomization.yaml", "resources: [web.yaml]\n")
	w.write("debug/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nconfigMapGenerator: [{name: debug, literals: [level=debug]}]\n"+
		"patches: [{target: {kind: Deployment}, patch: '[{\"op\": \"add\", \"path\": \"/spec/template/metadata/annotations\", \"value\": {\"debug\": \"yes\"}}]'}]\n")
	w.write("deploy/replicas.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n")
	w.write("deploy/kustomization.yaml", `namespace: NS
namePrefix: eu-
resources: [namespace.yaml, ../base]
components: [../debug]
images: [{name: registry.example/web, newTag: "2"}]
configMapGenerator: [{name: settings, literals: [host=unset]}]
patches: [{path: replicas.yaml}]
replacements:
- source: {kind: Service, name: web, fieldPath: metadata.name}
  targets: [{select: {kind: ConfigMap, name: settings}, fieldPaths: [data.host]}]
`)
	commit := w.commit("declare an overlay")
	w.follow()
	w.applied(commit)
	w.isAsRendered(desired.Options{Path: "deploy"}, w.home,
		"ConfigMap NS/eu-debug-#", "ConfigMap NS/eu-settings-#", "Deployment NS/eu-web", "Namespace /NS", "Service NS/eu-web")
	for field, want := range map[string]string{".spec.replicas": "3", ".spec.template.spec.containers[0].image": "registry.example/web:2", ".spec.template.metadata.annotations.debug": "yes"} {
		if got := w.get("deployment/eu-web", field); got != want {
			t.Errorf("eu-web's %s is %q, not %q", field, got, want)
		}
	}
}

// Scenario 23: a chart, with a file of values, a chart inside, a CRD and one of its kind,
// and hooks, reaches the cluster as the objects that it renders to. Hooks that install
// are objects like others, those that clean up or test are left out
// (docs/decisions/0009-helm-hooks.md).
func TestAChartReachesTheClusterAsItRenders(t *testing.T) {
	w := newProject(t, "")
	group := named("gadgets") + ".example.com"
	w.chart()
	w.remove("deploy/templates/db.yaml")
	w.write("deploy/values.yaml", "level: info\nreplicas: 1\ncache: {size: 1}\n")
	w.write("values/prod.yaml", "level: warn\ncache: {size: 5}\n")
	w.write("deploy/templates/app.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-app'}\ndata: {level: {{ .Values.level }}, in: {{ .Release.Namespace }}}\n")
	w.write("deploy/templates/gadget.yaml", "apiVersion: "+group+"/v1\nkind: Gadget\nmetadata: {name: first}\nspec: {size: {{ .Values.replicas }}}\n")
	w.write("deploy/charts/cache/Chart.yaml", "apiVersion: v2\nname: cache\nversion: 0.1.0\n")
	w.write("deploy/charts/cache/templates/cache.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-cache'}\ndata: {size: {{ .Values.size | quote }}}\n")
	w.write("deploy/crds/gadget.yaml", gadgets(group))
	for name, hook := range map[string]string{"prepare": "pre-install,pre-upgrade", "announce": "post-install", "clean": "post-delete", "undo": "pre-rollback", "ping": "test"} {
		w.write("deploy/templates/"+name+".yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "+name+", annotations: {helm.sh/hook: '"+hook+"'}}\n")
	}
	commit := w.commit("declare a chart")
	w.follow("helm: {releaseName: shop, namespace: NS, valuesFiles: [values/prod.yaml]}")
	w.applied(commit)
	w.isAsRendered(desired.Options{Path: "deploy", Helm: desired.Helm{ReleaseName: "shop", Namespace: w.namespace, ValuesFiles: []string{"values/prod.yaml"}}}, w.namespace,
		"ConfigMap NS/announce", "ConfigMap NS/prepare", "ConfigMap NS/shop-app", "ConfigMap NS/shop-cache",
		"CustomResourceDefinition /gadgets."+group, "Gadget NS/first", "Namespace /NS")
	if got := w.get("configmap/shop-app", ".data"); got != `{"in":"`+w.namespace+`","level":"warn"}` {
		t.Errorf("the chart's ConfigMap holds %s", got)
	}
	if got := w.get("configmap/shop-cache", ".data.size"); got != "5" {
		t.Errorf("the inner chart's size is %q", got)
	}
}

// Without spec.helm a chart is released under the sync's name into the sync's namespace.
func TestAChartIsReleasedIntoTheSyncsNamespace(t *testing.T) {
	w := newProject(t, "")
	w.home = w.namespace
	declare(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+w.namespace+"}\n")
	w.chart()
	w.remove("deploy/templates/namespace.yaml")
	w.write("deploy/templates/db.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\ndata: {in: {{ .Release.Namespace }}}\n")
	commit := w.commit("declare a chart")
	w.follow()
	w.applied(commit)
	if got := w.get("configmap/"+w.sync, ".data.in"); got != w.namespace {
		t.Errorf("the chart was released into %q", got)
	}
}

func gadgets(group string) string {
	return `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.` + group + `}
spec:
  group: ` + group + `
  scope: Namespaced
  names: {kind: Gadget, plural: gadgets, singular: gadget, listKind: GadgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
`
}

// isAsRendered renders the work tree and expects exactly these objects, each in the
// cluster with every field that it renders to. "NS" stands for the namespace, "#" for
// a hash of the content.
func (w *project) isAsRendered(o desired.Options, namespace string, want ...string) {
	w.t.Helper()
	set, err := desired.Render(w.t.Context(), os.DirFS(w.repo.Dir), o)
	if err != nil {
		w.t.Fatal(err)
	}
	c := here.Client(w.t, "admin")
	var rendered []string
	for _, object := range set.Objects {
		live := &unstructured.Unstructured{}
		live.SetGroupVersionKind(object.GroupVersionKind())
		key := client.ObjectKeyFromObject(object)
		if scoped := slices.Contains([]string{"Namespace", "CustomResourceDefinition"}, object.GetKind()); key.Namespace == "" && !scoped {
			key.Namespace = namespace
		}
		if err := c.Get(context.Background(), key, live); err != nil {
			w.t.Errorf("what %s declares: %v", object.Source, err)
			continue
		}
		name, hash, _ := strings.Cut(key.Name, "-")
		if at := strings.LastIndexByte(key.Name, '-'); object.GetKind() == "ConfigMap" && strings.HasPrefix(key.Name, "eu-") && at > 0 {
			name, hash = key.Name[:at]+"-#", ""
		} else if hash != "" {
			name += "-" + hash
		}
		rendered = append(rendered, fmt.Sprintf("%s %s/%s", object.GetKind(), key.Namespace, name))
		if wrong := missing(jsonOf(w.t, object.Object), jsonOf(w.t, live.Object), ""); len(wrong) > 0 {
			w.t.Errorf("%s %s is not as it renders:\n%s", object.GetKind(), key, strings.Join(wrong, "\n"))
		}
		if got, want := live.GetLabels()[v1alpha1.LabelSync], v1alpha1.SyncLabel(w.home, w.sync); got != want {
			w.t.Errorf("%s %s is marked as of %q, not %q", object.GetKind(), key, got, want)
		}
	}
	slices.Sort(rendered)
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "NS", w.namespace)
	}
	if diff := cmp.Diff(want, rendered); diff != "" {
		w.t.Errorf("the objects (-want +got):\n%s", diff)
	}
	s := w.await("the sync", func(*v1alpha1.GitSync) error { return nil })
	if got := len(s.Status.Inventory.Entries); got != len(want) {
		w.t.Errorf("the inventory lists %d objects, not %d", got, len(want))
	}
}

func jsonOf(t *testing.T, object any) any {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// missing lists where a live value lacks what is declared; it may have more keys.
func missing(declared, live any, path string) (wrong []string) {
	switch d := declared.(type) {
	case map[string]any:
		l, _ := live.(map[string]any)
		for key, value := range d {
			wrong = append(wrong, missing(value, l[key], path+"."+key)...)
		}
		return wrong
	case []any:
		l, _ := live.([]any)
		if len(l) != len(d) {
			return []string{fmt.Sprintf("%s has %d items, not %d", path, len(l), len(d))}
		}
		for i := range d {
			wrong = append(wrong, missing(d[i], l[i], fmt.Sprintf("%s[%d]", path, i))...)
		}
		return wrong
	}
	if declared != nil && !cmp.Equal(declared, live) {
		return []string{fmt.Sprintf("%s is %v, not %v", path, live, declared)}
	}
	return nil
}
