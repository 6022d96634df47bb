package registration

import (
	"math/rand/v2"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"

	corev1 "k8s.io/api/core/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// generator makes requests of every kind of requester, target and absence.
type generator struct{ *rand.Rand }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

// often is true in most cases, so that the interesting combinations come about.
func (g *generator) often() bool  { return g.IntN(8) > 0 }
func (g *generator) rarely() bool { return g.IntN(8) == 0 }

type target struct {
	group, resource, kind string
	namespaced            bool
	subs                  []string
}

func targets() []target {
	return []target{
		{"", "configmaps", "ConfigMap", true, nil},
		{"", "pods", "Pod", true, []string{"status", "exec", "binding", "eviction", "ephemeralcontainers", "resize", "portforward"}},
		{"", "secrets", "Secret", true, nil},
		{"", "serviceaccounts", "ServiceAccount", true, []string{"token"}},
		{"", "namespaces", "Namespace", false, []string{"status", "finalize"}},
		{"", "nodes", "Node", false, []string{"status", "proxy"}},
		{"", "events", "Event", true, nil},
		{"", "bindings", "Binding", true, nil},
		{"apps", "deployments", "Deployment", true, []string{"status", "scale"}},
		{"batch", "cronjobs", "CronJob", true, []string{"status"}},
		{"coordination.k8s.io", "leases", "Lease", true, nil},
		{"authentication.k8s.io", "tokenreviews", "TokenReview", false, nil},
		{"authorization.k8s.io", "localsubjectaccessreviews", "LocalSubjectAccessReview", true, nil},
		{"rbac.authorization.k8s.io", "roles", "Role", true, nil},
		{"rbac.authorization.k8s.io", "rolebindings", "RoleBinding", true, nil},
		{"rbac.authorization.k8s.io", "clusterroles", "ClusterRole", false, nil},
		{"rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding", false, nil},
		{"certificates.k8s.io", "certificatesigningrequests", "CertificateSigningRequest", false, []string{"approval", "status"}},
		{"apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition", false, []string{"status"}},
		{"scheduling.k8s.io", "priorityclasses", "PriorityClass", false, nil},
		{"flowcontrol.apiserver.k8s.io", "flowschemas", "FlowSchema", false, []string{"status"}},
		{"kustomize.toolkit.fluxcd.io", "kustomizations", "Kustomization", true, []string{"status"}},
		{"example.com", "widgets", "Widget", true, []string{"status", "scale", "unheardof"}},
		{v1alpha1.Group, "changerecords", "ChangeRecord", false, []string{"status"}},
		{v1alpha1.Group, "changepolicies", "ChangePolicy", false, []string{"status"}},
	}
}

// sample is one request, as the API server sees it and as the judge does.
type sample struct {
	attr    *admission.VersionedAttributes
	request *policy.Request
}

func (g *generator) sample() sample {
	t := pick(g, targets()...)
	u := g.user()
	r := &policy.Request{
		User:      u,
		Operation: pick(g, policy.Create, policy.Update, policy.Update, policy.Update, policy.Delete),
		Resource:  schema.GroupVersionResource{Group: t.group, Version: "v1", Resource: t.resource},
		Kind:      schema.GroupVersionKind{Group: t.group, Version: "v1", Kind: t.kind},
	}
	if len(t.subs) > 0 && g.IntN(3) == 0 {
		r.Subresource = pick(g, t.subs...)
	}
	switch r.Subresource {
	case "exec", "portforward", "proxy":
		r.Operation = policy.Connect
	}
	r.Name = pick(g, "web", "web-0", "gitlatch", "gitlatch-webhook", "gitlatch:reader", "changerecords.gitlatch.dev", "widgets.example.com", "prod", "gitlatch-system")
	switch {
	case t.resource == "changerecords" && g.IntN(2) == 0:
		r.Name = pick(g, policy.Canaries()...)
	case t.resource == "namespaces":
		r.Name = pick(g, "prod", "dev", "kube-system", "gitlatch-system", "flux-system", "kube-node-lease")
		r.Namespace = r.Name
	case t.namespaced:
		r.Namespace = pick(g, "prod", "prod", "prod", "dev", "kube-system", "flux-system", "ci", "gitlatch-system", "cert-manager", "kube-node-lease")
	}
	g.objects(t, r)
	return sample{attr: g.attributes(r), request: r}
}

// objects gives the request those that its operation has, each sometimes absent.
func (g *generator) objects(t target, r *policy.Request) {
	if r.Operation == policy.Connect {
		r.Object = map[string]any{"command": []any{"sh"}}
		return
	}
	base := g.object(t, r)
	if r.Operation != policy.Create && g.often() {
		r.Old = runtime.DeepCopyJSON(base)
		if g.rarely() {
			r.Old = g.object(t, r)
		}
	}
	if r.Operation != policy.Delete && g.often() {
		r.Object = base
		if m, ok := base["metadata"].(map[string]any); ok && g.often() {
			m["labels"] = map[string]any{"touched": "yes"}
		}
		if m, ok := base["metadata"].(map[string]any); ok && g.rarely() {
			m["managedFields"] = g.managedFields()
		}
	}
}

func (g *generator) object(t target, r *policy.Request) map[string]any {
	o := map[string]any{"apiVersion": schema.GroupVersion{Group: t.group, Version: "v1"}.String(), "kind": t.kind}
	if g.IntN(12) == 0 {
		return o // no metadata at all
	}
	m := map[string]any{}
	if g.often() {
		m["name"] = r.Name
	} else {
		m["generateName"] = r.Name + "-"
	}
	if r.Namespace != "" && t.resource != "namespaces" {
		m["namespace"] = r.Namespace
	}
	if g.often() {
		m["managedFields"] = g.managedFields()
	}
	o["metadata"] = m
	switch t.resource {
	case "secrets":
		if g.often() {
			o["type"] = pick(g, "Opaque", "kubernetes.io/service-account-token")
		}
	case "pods":
		o["spec"] = map[string]any{"serviceAccountName": pick(g, "default", "kustomize-controller", "cert-manager-cainjector")}
	case "deployments":
		o["spec"] = map[string]any{"template": map[string]any{"spec": map[string]any{"serviceAccountName": pick(g, "default", "kustomize-controller")}}}
	case "rolebindings", "clusterrolebindings":
		o["subjects"] = []any{map[string]any{"kind": "ServiceAccount", "namespace": "flux-system", "name": "kustomize-controller"}}
	}
	return o
}

func (g *generator) managedFields() []any {
	var out []any
	n := g.IntN(4)
	if g.IntN(100) == 0 {
		n = 2000 // more than conditions walk
	}
	for range n {
		e := map[string]any{"operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
			"fieldsV1": map[string]any{"f:data": map[string]any{}}}
		if g.often() {
			e["manager"] = pick(g, "operator", "operator", "kubectl-edit", "widget-controller", "kustomize-controller", "argocd-controller")
		}
		if g.IntN(4) == 0 {
			e["subresource"] = pick(g, "status", "scale")
		}
		out = append(out, e)
	}
	return out
}

func (g *generator) user() policy.User {
	u := policy.User{Name: pick(g, "", "alice", "robot", "system:admin", "system:apiserver", "system:kube-scheduler",
		"system:node:n1", "system:bootstrap:abc",
		accountPrefix+"kube-system:generic-garbage-collector", accountPrefix+"kube-system:coredns",
		accountPrefix+"flux-system:kustomize-controller", accountPrefix+"argocd:application-controller",
		accountPrefix+"gitlatch-system:gitlatch-webhook", accountPrefix+"gitlatch-system:default",
		accountPrefix+"cert-manager:cert-manager-cainjector", accountPrefix+"tenant:deployer",
		accountPrefix+"widgets:operator", accountPrefix+"widgets:operator", accountPrefix+"widgets:operator",
		accountPrefix+"ci-runners:runner", accountPrefix+"nameless", accountPrefix)}
	if g.often() {
		u.UID = "u-1"
	}
	if g.often() {
		u.Groups = pick(g, []string{"system:nodes"}, []string{"devs"}, []string{"deployers", "system:authenticated"}, []string{}, []string{"system:bootstrappers"},
			[]string{"system:serviceaccounts:widgets"})
	}
	if g.IntN(100) == 0 {
		u.Groups = append(make([]string, 3000), u.Groups...)
	}
	if g.often() {
		u.Extra = map[string][]string{}
		for _, k := range []string{policy.ExtraPodName, policy.ExtraPodUID, policy.ExtraCredentialID} {
			if g.often() {
				u.Extra[k] = []string{"x"}
			} else if g.IntN(2) == 0 {
				u.Extra[k] = pick(g, nil, []string{}, []string{""}, []string{"", "x"})
			}
		}
		if g.rarely() {
			u.Extra[v1alpha1.ExtraSync] = []string{"prod"}
		}
	}
	return u
}

// attributes is the same request for the API server; built-in kinds sometimes as
// the typed objects that it has.
func (g *generator) attributes(r *policy.Request) *admission.VersionedAttributes {
	var options runtime.Object
	manager := ""
	if g.IntN(3) == 0 {
		manager = pick(g, "operator", "kustomize-controller", "argocd-controller")
	}
	if g.often() {
		switch r.Operation {
		case policy.Create:
			options, r.FieldManager = &metav1.CreateOptions{FieldManager: manager}, manager
		case policy.Update:
			options, r.FieldManager = &metav1.UpdateOptions{FieldManager: manager}, manager
		case policy.Delete:
			options = &metav1.DeleteOptions{}
		}
	}
	typed := g.IntN(2) == 0
	object, old := g.runtime(r, r.Object, typed), g.runtime(r, r.Old, typed)
	name := r.Name
	if g.rarely() && len(r.Old)+len(r.Object) > 0 {
		name = "" // deletecollection, generateName
	}
	if name == "" {
		r.Name = nameOf(r)
	}
	extra := map[string][]string(nil)
	if r.User.Extra != nil {
		extra = r.User.Extra
	}
	info := &user.DefaultInfo{Name: r.User.Name, UID: r.User.UID, Groups: r.User.Groups, Extra: extra}
	a := admission.NewAttributesRecord(object, old, r.Kind, r.Namespace, name, r.Resource, r.Subresource,
		admission.Operation(r.Operation), options, g.rarely(), info)
	return &admission.VersionedAttributes{Attributes: a, VersionedKind: r.Kind,
		VersionedObject: admission.NewLazyObject(object), VersionedOldObject: admission.NewLazyObject(old)}
}

// nameOf completes a name as the webhook does.
func nameOf(r *policy.Request) string {
	for _, o := range []map[string]any{r.Object, r.Old} {
		m, _ := o["metadata"].(map[string]any)
		if n, _ := m["name"].(string); n != "" {
			return n
		}
	}
	m, _ := r.Object["metadata"].(map[string]any)
	if n, _ := m["generateName"].(string); n != "" {
		return n + "*"
	}
	return ""
}

func (g *generator) runtime(r *policy.Request, o map[string]any, typed bool) runtime.Object {
	if o == nil {
		return nil
	}
	if typed && r.Operation != policy.Connect {
		var into runtime.Object
		switch r.Resource.Resource {
		case "pods":
			into = &corev1.Pod{}
		case "secrets":
			into = &corev1.Secret{}
		case "configmaps":
			into = &corev1.ConfigMap{}
		case "namespaces":
			into = &corev1.Namespace{}
		}
		if into != nil && runtime.DefaultUnstructuredConverter.FromUnstructured(o, into) == nil {
			return into
		}
	}
	return &unstructured.Unstructured{Object: o}
}
