package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/audit"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// makeAudit makes the bypass review that follows each gap.
func (p *parts) makeAudit(context.Context) error {
	counted, err := recordMetrics()
	if err != nil {
		return err
	}
	if p.audited, err = audit.NewMetrics(metrics.Registry); err != nil {
		return fmt.Errorf("registering the metrics of the audit: %w", err)
	}
	objects, err := metadata.NewForConfig(metadata.ConfigFor(p.config))
	if err != nil {
		return fmt.Errorf("making a client for metadata: %w", err)
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(p.config)
	if err != nil {
		return fmt.Errorf("making a client for discovery: %w", err)
	}
	p.recorder = &audit.Recorder{Bypasses: &record.Bypasses{Store: p.direct, Metrics: counted, Clock: clock.RealClock{}}}
	p.reviewer = &audit.Reviewer{
		Fields:   audit.Fields{Metadata: objects, Discovery: kinds, Reader: p.direct, Install: p.install, Clock: clock.RealClock{}},
		Policies: p.policies, Recorder: p.recorder, Metrics: p.audited,
	}
	return nil
}

// makeBackend takes the API server's audit log, where an address says so.
func (p *parts) makeBackend(context.Context) error {
	o := &p.options.Audit
	if o.Address == "" {
		return nil
	}
	backend := &audit.Backend{
		Policies: p.policies, Install: p.install, Labels: p.namespaceLabels, Recorder: p.recorder, Metrics: p.audited,
	}
	if o.TokenFile != "" {
		backend.Token = audit.TokenFile(o.TokenFile)
	}
	return p.add("the audit webhook backend", &audit.Server{
		Address: o.Address, CertFile: o.CertFile, KeyFile: o.KeyFile, ClientCAFile: o.ClientCAFile, Backend: backend,
	})
}

// policies are those that are valid, as the cache has them.
func (p *parts) policies(ctx context.Context) ([]*policy.Policy, error) {
	var list v1alpha1.ChangePolicyList
	if err := p.manager.GetClient().List(ctx, &list); err != nil {
		return nil, fmt.Errorf("listing ChangePolicies: %w", err)
	}
	var all []*policy.Policy
	for i := range list.Items {
		if compiled, errs := policy.Compile(&list.Items[i]); len(errs) == 0 {
			all = append(all, compiled)
		}
	}
	return all, nil
}

// namespaceLabels reads those of one namespace; of one that is gone nothing is known.
func (p *parts) namespaceLabels(name string) map[string]string {
	var namespace corev1.Namespace
	if err := p.direct.Get(context.Background(), client.ObjectKey{Name: name}, &namespace); err != nil {
		return nil
	}
	return namespace.Labels
}
