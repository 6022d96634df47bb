package main

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// readPolicies finds those that are asked: of files, else of the cluster, else the
// strictest that there is.
func (p *preflighting) readPolicies(ctx context.Context) error {
	from := "of the cluster"
	if len(p.files) > 0 {
		from = "of -f"
		found, err := readPolicies(p.files, p.In)
		if err != nil {
			return badInput(err)
		}
		for i := range found {
			p.list = append(p.list, found[i].ChangePolicy)
		}
	} else {
		var there v1alpha1.ChangePolicyList
		if err := p.reader.List(ctx, &there); err != nil && !meta.IsNoMatchError(err) && !apierrors.IsNotFound(err) {
			return fmt.Errorf("reading the policies: %w", err)
		}
		p.list = there.Items
	}
	if len(p.list) == 0 {
		from = "built in: it governs everything, and Gitlatch's applier is git"
		p.list = []v1alpha1.ChangePolicy{p.strictest()}
	}
	for i := range p.list {
		one := &p.list[i]
		one.Spec.Mode, one.CreationTimestamp = v1alpha1.ModeEnforce, metav1.Time{} // what was written before it counts too
		compiled, errs := policy.Compile(one)
		if len(errs) > 0 {
			return badInput(fmt.Errorf("policy %s: %w", one.Name, errs.ToAggregate()))
		}
		p.policies = append(p.policies, compiled)
		p.report.Policies = append(p.report.Policies, one.Name+" ("+from+")")
	}
	return nil
}

// strictest is manifests/policies/gitlatch.yaml, under Enforce.
func (p *preflighting) strictest() v1alpha1.ChangePolicy {
	return v1alpha1.ChangePolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "cluster"},
		Spec: v1alpha1.ChangePolicySpec{
			Match: v1alpha1.Match{
				ExcludeNamespaces: []string{"kube-node-lease"},
				ExcludeResources:  []v1alpha1.ResourceRule{{APIGroups: []string{"certificates.k8s.io"}, Resources: []string{"*"}}},
			},
			Sync: []v1alpha1.SyncIdentity{{
				Subject:       v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: p.install.Namespace, Name: p.install.Applier}},
				FieldManagers: []string{v1alpha1.FieldManager},
			}},
		},
	}
}
