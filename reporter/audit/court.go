package audit

import (
	"fmt"
	"slices"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// court asks the judge about what the log tells. It is not changed once made.
type court struct {
	install policy.Installation
	// policies by their making, the oldest first; unselected are the same without
	// their namespace selectors, asked where a namespace's labels are not known: they
	// govern at least as much.
	policies, unselected []*policy.Policy
	// labels looks a namespace up that the log does not show; nil: nobody can.
	labels func(namespace string) map[string]string
}

func newCourt(policies []*policy.Policy, install policy.Installation, labels func(string) map[string]string) (*court, error) {
	c := &court{install: install, labels: labels, policies: slices.Clone(policies)}
	slices.SortStableFunc(c.policies, func(a, b *policy.Policy) int { return a.Created.Compare(b.Created) })
	for _, p := range c.policies {
		open := &v1alpha1.ChangePolicy{Spec: *p.Spec.DeepCopy()}
		open.Name, open.CreationTimestamp.Time = p.Name, p.Created
		open.Spec.Match.NamespaceSelector = nil
		compiled, errs := policy.Compile(open)
		if len(errs) > 0 {
			return nil, fmt.Errorf("compiling policy %s without its namespaces: %w", p.Name, errs.ToAggregate())
		}
		c.unselected = append(c.unselected, compiled)
	}
	return c, nil
}

// standing is how many of the policies were in force.
func (c *court) standing(at time.Time) int {
	n, _ := slices.BinarySearchFunc(c.policies, at, func(p *policy.Policy, at time.Time) int {
		if p.Created.IsZero() || !at.Before(p.Created.Add(settling)) {
			return -1
		}
		return 1
	})
	return n
}

// letsThrough says that the gate would let a request through whatever its objects are:
// for who asks, or because nothing governs the target.
func (c *court) letsThrough(req *policy.Request, at time.Time) bool {
	if policy.NeverAsked(req.Resource.Group, req.Resource.Resource, req.Subresource) {
		return true
	}
	facts := &policy.Facts{Now: at, Install: c.install, WindowsLive: true}
	policies := c.policies[:c.standing(at)]
	if req.Resource.Group == "" && req.Resource.Resource == "namespaces" {
		// Its labels are in its objects, which are not looked at here: any selector may
		// select it.
		policies = c.unselected[:len(policies)]
	}
	d := policy.Decide(req, policies, facts)
	if d.Action != policy.Allow {
		return false
	}
	if byIdentity(&d) && len(policies) < 2 {
		return true
	}
	for _, p := range policies {
		d := policy.Decide(req, []*policy.Policy{p}, facts)
		governed := p.Governs(req, facts) || p.MayBecome(req, c.install)
		if d.Action != policy.Allow || governed && !byIdentity(&d) {
			return false
		}
	}
	return true
}

// byIdentity: of a class that comes before all that look at what changes.
func byIdentity(d *policy.Decision) bool {
	switch d.Class {
	case v1alpha1.ClassOwn, v1alpha1.ClassSync, v1alpha1.ClassSystem:
		return true
	}
	return false
}

// ruling is the judge's answer to an attempt of the past.
type ruling struct {
	policy.Decision
	// open says that what the log does not show could have made it an Allow.
	open bool
	// ungoverned says that no policy was in force yet.
	ungoverned bool
}

func (c *court) rule(a *Attempt) ruling {
	n := c.standing(a.Time)
	if a.Facts.NamespaceLabels == nil && c.labels != nil && a.Request.Namespace != "" {
		a.Facts.NamespaceLabels = c.labels(a.Request.Namespace)
	}
	policies := c.policies[:n]
	r := ruling{Decision: policy.Decide(&a.Request, policies, &a.Facts), ungoverned: n == 0}
	if r.Missing&policy.NeedNamespaceLabels != 0 {
		policies, r.open = c.unselected[:n], true
		r.Decision = policy.Decide(&a.Request, policies, &a.Facts)
	}
	if r.Action == policy.Allow {
		return r // what the log does not show never allows
	}
	// Whether somebody may break glass was asked when they asked for it, if they did.
	missing := r.Missing &^ (policy.NeedBreakGlass | policy.NeedWindows | policy.NeedNamespaceLabels)
	if len(a.Gaps) > 0 || missing != 0 {
		req, facts := mildest(a)
		d := policy.Decide(&req, policies, &facts)
		r.open = r.open || d.Action == policy.Allow
	}
	return r
}

// mildest fills in what the log does not show, as if git had declared none of it and
// nothing of account had changed. Where the judge refuses even that, what is missing
// does not matter.
func mildest(a *Attempt) (policy.Request, policy.Facts) {
	req, facts := a.Request, a.Facts
	if facts.Pod == nil {
		facts.Pod = &policy.PodFact{}
	}
	if req.Subresource == "scale" && facts.Parent == nil {
		facts.Parent = map[string]any{"metadata": map[string]any{}}
	}
	if req.Operation == policy.Connect {
		return req, facts
	}
	blank := map[string]any{"metadata": map[string]any{"name": req.Name, "namespace": req.Namespace}}
	if req.Object == nil && req.Operation != policy.Delete {
		req.Object = blank
	}
	if req.Old == nil && req.Operation != policy.Create {
		req.Old = blank
		if req.Operation == policy.Update {
			req.Old = before(req.Object)
		}
	}
	return req, facts
}

// before is an object that differs in an annotation which nobody declares.
func before(object map[string]any) map[string]any {
	old := map[string]any{}
	for name, value := range object {
		old[name] = value
	}
	metadata := map[string]any{}
	was, _ := object["metadata"].(map[string]any)
	for name, value := range was {
		metadata[name] = value
	}
	annotations := map[string]any{"example.com/not-in-the-log": "true"}
	shown, _ := was["annotations"].(map[string]any)
	for name, value := range shown {
		annotations[name] = value
	}
	metadata["annotations"] = annotations
	old["metadata"] = metadata
	return old
}

// declared says whether git declares the object, as far as the log shows it.
func (c *court) declared(a *Attempt) bool {
	for _, object := range []map[string]any{a.Request.Old, a.Request.Object, a.Facts.Parent} {
		entries, _ := field(object, "metadata", "managedFields").([]any)
		for _, v := range entries {
			entry, _ := v.(map[string]any)
			manager, subresource := text(entry, "manager"), text(entry, "subresource")
			if subresource != "status" && slices.ContainsFunc(c.policies, func(p *policy.Policy) bool { return p.Sync(manager) }) {
				return true
			}
		}
	}
	return false
}
