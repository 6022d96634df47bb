package policy

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// governed says whether the policy governs the request. What can't be told is
// governed: an unknown namespace's labels are asked for and taken as matching
// meanwhile.
func (q *question) governed() bool {
	r := q.req
	if !q.policy.governsResource(r.Resource.Group, r.Resource.Resource) {
		return q.holdsGoverned()
	}
	return q.namespaceGoverned() && q.objectGoverned() || q.holdsGoverned()
}

// governsResource: by the rules for resources alone.
func (p *Policy) governsResource(group, resource string) bool {
	m := &p.Spec.Match
	return (len(m.Resources) == 0 || anyResource(m.Resources, group, resource)) &&
		!anyResource(m.ExcludeResources, group, resource)
}

// holdsGoverned: a policy that governs what is in a namespace, or the objects of a
// CRD, governs its deletion too, and the labels by which it governs a namespace,
// though it does not match namespaces or CRDs themselves: unless it leaves them out
// by name.
func (q *question) holdsGoverned() bool {
	r := q.req
	if !q.holdsOthers() && !(r.isNamespace() && q.leaves()) || anyResource(q.policy.Spec.Match.ExcludeResources, r.Resource.Group, r.Resource.Resource) {
		return false
	}
	if r.isNamespace() {
		return q.namespaceGoverned()
	}
	plural, group, _ := strings.Cut(r.Name, ".")
	return q.policy.governsResource(group, plural)
}

func (q *question) namespaceGoverned() bool {
	p, r := q.policy, q.req
	switch {
	case r.isNamespace():
		// A namespace belongs to what it holds: it is judged on its old and its
		// new labels, so that relabelling is no way out.
		if slices.Contains(p.Spec.Match.ExcludeNamespaces, r.Name) {
			return false
		}
		return p.namespaces == nil || !r.carriesObject() || r.Operation == Delete && r.Old == nil ||
			matchesEither(p.namespaces, r)
	case r.Namespace == "":
		return *p.Spec.Match.ClusterScoped
	case slices.Contains(p.Spec.Match.ExcludeNamespaces, r.Namespace):
		return false
	case p.namespaces == nil:
		return true
	case q.facts.NamespaceLabels == nil:
		q.missing |= NeedNamespaceLabels
		return true
	}
	return p.namespaces.Matches(labels.Set(q.facts.NamespaceLabels))
}

// objectGoverned: a request that shows no labels of its own (Scale, Eviction,
// options of exec) is governed, as is one whose object can't be seen.
func (q *question) objectGoverned() bool {
	sel, r := q.policy.objects, q.req
	if sel == nil || !r.carriesObject() || r.Object == nil && r.Old == nil ||
		r.Old == nil && r.Operation != Create {
		return true
	}
	return matchesEither(sel, r)
}

func matchesEither(sel labels.Selector, r *Request) bool {
	return r.Object != nil && sel.Matches(labelsOf(r.Object)) || r.Old != nil && sel.Matches(labelsOf(r.Old))
}

// labelsOf reads the labels of an object without copying them.
func labelsOf(obj map[string]any) objectLabels { return child(obj, "metadata", "labels") }

type objectLabels map[string]any

func (l objectLabels) Has(key string) bool { _, ok := l[key]; return ok }

func (l objectLabels) Get(key string) string { return text(l, key) }

func (l objectLabels) Lookup(key string) (string, bool) {
	v, ok := l[key]
	s, _ := v.(string)
	return s, ok
}

// steering: the resource tells a sync identity what to apply, so that it is
// guarded whole.
func (q *question) steering() bool {
	return anyResource(q.policy.Spec.Steering, q.req.Resource.Group, q.req.Resource.Resource)
}

// holdsOthers: deleting a namespace or a CRD deletes what is in it, declared
// objects too, which admission is not asked about again.
func (q *question) holdsOthers() bool {
	return q.req.Operation == Delete && q.req.Subresource == "" && (q.req.isNamespace() || q.req.isCRD())
}

var _ labels.Labels = objectLabels{}

// byMode is the answer to what may not be: refused under Enforce, admitted and
// recorded under Warn and Audit.
func (q *question) byMode(word v1alpha1.Reason, detail string) verdict {
	v := verdict{action: Deny, reason: word, detail: detail, outcome: v1alpha1.OutcomeDenied}
	if q.policy.Spec.Mode == v1alpha1.ModeWarn || q.policy.Spec.Mode == v1alpha1.ModeAudit {
		v.action, v.outcome = Flag, v1alpha1.OutcomeFlagged
	}
	return v
}

// leaves: the write takes its target out of the policy by its labels, those that
// git does not declare too: a namespace with all that it holds, or an object that
// git declared.
func (q *question) leaves() bool {
	p, r := q.policy, q.req
	if r.Operation != Update || r.Old == nil || r.Object == nil || !r.carriesObject() {
		return false
	}
	selector := p.objects
	if r.isNamespace() {
		selector = p.namespaces
	}
	return selector != nil && selector.Matches(labelsOf(r.Old)) && !selector.Matches(labelsOf(r.Object)) &&
		(r.isNamespace() || p.declaredObject(r.Old))
}
