package policy

import (
	"slices"
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// verdict is one policy's answer. The zero value denies.
type verdict struct {
	action  Action
	class   v1alpha1.Class
	reason  v1alpha1.Reason
	policy  *Policy
	detail  string
	outcome v1alpha1.Outcome
	opens   *Window
	within  *Window
	closes  []Window
	missing Need
	touched []string
	redact  []string
}

// tally gathers the answers of all policies. The strictest is kept; what belongs
// to every answer (facts to look up, windows, names to redact) is kept of every
// one. Each part is a minimum or a union, so that the order does not matter.
type tally struct {
	best    verdict
	count   int
	missing Need
	opens   *Window
	within  *Window
	closes  []Window
	redact  []string
}

func (t *tally) add(v verdict) {
	if t.count == 0 || less(&v, &t.best) {
		t.best = v
	}
	t.count++
	t.missing |= v.missing
	t.opens = sooner(t.opens, v.opens)
	t.within = sooner(t.within, v.within)
	if len(v.closes) > 0 {
		t.closes = v.closes
	}
	if v.action != Allow {
		t.redact = union(t.redact, v.redact)
	}
}

// result is the strictest answer. A denial that no look-up can lift needs none.
func (t *tally) result() verdict {
	v := t.best
	if v.action != Deny || v.missing != 0 {
		v.missing = t.missing
	}
	if v.action == Allow {
		if v.missing&NeedNamespaceLabels != 0 {
			v.policy = nil // whether it governs was not worth a look-up
		}
		v.missing = 0 // allowed even as if governed
	}
	v.opens, v.within, v.closes, v.redact = t.opens, t.within, t.closes, t.redact
	return v
}

func sooner(a, b *Window) *Window {
	switch {
	case a == nil:
		return b
	case b == nil || a.Until.Before(b.Until):
		return a
	case b.Until.Before(a.Until) || b.Record < a.Record:
		return b
	}
	return a
}

// less orders answers from the strictest: the action, then a denial that no
// look-up can lift, then break-glass before a plain flag (its record is stricter),
// then the name of the policy.
func less(a, b *verdict) bool {
	if a.action != b.action {
		return a.action < b.action
	}
	if x, y := a.missing == 0, b.missing == 0; x != y {
		return x
	}
	if x, y := a.class == v1alpha1.ClassBreakGlass, b.class == v1alpha1.ClassBreakGlass; x != y {
		return x
	}
	return a.policy.Name < b.policy.Name
}

func union(a, b []string) []string {
	if len(b) == 0 {
		return a
	}
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// decision turns the strictest verdict into the answer, with its words.
func (q *question) decision(v *verdict) Decision {
	d := Decision{
		Action: v.action, Class: v.class, Reason: v.reason,
		Record: v.outcome, Missing: v.missing, Touched: v.touched,
		Opens: v.opens, Within: v.within, Closes: v.closes, Redact: v.redact,
	}
	p := v.policy
	if p == nil {
		return d
	}
	d.Policy, d.Mode, d.OnRecordFailure = p.Name, p.Spec.Mode, p.Spec.OnRecordFailure
	if p.builtin {
		d.Policy = ""
	}
	if v.action == Allow {
		return d
	}
	d.Message = q.req.target(" " + v.detail)
	if v.action == Deny || d.Mode == v1alpha1.ModeWarn {
		d.Next = p.next(q.req, v.reason)
		if q.facts.BreakGlass != Unauthorized { // whoever was just told no can't
			d.Emergency = p.emergency(q.req, v.reason)
		}
	}
	return d
}

// Target names the target of a request for people: apps/Deployment prod/web, or
// pods/exec prod/web-0 for a subresource.
func (r *Request) Target() string { return r.target("") }

func (r *Request) target(after string) string {
	var b strings.Builder
	b.Grow(len(r.Resource.Group) + len(r.Kind.Kind) + len(r.Resource.Resource) + len(r.Subresource) + len(r.Namespace) + len(r.Name) + len(after) + 4)
	if r.Resource.Group != "" {
		b.WriteString(r.Resource.Group)
		b.WriteByte('/')
	}
	if r.Subresource == "" && r.Kind.Kind != "" {
		b.WriteString(r.Kind.Kind)
	} else {
		b.WriteString(r.Resource.Resource)
		if r.Subresource != "" {
			b.WriteByte('/')
			b.WriteString(r.Subresource)
		}
	}
	b.WriteByte(' ')
	if r.Namespace != "" && !r.isNamespace() {
		b.WriteString(r.Namespace)
		b.WriteByte('/')
	}
	b.WriteString(r.Name)
	b.WriteString(after)
	return b.String()
}

// next says what to do instead of what was denied.
func (p *Policy) next(r *Request, why v1alpha1.Reason) string {
	switch why {
	case v1alpha1.ReasonOutOfBand, v1alpha1.ReasonBuiltIn:
	default:
		return ""
	}
	if r.Operation == Connect || r.Subresource == "eviction" || r.isResource(v1alpha1.Group, "changerecords") {
		return ""
	}
	if i := p.carrier(r); i >= 0 {
		if text := origin(r.Old); text != "" {
			return text
		}
		return p.bringers[i] // written beforehand: a flood is denied as fast as may be
	}
	return "change it in git"
}

// carrier is the sync identity that brings this object, by its place in the policy:
// the one whose field manager declared it, else the only one there is; -1: unknown.
func (p *Policy) carrier(r *Request) int {
	for _, v := range managedFields(r.Old) {
		e, ok := readEntry(v)
		if !ok || !p.declares(&e) {
			continue
		}
		for i := range p.Spec.Sync {
			if has(p.Spec.Sync[i].FieldManagers, e.manager) {
				return i
			}
		}
	}
	if len(p.Spec.Sync) == 1 {
		return 0
	}
	return -1
}

// emergency says how this requester could break glass, if they could.
func (p *Policy) emergency(r *Request, why v1alpha1.Reason) *Emergency {
	b := p.Spec.BreakGlass
	if b == nil || why == v1alpha1.ReasonForged {
		return nil
	}
	for _, g := range b.AllowedGroups {
		if r.User.inGroup(g) {
			return &Emergency{Group: g, Max: b.MaxDuration.Duration}
		}
	}
	return nil
}
