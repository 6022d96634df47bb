package main

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/heartbeat"
	"github.com/gitlatch/gitlatch/webhook/registration"
)

// expectation says how the gate should be: the policies as they are now, compiled as the
// webhook compiles them. It is not for concurrent use.
type expectation struct {
	// live reads past any cache: a policy that this process has not heard of yet would
	// make the webhook's work look like somebody else's.
	live client.Reader
	// options are those of the webhook. It knows the CA bundle; we don't, and the
	// comparison leaves it out.
	options registration.Options

	good map[string]*policy.Policy // the newest generation of each that was valid
}

// expected implements the field of [heartbeat.Heart]. As with the webhook, an invalid
// policy is as it was before, if that was seen here.
func (e *expectation) expected(ctx context.Context) (*heartbeat.Expected, error) {
	var list v1alpha1.ChangePolicyList
	if err := e.live.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("listing ChangePolicies: %w", err)
	}
	out, good := &heartbeat.Expected{}, map[string]*policy.Policy{}
	for i := range list.Items {
		p := &list.Items[i]
		compiled, errs := policy.Compile(p)
		if len(errs) > 0 {
			compiled = e.good[p.Name]
		}
		if compiled != nil {
			good[p.Name] = compiled
			out.Policies = append(out.Policies, compiled)
		}
	}
	e.good = good
	var err error
	if out.Gate, out.Final, err = registration.Compile(e.options, out.Policies); err != nil {
		return nil, fmt.Errorf("compiling %d policies: %w", len(out.Policies), err)
	}
	return out, nil
}
