package main

import (
	"fmt"
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/audit"
)

// court asks the judge about attempts of the past.
type court struct {
	policies []*policy.Policy
	// unselected are the same policies without their namespace selectors, asked
	// where the log does not show a namespace's labels: they govern at least as much.
	unselected []*policy.Policy
}

// newCourt compiles policies, as if each had the mode; "" leaves them theirs.
func newCourt(list []located, mode v1alpha1.Mode) (*court, error) {
	c := &court{}
	for i := range list {
		if mode != "" {
			list[i].Spec.Mode = mode
		}
		compiled, errs := policy.Compile(&list[i].ChangePolicy)
		if len(errs) > 0 {
			texts := make([]string, len(errs))
			for j, err := range errs {
				texts[j] = err.Error()
			}
			return nil, fmt.Errorf("%s: %s", list[i].where, strings.Join(texts, "; "))
		}
		c.policies = append(c.policies, compiled)
		open := list[i].DeepCopy()
		open.Spec.Match.NamespaceSelector = nil
		if compiled, errs = policy.Compile(open); len(errs) > 0 {
			return nil, fmt.Errorf("%s: %w", list[i].where, errs.ToAggregate())
		}
		c.unselected = append(c.unselected, compiled)
	}
	return c, nil
}

func (c *court) names() []string {
	var names []string
	for _, p := range c.policies {
		names = append(names, p.Name)
	}
	return names
}

// ruling is the judge's answer to an attempt of the past.
type ruling struct {
	policy.Decision
	// sure says that the webhook would have answered the same. An Allow is always
	// sure: what the log does not show never allows.
	sure bool
	// assumed says that the namespace's labels are not in the log, and every
	// selector was taken as matching.
	assumed bool
}

func (c *court) rule(a *audit.Attempt) ruling {
	r := ruling{Decision: policy.Decide(&a.Request, c.policies, &a.Facts)}
	if r.Missing&policy.NeedNamespaceLabels != 0 {
		r.assumed = true
		r.Decision = policy.Decide(&a.Request, c.unselected, &a.Facts)
		r.Missing &^= policy.NeedNamespaceLabels
	}
	r.sure = r.Action == policy.Allow || len(a.Gaps) == 0 && r.Missing == 0
	return r
}
