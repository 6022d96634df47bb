package backstop

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/test/world"
)

// try is one request, made as a dry run.
type try struct {
	user, verb, sub string
	object          map[string]any
	patch           string
	admitted        bool // with the webhook there
}

func (r try) String() string {
	o := &unstructured.Unstructured{Object: r.object}
	return fmt.Sprintf("%s: %s %s/%s %s/%s %s", r.user, r.verb, o.GetKind(), r.sub, o.GetNamespace(), o.GetName(), r.patch)
}

// The law, through the API server: what the webhook admits, the backstop alone admits. The
// same requests are made with the webhook there, where nothing may be denied by the
// backstop, and with every webhook dead.
func TestWhatTheWebhookAdmitsTheBackstopAdmits(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("GITLATCH_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		world.Must(t, err)
		seed = n
	}
	t.Logf("GITLATCH_SEED=%d", seed)
	g := tries{Rand: rand.New(rand.NewPCG(seed, 0))}
	for _, labels := range []string{"{}", "{gate: declared}", "{gate: fields}", "{gate: audit}", "{gate: warn}", "{gate: standby}"} {
		ns := here.NewNamespace(t, labels)
		declareShop(t, ns)
		declareGears(t, ns)
		here.Declare(t, lone(ns))
		here.Kubectl(t, operator, "-n", ns, "create", "configmap", "undeclared").MustAllow(t)
		g.namespaces = append(g.namespaces, ns)
	}
	settled()
	clients := map[string]client.Client{}
	for _, user := range users() {
		clients[user] = here.Client(t, user)
	}
	var all []try
	for range 500 {
		r := g.next()
		judged, err := r.send(t, clients[r.user])
		if byBackstop(err) {
			t.Errorf("with the webhook there, the backstop denies what it admits: %s: %v", r, err)
		}
		if r.admitted = err == nil; judged {
			all = append(all, r)
		}
	}
	dead(t)
	caught, denied, through := 0, 0, 0
	for _, r := range all {
		judged, err := r.send(t, clients[r.user])
		switch {
		case !judged: // an object that came or went meanwhile
		case r.admitted && byBackstop(err):
			t.Errorf("the webhook admits it, and the backstop alone denies: %s: %v", r, err)
		case r.admitted:
			through++
		case byBackstop(err):
			caught++
			denied++
		case err == nil:
			denied++
			t.Logf("left to the webhook: %s", r)
		}
	}
	t.Logf("%d admitted by both; of %d denied, %d by the backstop alone", through, denied, caught)
	if through < 30 || caught < 30 || caught*10 < denied*7 {
		t.Errorf("%d admitted, %d denied, %d by the backstop: this shows little", through, denied, caught)
	}
}

func byBackstop(err error) bool {
	return err != nil && strings.Contains(err.Error(), "ValidatingAdmissionPolicy 'gitlatch'")
}

func users() []string {
	return []string{"alice", "oncall", "admin", "pipeline", operator, unbound, syncer, manager}
}

// send makes the request. It is judged where admission denies it, or nobody does: what is
// wrong otherwise never came so far.
func (r try) send(t *testing.T, c client.Client) (judged bool, err error) {
	t.Helper()
	o := (&unstructured.Unstructured{Object: r.object}).DeepCopy()
	switch {
	case r.sub == "exec": // which has no dry run, and fails behind admission
		err = c.SubResource(r.sub).Create(t.Context(), o, asking("v1", "PodExecOptions", ""))
		if apierrors.IsBadRequest(err) || apierrors.IsInternalError(err) {
			err = nil
		}
	case r.sub == "eviction":
		err = c.SubResource(r.sub).Create(t.Context(), o, asking("policy/v1", "Eviction", o.GetName()), client.DryRunAll)
	case r.sub == "token":
		err = c.SubResource(r.sub).Create(t.Context(), o, asking("authentication.k8s.io/v1", "TokenRequest", ""), client.DryRunAll)
	case r.verb == "apply":
		err = c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.DryRunAll, client.ForceOwnership, client.FieldOwner("mine"))
	case r.verb == "put":
		if err = c.Get(t.Context(), client.ObjectKeyFromObject(o), o); err == nil {
			o.SetLabels(map[string]string{"x": "y"})
			err = c.Update(t.Context(), o, client.DryRunAll)
		}
	case r.verb == "deletecollection":
		err = c.DeleteAllOf(t.Context(), o, client.InNamespace(o.GetNamespace()), client.DryRunAll)
	case r.verb == "create":
		err = c.Create(t.Context(), o, client.DryRunAll)
	case r.verb == "delete":
		err = c.Delete(t.Context(), o, client.DryRunAll)
	case r.sub != "":
		err = c.SubResource(r.sub).Patch(t.Context(), o, client.RawPatch(types.MergePatchType, []byte(r.patch)), client.DryRunAll)
	default:
		err = c.Patch(t.Context(), o, client.RawPatch(types.MergePatchType, []byte(r.patch)), client.DryRunAll)
	}
	switch {
	case err == nil, apierrors.IsForbidden(err):
		return true, err
	case apierrors.IsNotFound(err), apierrors.IsAlreadyExists(err), apierrors.IsInvalid(err), apierrors.IsConflict(err), apierrors.IsBadRequest(err),
		apierrors.IsMethodNotSupported(err):
		return false, err
	}
	t.Fatalf("%s: %v", r, err)
	return false, err
}

// asking is what is sent to a subresource.
func asking(version, kind, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(version)
	o.SetKind(kind)
	if name != "" {
		o.SetName(name)
	}
	return o
}

// tries makes requests.
type tries struct {
	*rand.Rand
	namespaces []string
}

func of[T any](g tries, from ...T) T { return from[g.IntN(len(from))] }

func (g tries) next() try {
	r := try{user: of(g, users()...)}
	namespace := of(g, g.namespaces...)
	kind := of(g, kinds()...)
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(kind.gvk)
	if kind.namespaced {
		o.SetNamespace(namespace)
	}
	name := of(g, kind.names...)
	if kind.gvk.Kind == "Namespace" {
		name = namespace
	}
	o.SetName(name)
	r.verb = of(g, "create", "patch", "patch", "patch", "delete", "apply", "put", "deletecollection")
	if len(kind.acts) > 0 && g.IntN(2) == 0 {
		r.verb, r.sub = "act", of(g, kind.acts...)
	}
	if r.verb == "deletecollection" && !kind.namespaced {
		r.verb = "delete"
	}
	switch r.verb {
	case "create":
		o.SetName(of(g, "new", name))
	case "apply":
		o.SetLabels(map[string]string{"x": "y"})
	}
	if r.verb == "create" || r.verb == "apply" {
		for k, v := range kind.spec {
			o.Object[k] = v
		}
	}
	if r.verb == "patch" {
		r.patch = of(g, append(kind.patches, `{"metadata":{"labels":{"x":"y"}}}`, `{}`,
			`{"metadata":{"annotations":{"gitlatch.dev/break-glass":"INC-42: the database is gone"}}}`,
			`{"metadata":{"annotations":{"gitlatch.dev/break-glass-by":"alice","gitlatch.dev/break-glass-until":"2099-01-01T00:00:00Z"}}}`,
			`{"metadata":{"labels":{"gate":"none"}}}`, `{"metadata":{"finalizers":["x.example/y"]}}`)...)
		if kind.gvk.Kind == "Deployment" && g.IntN(3) == 0 {
			r.sub, r.patch = of(g, "scale", "status"), `{"spec":{"replicas":7},"status":{"observedGeneration":1}}`
		}
	}
	r.object = o.Object
	return r
}

type kind struct {
	gvk            schema.GroupVersionKind
	namespaced     bool
	names, patches []string
	spec           map[string]any
	acts           []string // its subresources that are asked by a POST
}

func kinds() []kind {
	core := func(k string) schema.GroupVersionKind { return schema.GroupVersionKind{Version: "v1", Kind: k} }
	in := func(group, version, k string) schema.GroupVersionKind {
		return schema.GroupVersionKind{Group: group, Version: version, Kind: k}
	}
	template := map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": "new"}},
		"spec": map[string]any{"containers": []any{map[string]any{"name": "web", "image": "registry.example/web:1"}}}}
	role := map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
	return []kind{
		{core("ConfigMap"), true, []string{"settings", "bare", "undeclared"}, []string{`{"data":{"color":"red"}}`, `{"data":{"more":"red"}}`}, map[string]any{"data": map[string]any{"color": "red"}}, nil},
		{in("late.example", "v1", "Gear"), true, []string{"first"}, []string{`{"spec":{"size":3}}`}, map[string]any{"spec": map[string]any{"size": int64(3)}}, nil},
		{in("apps", "v1", "Deployment"), true, []string{"web"}, []string{
			`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"now"}}}}}`, `{"spec":{"replicas":5}}`,
			`{"spec":{"paused":true,"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"now"}}}}}`,
		}, map[string]any{"spec": map[string]any{"selector": map[string]any{"matchLabels": map[string]any{"app": "new"}}, "template": template}}, nil},
		{core("Secret"), true, []string{"undeclared"}, nil, map[string]any{"type": "kubernetes.io/service-account-token"}, nil},
		{core("ServiceAccount"), true, []string{"default"}, nil, nil, []string{"token"}},
		{core("Pod"), true, []string{"none", "lone", "lone"}, nil, map[string]any{"spec": template["spec"]}, []string{"eviction", "exec"}},
		{core("Namespace"), false, []string{"none"}, nil, nil, nil},
		{core("Node"), false, []string{"gitlatch-node"}, []string{`{"spec":{"unschedulable":true}}`, `{"spec":{"unschedulable":true,"podCIDR":"10.9.9.0/24"}}`}, nil, nil},
		{in("rbac.authorization.k8s.io", "v1", "RoleBinding"), true, []string{"none"}, nil, map[string]any{"roleRef": role,
			"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": "sync", "namespace": "gitops"}}}, nil},
		{in("rbac.authorization.k8s.io", "v1", "ClusterRole"), false, []string{"gitlatch-webhook", "view"}, nil, nil, nil},
		{in("gitlatch.dev", "v1alpha1", "ChangePolicy"), false, []string{"cluster", "standby"}, []string{`{"spec":{"mode":"Audit"}}`}, nil, nil},
	}
}
