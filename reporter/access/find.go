package access

import (
	"cmp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// Objects are what the cluster says. None of them is changed.
type Objects struct {
	Roles               []rbacv1.Role
	ClusterRoles        []rbacv1.ClusterRole // aggregated ones as their controller filled them in
	RoleBindings        []rbacv1.RoleBinding
	ClusterRoleBindings []rbacv1.ClusterRoleBinding
	Policies            []v1alpha1.ChangePolicy
	// Kinds are what the API server serves.
	Kinds []Kind
	// Namespaces that are there. nil: not known, then every one is governed that could be.
	Namespaces []Namespace
	// Install is what Gitlatch consists of.
	Install policy.Installation
}

// Report is who can go around git.
type Report struct {
	// Enforced says that a policy denies what is around git. Without one nothing is held
	// back.
	Enforced bool      `json:"enforced"`
	Findings []Finding `json:"findings"`
	// Notes say what RBAC can't tell.
	Notes []string `json:"notes"`
}

// Finding is one act, by one subject, through one binding.
type Finding struct {
	Subject Subject `json:"subject"`
	Act     Act     `json:"act"`
	// Held says that the gate denies it while it is shut. What is not held goes around
	// git as it is.
	Held bool `json:"held"`
	// Expected says why the subject holds the right as it should: the control plane,
	// Gitlatch, or a sync identity. Left out: nobody expects it.
	Expected string `json:"expected,omitempty"`
	// Namespace that the right is limited to. Left out: the whole cluster.
	Namespace string  `json:"namespace,omitempty"`
	Through   Binding `json:"through"`
	Rights    []Right `json:"rights"`
	// Message says it for people, and Instead what to bind in its place.
	Message string `json:"message"`
	Instead string `json:"instead"`
}

// Right is some verbs on some resources.
type Right struct {
	Verbs []string `json:"verbs"`
	// Resources as group/resource/subresource; "*" is all that the policies govern.
	Resources []string `json:"resources"`
	// Namespaces in which they matter. Left out: all that the finding reaches.
	Namespaces []string `json:"namespaces,omitempty"`
	// Names that the right is limited to. Left out: any.
	Names []string `json:"names,omitempty"`
}

// Unexpected are the findings that nobody expects.
func (r *Report) Unexpected() []Finding { return r.Select(Selection{}) }

// Find judges who can go around git.
func Find(o *Objects) *Report {
	j := newJudge(o)
	asked := j.questions()
	all := grants(o)
	taken := j.taken(all, asked)
	r := &Report{Enforced: j.enforced()}
	for i := range all {
		r.Findings = append(r.Findings, j.findings(&all[i], asked, taken)...)
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(
			order(a.Expected != "", b.Expected != ""),
			strings.Compare(a.Subject.String(), b.Subject.String()),
			order(a.Held, b.Held),
			cmp.Compare(slices.Index(Acts(), a.Act), slices.Index(Acts(), b.Act)),
			strings.Compare(a.Through.String(), b.Through.String()),
		)
	})
	r.Notes = append(notes(j, all, r), j.notes...)
	return r
}

func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// taken is whom each subject may impersonate, over all its bindings and the groups that
// it is surely in.
func (j *judge) taken(all []grant, asked []question) map[Subject]*poses {
	own := map[Subject]*poses{}
	for i := range all {
		own[all[i].subject] = &poses{accounts: map[string]*names{}, extras: map[string]bool{}}
	}
	for i := range all {
		g := &all[i]
		each(g, asked, ActImpersonate, func(q *question, _, limited []string) {
			for subject, p := range own {
				if subject == g.subject || slices.Contains(subject.groups(), g.subject) {
					p.take(q, g.through.Namespace, limited)
				}
			}
		})
	}
	return own
}

// each tells what a grant's rules cover of the questions about an act; "" is every act.
func each(g *grant, asked []question, act Act, do func(q *question, verbs, limited []string)) {
	for i := range g.rules {
		for k := range asked {
			q := &asked[k]
			if act != "" && q.act != act || !q.within(g) || q.explicit && !slices.ContainsFunc(q.verbs, func(v string) bool {
				return slices.Contains(g.rules[i].Verbs, v)
			}) {
				continue
			}
			verbs, limited := coverage(&g.rules[i], q)
			if q.itself && g.through.Namespace != "" {
				verbs, limited = ofItself(verbs, limited, q, g.through.Namespace)
			}
			if len(verbs) > 0 {
				do(q, verbs, limited)
			}
		}
	}
}

// within: the grant reaches where the right is needed.
func (q *question) within(g *grant) bool {
	return g.through.Namespace == "" || q.anywhere || q.itself || q.namespace == g.through.Namespace
}

// ofItself is what a right in a namespace allows of that namespace.
func ofItself(verbs, limited []string, q *question, namespace string) (left, names []string) {
	if limited != nil && !slices.Contains(limited, namespace) {
		return nil, nil
	}
	for _, verb := range verbs {
		if !nameless(verb, q.subresource) {
			left = append(left, verb)
		}
	}
	return left, []string{namespace}
}

// findings of one grant, one an act and answer.
func (j *judge) findings(g *grant, asked []question, taken map[Subject]*poses) []Finding {
	var out []Finding
	each(g, asked, "", func(q *question, verbs, limited []string) {
		a := q.answer(g.through.Namespace)
		if !a.governed {
			return
		}
		switch q.act {
		case ActImpersonate:
			a.held = j.enforced() && !j.believed(taken[g.subject], q, g.through.Namespace, limited)
		case ActBreakGlass:
			listed := g.subject.Kind == rbacv1.GroupKind && j.groups[g.subject.Name]
			if !listed && !spells(g, "breakglass") {
				return
			}
			a.held = !listed && j.enforced()
		}
		i := slices.IndexFunc(out, func(f Finding) bool { return f.Act == q.act && f.Held == a.held })
		if i < 0 {
			i = len(out)
			out = append(out, Finding{
				Subject: g.subject, Act: q.act, Held: a.held, Expected: j.expected(g.subject),
				Namespace: g.through.Namespace, Through: g.through,
			})
		}
		right := Right{Verbs: verbs, Resources: []string{resourceName(q.group, q.resource, q.subresource)}, Names: limited}
		if q.namespace != "" && g.through.Namespace == "" {
			right.Namespaces = []string{q.namespace}
		}
		out[i].Rights = append(out[i].Rights, right)
	})
	for i := range out {
		out[i].Rights = j.merged(&out[i], asked)
		out[i].Message, out[i].Instead = j.say(&out[i])
	}
	return out
}

// spells: the role names the verb, other than by "*".
func spells(g *grant, verb string) bool {
	return slices.ContainsFunc(g.rules, func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Verbs, verb) })
}
