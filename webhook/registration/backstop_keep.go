package registration

import (
	"context"
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/policy"
)

// ensureBackstop makes the backstop what it should be, or takes it away while the off
// switch is set: the binding only, without which the policy does nothing. It returns how
// long to wait before it is looked at again.
func (r *Reconciler) ensureBackstop(ctx context.Context, o Options, policies []*policy.Policy) (time.Duration, error) {
	rules, binding, err := Backstop(o, policies)
	if err != nil {
		return 0, fmt.Errorf("compiling the backstop of %d policies: %w", len(policies), err)
	}
	if r.off != "" {
		return resync, remove(ctx, r.Live, r.Client, &admissionv1.ValidatingAdmissionPolicyBinding{})
	}
	live, err := r.read(ctx, rules, binding)
	if err != nil {
		return 0, err
	}
	wait := resync
	for i, want := range []client.Object{rules, binding} {
		delay, err := r.ensureOne(ctx, live[i], want)
		if err != nil {
			return 0, err
		}
		if delay > 0 {
			log.FromContext(ctx).Info("somebody else keeps on changing the backstop", "configuration", kindOf(want), "wait", delay)
			wait = min(wait, delay)
		}
	}
	return wait, nil
}

// backstopSpec is the spec of a policy or a binding; ok is false for anything else.
func backstopSpec(o client.Object) (spec any, ok bool) {
	switch c := o.(type) {
	case *admissionv1.ValidatingAdmissionPolicy:
		return c.Spec, true
	case *admissionv1.ValidatingAdmissionPolicyBinding:
		return c.Spec, true
	}
	return nil, false
}

// backstopDifferences names what of a spec is not as it should be.
func backstopDifferences(live, want client.Object) []string {
	w, ok := backstopSpec(want)
	if !ok {
		return nil
	}
	if l, _ := backstopSpec(live); equality.Semantic.DeepEqual(l, w) {
		return nil
	}
	l, isPolicy := live.(*admissionv1.ValidatingAdmissionPolicy)
	if !isPolicy {
		return []string{"spec"}
	}
	is, be := &l.Spec, &want.(*admissionv1.ValidatingAdmissionPolicy).Spec
	var out []string
	for _, f := range []struct {
		name       string
		live, want any
	}{
		{"failurePolicy", is.FailurePolicy, be.FailurePolicy},
		{"paramKind", is.ParamKind, be.ParamKind},
		{"matchConstraints", is.MatchConstraints, be.MatchConstraints},
		{"matchConditions", is.MatchConditions, be.MatchConditions},
		{"variables", is.Variables, be.Variables},
		{"validations", is.Validations, be.Validations},
		{"auditAnnotations", is.AuditAnnotations, be.AuditAnnotations},
	} {
		if !equality.Semantic.DeepEqual(f.live, f.want) {
			out = append(out, f.name)
		}
	}
	return out
}
