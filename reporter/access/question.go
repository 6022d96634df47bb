package access

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// Act is what a right lets its holder do.
type Act string

// The acts, the gravest first.
const (
	// ActGate: edit the webhook configurations or admission policies that the gate
	// consists of, of which no admission webhook is ever asked.
	ActGate Act = "Gate"
	// ActImpersonate: act under another name.
	ActImpersonate Act = "Impersonate"
	// ActToken: ask for a token of an account that the gate lets through.
	ActToken Act = "Token"
	// ActPod: get into a pod of such an account, or make one.
	ActPod Act = "Pod"
	// ActBreakGlass: make an emergency exception.
	ActBreakGlass Act = "BreakGlass"
	// ActGrant: give oneself rights that one does not hold.
	ActGrant Act = "Grant"
	// ActPolicy: edit policies, syncs, what steers a sync, or records.
	ActPolicy Act = "Policy"
	// ActWrite: write what the policies govern.
	ActWrite Act = "Write"
)

// Acts lists them, the gravest first.
func Acts() []Act {
	return []Act{ActGate, ActImpersonate, ActToken, ActPod, ActBreakGlass, ActGrant, ActPolicy, ActWrite}
}

// question is one right that an act takes.
type question struct {
	act                          Act
	verbs                        []string
	group, resource, subresource string
	// namespace that the right must reach; "" with anywhere unset: cluster-scoped.
	namespace string
	anywhere  bool // in any namespace
	itself    bool // a namespace, which a right in itself reaches
	// explicit: "*" among the verbs is not meant.
	explicit bool
	// concerns says which of the names that a rule is limited to matter. Left out: all.
	concerns func(name string) bool
	// answer is the gate's, for a right in a namespace or, with "", everywhere.
	answer func(namespace string) answer
}

const (
	coreGroup      = ""
	rbacGroup      = "rbac.authorization.k8s.io"
	authGroup      = "authentication.k8s.io"
	admissionGroup = "admissionregistration.k8s.io"
)

// writeVerbs change objects.
func writeVerbs() []string {
	return []string{"create", "update", "patch", "delete", "deletecollection"}
}

// doors are the subresources of a pod by which one gets in.
func doors() []string {
	return []string{"exec", "attach", "portforward", "proxy", "ephemeralcontainers"}
}

// exempt are the kinds of which admission webhooks are never asked
// (k8s.io/apiserver, rules.IsExemptAdmissionConfigurationResource).
func exempt() []string {
	return []string{
		"mutatingwebhookconfigurations", "validatingwebhookconfigurations",
		"validatingadmissionpolicies", "validatingadmissionpolicybindings",
		"mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
	}
}

// questions lists what is asked of every rule.
func (j *judge) questions() []question {
	return slices.Concat(
		gateQuestions(), j.impersonateQuestions(), j.tokenQuestions(), j.podQuestions(),
		j.grantQuestions(), j.kindQuestions(),
	)
}

func open(string) answer { return answer{governed: true} }

func gateQuestions() []question {
	var out []question
	for _, resource := range exempt() {
		out = append(out, question{
			act: ActGate, verbs: writeVerbs(), group: admissionGroup, resource: resource, concerns: ownName, answer: open,
		})
	}
	return out
}

// ownName: what Gitlatch installs for itself bears its name.
func ownName(name string) bool {
	return name == "" || name == "gitlatch" || strings.HasPrefix(name, "gitlatch-") || strings.HasPrefix(name, "gitlatch:")
}

// tokenQuestions: a token for an account that the gate lets through.
func (j *judge) tokenQuestions() []question {
	var out []question
	for _, namespace := range slices.Sorted(maps.Keys(j.homes)) {
		out = append(out, question{
			act: ActToken, verbs: []string{"create"}, resource: "serviceaccounts", subresource: "token", namespace: namespace,
			concerns: func(name string) bool { return j.home(namespace, name) },
			answer: func(string) answer {
				return j.all(namespace, func(account string) answer {
					return j.ask(&policy.Request{
						Operation: policy.Create, Resource: core("serviceaccounts"), Subresource: "token",
						Namespace: namespace, Name: account, Object: map[string]any{},
					}, &policy.Facts{})
				})
			},
		})
	}
	return out
}

// podQuestions: into a pod of such an account, or a pod made in its name. The
// kubelet's own port asks RBAC for nodes/proxy, and no webhook
// (kubernetes.io, "Kubelet authentication/authorization").
func (j *judge) podQuestions() []question {
	out := []question{{act: ActPod, verbs: []string{"get", "create"}, resource: "nodes", subresource: "proxy", answer: open}}
	for _, namespace := range slices.Sorted(maps.Keys(j.homes)) {
		if namespace == systemNamespace && !j.podsIn(namespace) {
			continue // control-plane controllers are no pods
		}
		for _, door := range doors() {
			verbs := []string{"get", "create"} // a websocket begins with a GET
			if door == "ephemeralcontainers" {
				verbs = []string{"update", "patch"}
			}
			out = append(out, question{
				act: ActPod, verbs: verbs, resource: "pods", subresource: door, namespace: namespace,
				answer: func(string) answer {
					return j.all(namespace, func(account string) answer { return j.door(namespace, door, account) })
				},
			})
		}
	}
	for _, namespace := range slices.Sorted(maps.Keys(j.homes)) {
		for _, k := range templated() {
			out = append(out, question{
				act: ActPod, verbs: []string{"create", "update", "patch"}, group: k.Group, resource: k.Resource, namespace: namespace,
				answer: func(string) answer {
					return j.all(namespace, func(account string) answer { return j.template(k, namespace, account) })
				},
			})
		}
	}
	return out
}

// templated are the kinds that make pods.
func templated() []schema.GroupResource {
	return []schema.GroupResource{
		{Resource: "pods"}, {Resource: "replicationcontrollers"},
		{Group: "apps", Resource: "deployments"}, {Group: "apps", Resource: "statefulsets"},
		{Group: "apps", Resource: "daemonsets"}, {Group: "apps", Resource: "replicasets"},
		{Group: "batch", Resource: "jobs"}, {Group: "batch", Resource: "cronjobs"},
	}
}

func (j *judge) door(namespace, door, account string) answer {
	r := &policy.Request{Operation: policy.Connect, Resource: core("pods"), Subresource: door, Namespace: namespace, Name: "-"}
	if door == "ephemeralcontainers" {
		r.Operation, r.Old = policy.Update, map[string]any{}
		r.Object = map[string]any{"spec": map[string]any{"serviceAccountName": account}}
	}
	return j.ask(r, &policy.Facts{Pod: &policy.PodFact{Found: true, ServiceAccount: account}})
}

func (j *judge) template(k schema.GroupResource, namespace, account string) answer {
	spec := map[string]any{"serviceAccountName": account}
	switch k.Resource {
	case "pods":
	case "cronjobs":
		spec = map[string]any{"jobTemplate": map[string]any{"spec": map[string]any{"template": map[string]any{"spec": spec}}}}
	default:
		spec = map[string]any{"template": map[string]any{"spec": spec}}
	}
	return j.ask(&policy.Request{
		Operation: policy.Create, Resource: k.WithVersion("v1"), Namespace: namespace, Name: "-",
		Object: map[string]any{"metadata": map[string]any{"name": "-"}, "spec": spec},
	}, &policy.Facts{})
}

// all is held back only if it is for every account of a namespace.
func (j *judge) all(namespace string, of func(account string) answer) answer {
	total := answer{governed: true, held: true}
	for _, h := range j.homes[namespace] {
		total.held = total.held && of(h.name).held
	}
	return total
}

func (j *judge) home(namespace, name string) bool {
	return slices.ContainsFunc(j.homes[namespace], func(h home) bool { return h.name == name })
}

// podsIn: somebody else than a control-plane controller lives there.
func (j *judge) podsIn(namespace string) bool {
	return slices.ContainsFunc(j.homes[namespace], func(h home) bool { return h.why != "a control-plane controller" })
}

// grantQuestions: escalate and bind are asked when a role or a binding is written, so
// that they are held back as those are.
func (j *judge) grantQuestions() []question {
	var out []question
	for _, q := range []question{
		{verbs: []string{"escalate"}, resource: "clusterroles"}, {verbs: []string{"escalate"}, resource: "roles", anywhere: true},
		{verbs: []string{"bind"}, resource: "clusterroles", anywhere: true}, {verbs: []string{"bind"}, resource: "roles", anywhere: true},
	} {
		q.act, q.group = ActGrant, rbacGroup
		written := "clusterroles"
		switch {
		case q.verbs[0] == "bind":
			written = "rolebindings"
		case q.anywhere:
			written = "roles"
		}
		k := &Kind{Group: rbacGroup, Resource: written, Namespaced: q.anywhere, Verbs: writeVerbs()}
		q.answer = func(namespace string) answer {
			a := j.cover(k, namespace)
			a.governed = true
			return a
		}
		out = append(out, q)
	}
	return out
}

func core(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: resource}
}

// ownKinds are what tells the gate and the applier what to do, and what is remembered.
func ownKinds() []string { return []string{"changepolicies", "gitsyncs", "changerecords"} }

func (j *judge) steers(k *Kind) bool {
	if k.Group == v1alpha1.Group {
		return slices.Contains(ownKinds(), k.Resource)
	}
	return slices.ContainsFunc(j.policies, func(p *policy.Policy) bool {
		return slices.ContainsFunc(p.Spec.Steering, func(r v1alpha1.ResourceRule) bool {
			return has(r.APIGroups, k.Group) && has(r.Resources, k.Resource)
		})
	})
}
