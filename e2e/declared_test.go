package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// step is one patch of a person: of what it is, and whether it goes through.
type step struct {
	what, target, kind, patch string
	denied                    bool
}

// take applies steps in order, as alice: later ones may stand on what earlier ones added.
func take(t *testing.T, ns string, steps []step) {
	t.Helper()
	for _, s := range steps {
		t.Run(s.what, func(t *testing.T) {
			got := kubectl(t, "alice", "-n", ns, "patch", s.target, "--type="+s.kind, "-p", s.patch)
			if !s.denied {
				got.MustAllow(t)
				return
			}
			got.MustDeny(t, v1alpha1.ReasonOutOfBand)
		})
	}
}

// With fields: Declared a person adds, changes and removes what git does not declare, and nothing that it does.
func TestDeclaredFieldsOfCoreKinds(t *testing.T) {
	ns := newNamespace(t, "declared")
	declareShop(t, ns)
	const no = true
	take(t, ns, []step{
		{"add a key to a map", "configmap/settings", "merge", `{"data":{"mine":"1"}}`, false},
		{"change one's own key", "configmap/settings", "merge", `{"data":{"mine":"2"}}`, false},
		{"change a declared key", "configmap/settings", "merge", `{"data":{"color":"red"}}`, no},
		{"change one's own key and a declared one", "configmap/settings", "merge", `{"data":{"mine":"3","color":"red"}}`, no},
		{"remove a declared key", "configmap/settings", "merge", `{"data":{"color":null}}`, no},
		{"remove the map that holds it", "configmap/settings", "json", `[{"op":"remove","path":"/data"}]`, no},
		{"remove one's own key", "configmap/settings", "merge", `{"data":{"mine":null}}`, false},
		{"add a label", "configmap/settings", "merge", `{"metadata":{"labels":{"mine":"1"}}}`, false},
		{"change a declared label", "configmap/settings", "merge", `{"metadata":{"labels":{"app":"mine"}}}`, no},
		{"add an owner, which would have it collected", "configmap/settings", "merge",
			`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"gone","uid":"1-2-3"}]}}`, no},
		{"add a finalizer", "configmap/settings", "merge", `{"metadata":{"finalizers":["alice.example/mine"]}}`, no},
		{"freeze it", "configmap/settings", "merge", `{"immutable":true}`, false},

		{"add an element to a list by key", "deployment/web", "strategic",
			`{"spec":{"template":{"spec":{"containers":[{"name":"mine","image":"registry.example/mine:1"}]}}}}`, false},
		{"change one's own element", "deployment/web", "strategic",
			`{"spec":{"template":{"spec":{"containers":[{"name":"mine","image":"registry.example/mine:2"}]}}}}`, false},
		{"add a field to a declared element", "deployment/web", "strategic",
			`{"spec":{"template":{"spec":{"containers":[{"name":"web","tty":true}]}}}}`, false},
		{"add an element to a list in a declared element", "deployment/web", "strategic",
			`{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"MINE","value":"1"}]}]}}}}`, false},
		{"change a declared element of it", "deployment/web", "strategic",
			`{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"MODE","value":"test"}]}]}}}}`, no},
		{"change a declared field of a declared element", "deployment/web", "strategic",
			`{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"registry.example/web:3"}]}}}}`, no},
		{"remove a declared element", "deployment/web", "strategic",
			`{"spec":{"template":{"spec":{"containers":[{"name":"side","$patch":"delete"}]}}}}`, no},
		{"remove one's own element", "deployment/web", "strategic",
			`{"spec":{"template":{"spec":{"containers":[{"name":"mine","$patch":"delete"}]}}}}`, false},
		{"change an atomic list", "deployment/web", "strategic",
			`{"spec":{"template":{"spec":{"containers":[{"name":"web","args":["serve","--quiet","--debug"]}]}}}}`, no},
		{"set an atomic list that git leaves open", "deployment/web", "strategic",
			`{"spec":{"template":{"spec":{"containers":[{"name":"web","command":["/web"]}]}}}}`, false},
		{"change it", "deployment/web", "strategic",
			`{"spec":{"template":{"spec":{"containers":[{"name":"web","command":["/web","-v"]}]}}}}`, false},
		{"change declared replicas", "deployment/web", "merge", `{"spec":{"replicas":7}}`, no},
		{"name a declared port and add another", "service/web", "strategic",
			`{"spec":{"ports":[{"port":80,"name":"git"},{"port":81,"name":"mine"}]}}`, false},
		{"lead a declared port elsewhere", "service/web", "strategic", `{"spec":{"ports":[{"port":80,"targetPort":9090}]}}`, no},
		{"take a declared port away", "service/web", "json", `[{"op":"remove","path":"/spec/ports/0"}]`, no},
		{"change an atomic map", "service/web", "merge", `{"spec":{"selector":{"mine":"1"}}}`, no},
	})
	kubectl(t, "alice", "-n", ns, "delete", "configmap/settings", "--wait=false").MustDeny(t, v1alpha1.ReasonOutOfBand)
	got := kubectl(t, "admin", "-n", ns, "get", "deployment/web", "-o",
		"jsonpath={.spec.replicas} {.spec.template.spec.containers[*].image} {.spec.template.spec.containers[0].command} {.spec.template.spec.containers[0].env}")
	want := `2 registry.example/web:1 registry.example/side:1 ["/web","-v"] [{"name":"MINE","value":"1"},{"name":"MODE","value":"live"}]`
	if diff := cmp.Diff(want, got.Out); diff != "" {
		t.Errorf("the Deployment (-want +got):\n%s", diff)
	}
}

// The same for a custom resource, whose schema Gitlatch never loads: maps, lists by key, sets, atomic lists and fields
// of no known structure.
func TestDeclaredFieldsOfCustomResources(t *testing.T) {
	ns := newNamespace(t, "declared")
	declare(t, crd("gadgets", "Gadget", "Namespaced"))
	kubectl(t, "admin", "wait", "--for=condition=Established", "crd/gadgets.e2e.example", "--timeout=20s").MustAllow(t)
	declare(t, fmt.Sprintf(`apiVersion: e2e.example/v1
kind: Gadget
metadata: {name: one, namespace: %s}
spec:
  size: 1
  free: {depth: {git: 1}}
  tags: [git, declared]
  whole: [a, b]
  parts:
  - {name: base, value: git}
`, ns))
	const no, one = true, "gadget/one"
	take(t, ns, []step{
		{"add to a set", one, "json", `[{"op":"add","path":"/spec/tags/-","value":"mine"}]`, false},
		{"put one's own into the middle of a set", one, "merge", `{"spec":{"tags":["git","mine","declared","too"]}}`, false},
		{"remove one's own from a set", one, "merge", `{"spec":{"tags":["git","declared","too"]}}`, false},
		{"remove a declared one from a set", one, "merge", `{"spec":{"tags":["git","too"]}}`, no},
		{"empty the set", one, "merge", `{"spec":{"tags":[]}}`, no},
		{"add to an atomic list", one, "merge", `{"spec":{"whole":["a","b","c"]}}`, no},
		{"turn an atomic list around", one, "merge", `{"spec":{"whole":["b","a"]}}`, no},
		{"add to a list by key", one, "json", `[{"op":"add","path":"/spec/parts/0","value":{"name":"mine","value":"1"}}]`, false},
		{"change a declared element behind it", one, "json", `[{"op":"replace","path":"/spec/parts/1/value","value":"mine"}]`, no},
		{"change one's own element", one, "json", `[{"op":"replace","path":"/spec/parts/0/value","value":"2"}]`, false},
		{"remove a declared element", one, "json", `[{"op":"remove","path":"/spec/parts/1"}]`, no},
		{"remove one's own element", one, "json", `[{"op":"remove","path":"/spec/parts/0"}]`, false},
		{"add where there is no structure", one, "merge", `{"spec":{"free":{"mine":true,"depth":{"mine":[1,2]}}}}`, false},
		{"change one's own there", one, "merge", `{"spec":{"free":{"depth":{"mine":"other"}}}}`, false},
		{"change a declared value there", one, "merge", `{"spec":{"free":{"depth":{"git":2}}}}`, no},
		{"remove it", one, "merge", `{"spec":{"free":{"depth":null}}}`, no},
		{"change a number", one, "merge", `{"spec":{"size":2}}`, no},
		{"remove everything", one, "json", `[{"op":"remove","path":"/spec"}]`, no},
	})
	got := kubectl(t, "admin", "-n", ns, "get", one, "-o", "jsonpath={.spec}")
	want := `{"free":{"depth":{"git":1,"mine":"other"},"mine":true},"parts":[{"name":"base","value":"git"}],` +
		`"size":1,"tags":["git","declared","too"],"whole":["a","b"]}`
	if diff := cmp.Diff(want, got.Out); diff != "" {
		t.Errorf("the Gadget (-want +got):\n%s", diff)
	}
	kubectl(t, "alice", "-n", ns, "delete", one, "--wait=false").MustDeny(t, v1alpha1.ReasonOutOfBand)
}

// Templates often leave an empty map behind: git declares none of its keys, and others may set theirs.
func TestEmptyMapsDeclareNoKeys(t *testing.T) {
	ns := newNamespace(t, "declared")
	declare(t, fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bare, namespace: %s, labels: {}, annotations: {}}\ndata: {a: b}\n", ns))
	const no, bare = true, "configmap/bare"
	take(t, ns, []step{
		{"add a label", bare, "merge", `{"metadata":{"labels":{"mine":"1"}}}`, false},
		{"add an annotation", bare, "merge", `{"metadata":{"annotations":{"mine":"1"}}}`, false},
		{"change both", bare, "merge", `{"metadata":{"labels":{"mine":"2"},"annotations":{"mine":"2"}}}`, false},
		{"remove both", bare, "merge", `{"metadata":{"labels":null,"annotations":null}}`, false},
		{"change what git declares", bare, "merge", `{"data":{"a":"mine"}}`, no},
	})
	kubectl(t, operator, "-n", ns, "label", bare, "seen=yes").MustAllow(t)
}

// With objects: Declared, what is not in git belongs to whoever made it.
func TestUndeclaredObjectsAreFree(t *testing.T) {
	ns := newNamespace(t, "declared")
	for _, args := range []string{
		"create configmap mine --from-literal=a=b",
		`patch configmap mine -p {"data":{"a":"c"}}`,
		"label configmap mine team=alice",
		"create deployment mine --image=registry.example/mine",
		"scale deployment mine --replicas=3",
		"set image deployment/mine *=registry.example/mine:2",
		"expose deployment mine --port=80",
		"run mine --image=registry.example/mine",
		"delete deployment,service,configmap,pod mine --wait=false",
	} {
		kubectl(t, "alice", append([]string{"-n", ns}, strings.Fields(args)...)...).MustAllow(t)
	}
	if found := here.Records(t, world.InNamespace(ns)); len(found) > 0 {
		t.Errorf("there are %d records, the first of %+v", len(found), found[0].Spec.Request)
	}
}

// An admitted change takes a path out of the sync's managedFields. It is guarded all the same, until git owns it again.
func TestErodedPathsStayGuarded(t *testing.T) {
	patch := func(user, ns, color string) world.Result {
		return kubectl(t, user, "-n", ns, "patch", "configmap/settings", "-p", `{"data":{"color":"`+color+`"}}`)
	}
	t.Run("after a break-glass window", func(t *testing.T) {
		ns := newNamespace(t, "declared")
		declareShop(t, ns)
		kubectl(t, "oncall", "-n", ns, "annotate", "configmap/settings", "gitlatch.dev/break-glass=INC-42: wrong colour in production").MustAllow(t)
		patch("oncall", ns, "red").MustAllow(t)
		kubectl(t, "oncall", "-n", ns, "annotate", "configmap/settings", "gitlatch.dev/break-glass-").MustAllow(t)
		erodedStaysGuarded(t, ns, patch)
	})
	t.Run("after a warning", func(t *testing.T) {
		ns := newNamespace(t, "warn")
		declareShop(t, ns)
		patch("alice", ns, "red").MustAllow(t)
		declare(t, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {gate: declared}}\n", ns))
		erodedStaysGuarded(t, ns, patch)
	})
}

func erodedStaysGuarded(t *testing.T, ns string, patch func(user, ns, color string) world.Result) {
	t.Helper()
	owner := `{range .metadata.managedFields[?(@.manager=="sync")]}{.fieldsV1.f:data}{end}`
	got := kubectl(t, "admin", "-n", ns, "get", "configmap/settings", "--show-managed-fields", "-o", "jsonpath="+owner)
	if want := `{".":{},"f:motto":{}}`; got.Out != want && got.Out != `{"f:motto":{}}` {
		t.Fatalf("the sync still owns %s, want %s: nothing eroded", got.Out, want)
	}
	patch("bob", ns, "black").MustDeny(t, v1alpha1.ReasonOutOfBand)
	kubectl(t, "bob", "-n", ns, "patch", "configmap/settings", "-p", `{"data":{"color":null}}`).MustDeny(t, v1alpha1.ReasonOutOfBand)
	kubectl(t, "bob", "-n", ns, "patch", "configmap/settings", "-p", `{"data":{"mine":"1"}}`).MustAllow(t)
	declareShop(t, ns)
	patch("bob", ns, "black").MustDeny(t, v1alpha1.ReasonOutOfBand)
	out := kubectl(t, "admin", "-n", ns, "get", "configmap/settings", "-o", "jsonpath={.data}").Out
	if want := `{"color":"blue","mine":"1","motto":"git is the only path"}`; out != want {
		t.Errorf("the ConfigMap holds %s, want %s", out, want)
	}
}

// A Scale carries no labels and, in the validating call, no managedFields: both calls know what replicas are declared.
func TestScaleOfDeclaredAndUndeclaredReplicas(t *testing.T) {
	ns := newNamespace(t, "declared")
	declareShop(t, ns)
	free := strings.Replace(deploymentOf("free", ns), "  replicas: 2\n", "", 1)
	declare(t, free)
	kubectl(t, "alice", "-n", ns, "scale", "deployment/web", "--replicas=5").MustDeny(t, v1alpha1.ReasonOutOfBand)
	mark := auditMark(t)
	kubectl(t, "alice", "-n", ns, "scale", "deployment/free", "--replicas=5").MustAllow(t)
	kubectl(t, "alice", "-n", ns, "scale", "deployment/free", "--replicas=4").MustAllow(t)

	events := auditedSince(t, mark, byIn("alice", ns))
	want := map[string]string{"decision": "allow", "class": "ungoverned", "policy": "declared"}
	for _, e := range events {
		for _, webhook := range []string{v1alpha1.GateName, v1alpha1.FinalName} {
			if diff := cmp.Diff(want, said(e, webhook)); diff != "" {
				t.Errorf("%s said of %s (-want +got):\n%s", webhook, act(e), diff)
			}
		}
	}
	if len(events) != 2 {
		t.Errorf("the audit log shows %d writes of alice's, want 2", len(events))
	}
	// Git takes the replicas: they are its own from now on.
	declare(t, deploymentOf("free", ns))
	kubectl(t, "alice", "-n", ns, "scale", "deployment/free", "--replicas=5").MustDeny(t, v1alpha1.ReasonOutOfBand)
	out := kubectl(t, "admin", "-n", ns, "get", "deployments", "-o", "jsonpath={.items[*].spec.replicas}").Out
	if out != "2 2" {
		t.Errorf("the Deployments have %s replicas, want 2 2", out)
	}
}

// deploymentOf is a small Deployment of two replicas.
func deploymentOf(name, ns string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  replicas: 2
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      tolerations: [{operator: Exists}]
      containers: [{name: main, image: registry.example/main:1}]
`, name, ns)
}
