package registration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// The law: whatever the judge admits, the backstop admits; and nothing that a request
// leaves out is ever an error.
func TestWhatTheJudgeAdmitsTheBackstopAdmits(t *testing.T) {
	g := seeded(t)
	admitted, denied := map[string]int{}, map[string]int{}
	refused, missed := 0, map[string]int{}
	for range 20 {
		var in []*v1alpha1.ChangePolicy
		for i := range g.IntN(4) {
			in = append(in, g.guardingPolicy(fmt.Sprintf("p%d", i)))
		}
		policies := compiled(t, in...)
		p, _, err := Backstop(serviceOptions(), policies)
		if err != nil {
			t.Fatal(err)
		}
		guard := newGuard(t, p)
		for range 500 {
			s, facts, namespace := g.attempt()
			may := &rights{may: facts.BreakGlass == policy.Authorized}
			got := guard.answers(t, s.attr, namespace, may)
			want := policy.Decide(s.request, policies, facts)
			if len(may.asked) > 1 {
				t.Fatalf("the authorizer is asked %d times", len(may.asked))
			}
			if got.denied != "" && want.Action != policy.Deny {
				t.Fatalf("%s %s by %+v: the judge says %s %s, and the backstop denies: %s\nfound: %s\nrequest: %+v\nfacts: %+v\npolicies: %s",
					s.request.Operation, s.request.Target(), s.request.User, want.Action, want.Class, got.denied, got.found, *s.request, *facts, specs(in))
			}
			switch {
			case want.Action != policy.Deny:
				admitted[string(want.Class)]++
			case got.denied != "":
				refused++
				denied[string(want.Class)]++
			default:
				missed[string(want.Class)+" "+string(want.Reason)]++
			}
		}
	}
	t.Logf("admitted by class: %v\nrefused: %d, by class: %v\nleft to the webhook: %v", admitted, refused, denied, missed)
	for _, class := range []v1alpha1.Class{
		v1alpha1.ClassOwn, v1alpha1.ClassSync, v1alpha1.ClassSystem, v1alpha1.ClassUnchanged, v1alpha1.ClassTrusted, v1alpha1.ClassFinalizer,
		v1alpha1.ClassStatus, v1alpha1.ClassController, v1alpha1.ClassOperation, v1alpha1.ClassBreakGlass, v1alpha1.ClassUngoverned, v1alpha1.ClassReview,
	} {
		if admitted[string(class)] == 0 {
			t.Errorf("nothing of class %s was admitted, so that nothing is shown about it", class)
		}
	}
	for _, class := range []v1alpha1.Class{v1alpha1.ClassCredential, v1alpha1.ClassOutOfBand} {
		if denied[string(class)] == 0 {
			t.Errorf("nothing of class %s was denied", class)
		}
	}
}

// guardingPolicy is a policy of any shape, with operations and break-glass.
func (g *generator) guardingPolicy(name string) *v1alpha1.ChangePolicy {
	p := g.changePolicy(name)
	verdict := func() v1alpha1.Verdict {
		return pick(g, "", v1alpha1.VerdictAllow, v1alpha1.VerdictFlag, v1alpha1.VerdictDeny)
	}
	p.Spec.Operations = v1alpha1.Operations{
		Evict: verdict(), DeletePod: verdict(), Cordon: verdict(), Restart: verdict(), Reconcile: verdict(),
		Suspend: verdict(), Exec: verdict(), Proxy: verdict(), EphemeralContainers: verdict(),
	}
	if g.IntN(3) == 0 {
		p.Spec.Controllers = v1alpha1.ControllersNone
	}
	if g.often() {
		p.Spec.BreakGlass = &v1alpha1.BreakGlass{AllowedGroups: pick(g, []string{"oncall"}, []string{"oncall", "devs"}), ReasonPattern: "."}
	}
	if g.rarely() {
		p.Spec.Match.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			pick(g, metav1.LabelSelectorRequirement{Key: "gate", Operator: metav1.LabelSelectorOpIn, Values: []string{"yes", "maybe"}},
				metav1.LabelSelectorRequirement{Key: "gate", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"no"}},
				metav1.LabelSelectorRequirement{Key: "gate", Operator: metav1.LabelSelectorOpExists},
				metav1.LabelSelectorRequirement{Key: "gate", Operator: metav1.LabelSelectorOpDoesNotExist}),
		}}
	}
	return p
}

// attempt is a sample, often one that does something in particular, with what the
// webhook would know of it.
func (g *generator) attempt() (sample, *policy.Facts, *corev1.Namespace) {
	s := g.sample()
	r := s.request
	if g.IntN(3) == 0 {
		r.User.Groups = pick(g, []string{"oncall"}, []string{"oncall", "system:authenticated"}, []string{"system:masters"}, []string{"devs"})
	}
	if g.rarely() && r.Resource.Resource == "configmaps" || g.IntN(40) == 0 {
		r.User = policy.User{Name: accountPrefix + "cert-manager:cert-manager-cainjector", UID: "u-1",
			Extra: map[string][]string{policy.ExtraPodName: {"x"}, policy.ExtraPodUID: {"x"}, policy.ExtraCredentialID: {"x"}}}
	}
	if g.IntN(2) == 0 {
		g.act(r)
	}
	for _, o := range []map[string]any{r.Old, r.Object} {
		m, _ := o["metadata"].(map[string]any)
		if _, owned := m["managedFields"]; owned && r.Operation != policy.Connect {
			o["data"] = map[string]any{"k": "v"} // what the entries say is owned is there
		}
	}
	r.Final, r.FieldManager = true, ""
	s.attr = g.attributes(r)
	r.DryRun = s.attr.IsDryRun()
	labels := pick(g, nil, map[string]string{}, map[string]string{"gate": "yes"}, map[string]string{"gate": "no"})
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.Namespace, Labels: labels}}
	if r.Namespace == "" || r.Resource.Resource == "namespaces" {
		namespace = nil
	}
	facts := &policy.Facts{Now: time.Unix(1e9, 0), Install: install(), WindowsLive: true,
		BreakGlass:      pick(g, policy.Authorized, policy.Authorized, policy.Unauthorized),
		Guarded:         pick(g, nil, nil, []string{".data"}),
		NamespaceLabels: labels,
		Pod:             pick(g, &policy.PodFact{}, &policy.PodFact{Found: true, ServiceAccount: "default"}),
		Parent:          pick(g, nil, map[string]any{"metadata": map[string]any{}}),
	}
	if labels == nil {
		facts.NamespaceLabels = map[string]string{}
	}
	if g.IntN(3) > 0 {
		scope := v1alpha1.WindowNamespace
		if r.Namespace == "" {
			scope = v1alpha1.WindowObject
		}
		facts.Windows = []policy.Window{{Record: "cr-1", User: r.User.Name, Scope: scope, Group: r.Resource.Group, Resource: r.Resource.Resource,
			Namespace: r.Namespace, Name: r.Name, Until: facts.Now.Add(time.Hour)}}
	}
	return s, facts, namespace
}

// act makes of the request one of those that the classes know.
func (g *generator) act(r *policy.Request) {
	if r.Operation == policy.Connect {
		r.Object = pick(g, map[string]any{}, map[string]any{"path": pick(g, "/metrics", "run/x/y/z", "//pods/", "/exec/..//run", "")})
		return
	}
	if r.Old == nil && r.Object == nil {
		return
	}
	old := r.Old
	if old == nil {
		old = r.Object
	}
	old = runtime.DeepCopyJSON(old)
	object := runtime.DeepCopyJSON(old)
	set := func(in map[string]any, value any, path ...string) {
		for _, k := range path[:len(path)-1] {
			next, _ := in[k].(map[string]any)
			if next == nil {
				next = map[string]any{}
				in[k] = next
			}
			in = next
		}
		in[path[len(path)-1]] = value
	}
	owner := []any{map[string]any{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u-2", "controller": true}}
	switch g.IntN(13) {
	case 0:
		set(object, "now", "spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")
	case 1:
		set(object, true, "spec", "suspend")
	case 2:
		set(object, true, "spec", "unschedulable")
		set(object, []any{map[string]any{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}}, "spec", "taints")
	case 3:
		set(object, "now", "metadata", "annotations", pick(g, "reconcile.fluxcd.io/requestedAt", v1alpha1.AnnotationRequestedAt))
	case 4:
		set(old, []any{"a", "b"}, "metadata", "finalizers")
		set(old, "2026-01-02T03:04:05Z", "metadata", "deletionTimestamp")
		set(object, "2026-01-02T03:04:05Z", "metadata", "deletionTimestamp")
		set(object, []any{"b"}, "metadata", "finalizers")
	case 5:
		set(object, map[string]any{"phase": "Running"}, "status")
		if r.Resource.Resource != "secrets" && r.Resource.Resource != "configmaps" {
			r.Subresource = "status"
		}
	case 6:
		set(old, owner, "metadata", "ownerReferences")
		r.Operation, r.Object, r.Old, r.Subresource = policy.Delete, nil, old, ""
		return
	case 7:
		set(object, "INC-42: a reason", "metadata", "annotations", v1alpha1.AnnotationBreakGlass)
	case 8:
		set(old, "INC-42: a reason", "metadata", "annotations", v1alpha1.AnnotationBreakGlass)
		set(old, "2001-01-02T03:04:05Z", "metadata", "annotations", v1alpha1.AnnotationBreakGlassUntil)
		set(object, map[string]any{}, "metadata", "annotations")
	case 9:
		r.Name = pick(g, "default", "kustomize-controller", "cert-manager-cainjector", "gitlatch-webhook", r.Name)
		set(object, pick(g, "changed", "x"), "metadata", "labels", "app")
		set(object, r.Name, "metadata", "name")
	case 10:
		set(object, pick(g, "yes", "no"), "metadata", "labels", "gate")
	case 11:
		r.Subresource = ""
		if r.Resource.Resource == "changerecords" {
			g.reviews(r, old, object, set)
		}
	default: // as it was
	}
	r.Operation, r.Old, r.Object = policy.Update, old, object
}

// reviews gives a verdict on a record, honestly or not.
func (g *generator) reviews(r *policy.Request, old, object map[string]any, set func(map[string]any, any, ...string)) {
	r.Subresource = "status"
	at := time.Unix(1e9, 0).UTC().Format(time.RFC3339)
	signer := r.User.Name
	if g.rarely() {
		signer = "carol"
	}
	for _, o := range []map[string]any{old, object} {
		set(o, pick(g, "alice", "bob", "bob"), "spec", "requester", "username")
	}
	object["spec"] = old["spec"]
	set(object, map[string]any{"verdict": "Approved", "reviewer": signer, "at": at,
		"comments": []any{map[string]any{"author": signer, "at": at, "text": "seen"}}}, "status", "review")
}

// A hundred policies, an object of the greatest size and a user of many groups cost less
// than half of what the API server grants.
func TestTheBackstopCostsLittleWhateverIsWritten(t *testing.T) {
	many := manyPolicies(100)
	for _, p := range many {
		p.Spec.Match.Resources = nil
		p.Spec.BreakGlass = &v1alpha1.BreakGlass{AllowedGroups: []string{"oncall"}}
	}
	p, _, err := Backstop(serviceOptions(), compiled(t, many...))
	if err != nil {
		t.Fatal(err)
	}
	guard := newGuard(t, p)
	large := map[string]any{}
	for i := range 3 * maxKeys {
		large[fmt.Sprintf("gitlatch.dev/k%d", i)] = strings.Repeat("x", 400)
	}
	var entries []any
	for range 3 * maxKeys {
		entries = append(entries, map[string]any{"manager": "kubectl"})
	}
	object := func() map[string]any {
		o := runtime.DeepCopyJSON(map[string]any{"apiVersion": "apps/v1", "kind": "Deployment",
			"metadata": map[string]any{"name": "web", "annotations": large, "labels": large, "managedFields": entries, "finalizers": entries},
			"spec":     map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": large}}, "taints": entries}})
		for i := range 3 * maxKeys {
			o[fmt.Sprint("field", i)] = int64(i)
		}
		return o
	}
	for _, kind := range []target{{"apps", "deployments", "Deployment", true, nil}, {"", "nodes", "Node", false, nil}, {v1alpha1.Group, "changerecords", "ChangeRecord", false, nil},
		{"rbac.authorization.k8s.io", "rolebindings", "RoleBinding", true, nil}, {"argoproj.io", "applications", "Application", true, nil}} {
		r := &policy.Request{Operation: policy.Update, Old: object(), Object: object(), Name: "web",
			User: policy.User{Name: "alice", Groups: append(make([]string, maxWalked-1), "oncall")}}
		r.Resource.Group, r.Resource.Version, r.Resource.Resource, r.Kind.Kind = kind.group, "v1", kind.resource, kind.kind
		if kind.namespaced {
			r.Namespace = "prod"
		}
		got := guard.answers(t, plain(r), &corev1.Namespace{}, &rights{})
		if got.denied == "" {
			t.Errorf("%s: let through", kind.kind)
		}
	}
}
