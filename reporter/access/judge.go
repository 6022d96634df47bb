package access

import (
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

const systemNamespace = "kube-system"

// judge asks the gate's own rules what would become of an act.
type judge struct {
	objects  *Objects
	policies []*policy.Policy
	notes    []string

	syncs  map[Subject]bool  // what the policies name as sync -> the name alone is proof
	byName map[Subject]bool  // users and groups that the policies trust
	homes  map[string][]home // accounts that the gate lets through, by namespace
	groups map[string]bool   // that may break glass
	memo   map[place]answer
}

// home is an account that it pays to become.
type home struct {
	name string
	why  string
}

// place is what an act is done to.
type place struct{ group, resource, subresource, namespace string }

// answer is the gate's.
type answer struct {
	governed bool // it is not simply let through
	held     bool // a person is denied
}

// newJudge readies the policies as they judge what git declares: whether an object or a
// field is declared is not asked here, since somebody who may write declared ones goes
// around git all the same.
func newJudge(o *Objects) *judge {
	j := &judge{
		objects: o, syncs: map[Subject]bool{}, byName: map[Subject]bool{}, homes: map[string][]home{}, groups: map[string]bool{}, memo: map[place]answer{},
	}
	for i := range o.Policies {
		p := o.Policies[i].DeepCopy()
		p.Spec.Objects, p.Spec.Fields, p.Spec.Match.ObjectSelector = v1alpha1.ScopeAll, v1alpha1.ScopeAll, nil
		compiled, errs := policy.Compile(p)
		if len(errs) > 0 {
			j.notes = append(j.notes, fmt.Sprintf("ChangePolicy %s can't work and is left out: %v", p.Name, errs.ToAggregate()))
			continue
		}
		j.policies = append(j.policies, compiled)
		j.know(&compiled.Spec)
	}
	in := &o.Install
	for _, name := range []string{in.Webhook, in.Applier, in.Reporter} {
		j.live(in.Namespace, name, "a component of Gitlatch")
	}
	for _, name := range policy.ControlPlaneAccounts() {
		j.live(systemNamespace, name, "a control-plane controller")
	}
	return j
}

func (j *judge) know(s *v1alpha1.ChangePolicySpec) {
	for i := range s.Sync {
		id := &s.Sync[i]
		if a := id.ServiceAccount; a != nil {
			subject := Subject{Kind: rbacv1.ServiceAccountKind, Namespace: a.Namespace, Name: a.Name}
			j.syncs[subject] = j.syncs[subject] || id.Impersonated
			j.live(a.Namespace, a.Name, "a sync identity")
		}
		if id.User != "" {
			j.syncs[user(id.User)] = true
		}
		if id.Group != "" {
			j.syncs[Subject{Kind: rbacv1.GroupKind, Name: id.Group}] = true
		}
	}
	for i := range s.Trusted {
		if a := s.Trusted[i].ServiceAccount; a != nil {
			j.live(a.Namespace, a.Name, "a trusted identity")
		}
		if name := s.Trusted[i].User; name != "" {
			j.byName[user(name)] = true
		}
		if name := s.Trusted[i].Group; name != "" {
			j.byName[Subject{Kind: rbacv1.GroupKind, Name: name}] = true
		}
	}
	if s.BreakGlass != nil {
		for _, group := range s.BreakGlass.AllowedGroups {
			j.groups[group] = true
		}
	}
}

func (j *judge) live(namespace, name, why string) {
	known := slices.ContainsFunc(j.homes[namespace], func(h home) bool { return h.name == name })
	if namespace != "" && name != "" && !known {
		j.homes[namespace] = append(j.homes[namespace], home{name: name, why: why})
	}
}

// enforced says that a policy denies anything at all.
func (j *judge) enforced() bool {
	return slices.ContainsFunc(j.policies, func(p *policy.Policy) bool { return p.Spec.Mode == v1alpha1.ModeEnforce })
}

// cover says what the gate makes of writes to a kind, by a right in a namespace; "" is
// one for all of the cluster. Where that is not the same everywhere, it is held back
// only if it is wherever it is governed.
func (j *judge) cover(k *Kind, namespace string) answer {
	if len(j.policies) == 0 {
		return answer{governed: true} // by none yet: this is whom a policy would meet
	}
	at := place{k.Group, k.Resource, k.Subresource, namespace}
	if known, ok := j.memo[at]; ok {
		return known
	}
	total := answer{held: true}
	for _, ns := range j.where(k, namespace) {
		a := j.write(k, ns)
		total.governed = total.governed || a.governed
		total.held = total.held && (a.held || !a.governed)
	}
	total.held = total.held && total.governed
	j.memo[at] = total
	return total
}

// where lists the namespaces that a right reaches.
func (j *judge) where(k *Kind, namespace string) []Namespace {
	if !k.Namespaced && !k.itself() {
		return []Namespace{{}}
	}
	var in []Namespace
	for _, ns := range j.objects.Namespaces {
		if namespace == "" || ns.Name == namespace {
			if ns.Labels == nil { // none, which is not the same as unknown
				ns.Labels = map[string]string{}
			}
			in = append(in, ns)
		}
	}
	if len(in) == 0 { // not known: then it is governed by whatever could
		in = []Namespace{{Name: namespace}}
		if namespace == "" {
			in[0].Name = "-"
		}
	}
	return in
}

// write asks about a write by a person.
func (j *judge) write(k *Kind, ns Namespace) answer {
	r := &policy.Request{
		Operation: policy.Update, Resource: schema.GroupVersionResource{Group: k.Group, Version: "v1", Resource: k.Resource},
		Subresource: k.Subresource, Name: "-", Namespace: ns.Name,
		Old: thing(ns.Labels, "old"), Object: thing(ns.Labels, "new"),
	}
	switch {
	case k.itself():
		r.Name = ns.Name
	case k.Group == v1alpha1.Group: // a policy that can't work is refused for another reason
		r.Operation, r.Object = policy.Delete, nil
	case !slices.ContainsFunc(k.Verbs, func(v string) bool { return v == "update" || v == "patch" }):
		r.Operation, r.Old = policy.Create, nil
	}
	return j.ask(r, &policy.Facts{NamespaceLabels: ns.Labels})
}

// thing is an object of which nothing is known but that it changes.
func thing(labels map[string]string, value string) map[string]any {
	set := map[string]any{}
	for k, v := range labels {
		set[k] = v
	}
	return map[string]any{
		"metadata": map[string]any{"name": "-", "labels": set}, "spec": map[string]any{"value": value}, "data": map[string]any{"value": value},
	}
}

// ask is the gate's answer to somebody who is nobody in particular.
func (j *judge) ask(r *policy.Request, f *policy.Facts) answer {
	r.User = policy.User{Name: "-", Groups: []string{groupAuthenticated}}
	f.Install, f.WindowsLive = j.objects.Install, true
	d := policy.Decide(r, j.policies, f)
	return answer{governed: d.Action != policy.Allow, held: d.Action == policy.Deny}
}
