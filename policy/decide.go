package policy

import (
	"maps"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// rule is one class of the decision table: it says whether the class fits and,
// if so, what follows.
type rule struct {
	class v1alpha1.Class
	fits  func(*question) (verdict, bool)
}

// rules are the classes, in order; the first that fits decides. Two checks
// stand between them because of what they forbid: a forged field manager before
// the first class that looks at what changed, and forged marks before the first
// that lets a person through.
func rules() [15]rule {
	return [15]rule{
		{v1alpha1.ClassOwn, own},
		{v1alpha1.ClassSync, sync},
		{v1alpha1.ClassCredential, credential},
		{v1alpha1.ClassSystem, system},
		{v1alpha1.ClassUnchanged, unchanged},
		{v1alpha1.ClassOutOfBand, forgedManager},
		{v1alpha1.ClassTrusted, trusted},
		{v1alpha1.ClassFinalizer, finalizer},
		{v1alpha1.ClassStatus, status},
		{v1alpha1.ClassController, controller},
		{v1alpha1.ClassOutOfBand, forgedMark},
		{v1alpha1.ClassUngoverned, undeclared},
		{v1alpha1.ClassOperation, operation},
		{v1alpha1.ClassBreakGlass, breakGlass},
		{v1alpha1.ClassOutOfBand, outOfBand},
	}
}

// Decide judges one request by every policy that governs it; the strictest
// answer wins (Deny, Flag, Allow), whatever the order of the policies. With no
// policy and no built-in rule the answer is Allow, unseen.
func Decide(req *Request, policies []*Policy, facts *Facts) Decision {
	if NeverAsked(req.Resource.Group, req.Resource.Resource, req.Subresource) {
		return Decision{Action: Allow, Class: v1alpha1.ClassUngoverned}
	}
	if d, is := canary(req); is {
		return d
	}
	q := question{req: req, facts: facts}
	if d, guarded := builtin(&q, policies); guarded {
		return d
	}
	var t tally
	for _, p := range policies {
		q.ask(p)
		if q.governed() {
			t.add(q.judge())
		} else if v, fits := q.elsewhere(policies); fits {
			t.add(v)
		}
	}
	if t.count == 0 {
		return Decision{Action: Allow, Class: v1alpha1.ClassUngoverned}
	}
	v := t.result()
	return q.decision(&v)
}

// question is one request put to one policy.
type question struct {
	req    *Request
	facts  *Facts
	policy *Policy

	compared, alike bool    // the old and the new object were compared, and are alike
	where           *places // where they differ, if that was asked for

	missing   Need  // facts that were asked for and are not there
	inspected bool  // touch is filled in, for the field managers of this policy
	read      bool  // and this policy asked for it
	touch     touch // what the write does to declared fields
}

// ask puts the question to another policy.
func (q *question) ask(p *Policy) {
	if q.inspected && !maps.Equal(q.policy.managers, p.managers) {
		q.inspected, q.touch = false, touch{}
	}
	q.policy, q.missing, q.read = p, 0, false
}

func (q *question) judge() verdict {
	table := rules()
	for i := range table {
		v, fits := table[i].fits(q)
		if !fits {
			continue
		}
		return q.signed(v, table[i].class)
	}
	return q.signed(verdict{}, v1alpha1.ClassOutOfBand) // the zero value denies
}

// signed adds to an answer whose it is.
func (q *question) signed(v verdict, class v1alpha1.Class) verdict {
	if v.class == "" {
		v.class = class
	}
	v.policy, v.missing, v.redact = q.policy, v.missing|q.missing, q.policy.Spec.Redact
	switch {
	case v.action == Flag && q.req.Subresource == "scale": // not asked for by every rule, and guarded by the record
		t, _ := q.scale()
		v.touched = t.paths
	case q.read:
		v.touched = q.touch.paths
	}
	return v
}

// declared returns what the write does to declared fields, read once a policy.
func (q *question) declared() *touch {
	if !q.inspected {
		q.touch, q.inspected = q.policy.inspect(q.req, q.facts, q.differences), true
	}
	q.read = true
	return &q.touch
}

// allow is the verdict of a class that lets through.
func allow() (verdict, bool) { return verdict{action: Allow}, true }

// no is the answer of a class that does not fit.
func no() (verdict, bool) { return verdict{}, false }
