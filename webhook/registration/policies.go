package registration

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// Reasons of a policy's Ready condition.
const (
	ReasonRegistered   = "Registered"
	ReasonInvalid      = "Invalid"
	ReasonStandingDown = "StandingDown"
	ReasonContested    = "Contested"
	// ReasonRefused: the API server refuses the configurations, so that nothing is asked, or
	// what was asked before.
	ReasonRefused = "Refused"
)

// States of a policy, in the metric.
const (
	stateValid   = "valid"
	stateKept    = "kept"
	stateInvalid = "invalid"
)

// lastGood is the newest generation of a policy that compiled.
type lastGood struct {
	generation int64
	compiled   *policy.Policy
}

// found is one policy and what became of it.
type found struct {
	policy  *v1alpha1.ChangePolicy
	state   string
	problem string // "" for a valid one
}

// policies compiles what there is. An invalid policy is left out, unless an
// earlier generation of it was valid: leaving that out would open the gate.
func (r *Reconciler) policies(ctx context.Context) ([]*policy.Policy, []found, error) {
	var list v1alpha1.ChangePolicyList
	if err := r.Client.List(ctx, &list); err != nil {
		return nil, nil, fmt.Errorf("listing ChangePolicies: %w", err)
	}
	good := make(map[string]lastGood, len(list.Items))
	var compiled []*policy.Policy
	var all []found
	for i := range list.Items {
		p := &list.Items[i]
		c, errs := policy.Compile(p)
		if len(errs) == 0 {
			good[p.Name] = lastGood{generation: p.Generation, compiled: c}
			compiled = append(compiled, c)
			all = append(all, found{policy: p, state: stateValid})
			continue
		}
		problem, state := errs.ToAggregate().Error(), stateInvalid
		if before, ok := r.good[p.Name]; ok {
			good[p.Name], state = before, stateKept
			compiled = append(compiled, before.compiled)
			problem += fmt.Sprintf("; generation %d is still in force", before.generation)
		} else {
			problem += "; the policy is not in force"
		}
		all = append(all, found{policy: p, state: state, problem: problem})
	}
	r.good = good
	r.Metrics.tell(func() {
		for _, state := range []string{stateValid, stateKept, stateInvalid} {
			n := 0
			for _, f := range all {
				if f.state == state {
					n++
				}
			}
			r.Metrics.policies.WithLabelValues(state).Set(float64(n))
		}
	})
	return compiled, all, nil
}

// report writes the Ready condition of each policy, where it differs.
func (r *Reconciler) report(ctx context.Context, all []found, registered metav1.Condition) error {
	for _, f := range all {
		c := registered
		if f.problem != "" {
			c.Status, c.Reason, c.Message = metav1.ConditionFalse, ReasonInvalid, f.problem
		}
		c.Type, c.ObservedGeneration = v1alpha1.ConditionReady, f.policy.Generation
		c.LastTransitionTime = metav1.NewTime(r.now())
		next := f.policy.DeepCopy()
		changed := meta.SetStatusCondition(&next.Status.Conditions, c)
		if !changed && next.Status.ObservedGeneration == f.policy.Generation {
			continue
		}
		next.Status.ObservedGeneration = f.policy.Generation
		if err := r.Client.Status().Update(ctx, next, fieldOwner); ignoreGone(err) != nil {
			return fmt.Errorf("writing the status of ChangePolicy %s: %w", f.policy.Name, err)
		}
	}
	return nil
}
