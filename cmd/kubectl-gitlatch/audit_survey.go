package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/audit"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// survey asks both witnesses, the one that knows who first.
func (a *auditing) survey(ctx context.Context) error {
	var reader client.Client
	var err error
	if !a.offline {
		if reader, err = a.server.reader(); err != nil {
			return err
		}
	}
	policies, err := a.policies(ctx, reader)
	if err != nil {
		return err
	}
	a.report.policies(policies, len(a.files) > 0)
	if a.record {
		a.recorder = &audit.Recorder{Bypasses: &record.Bypasses{Store: reader}}
	}
	var from time.Time
	if a.since > 0 {
		from = a.now().Add(-a.since)
	}
	if len(a.logs) > 0 {
		if err := a.surveyLogs(ctx, reader, policies, from); err != nil {
			return err
		}
	}
	if a.offline {
		return nil
	}
	return a.surveyFields(ctx, reader, policies, from)
}

func (a *auditing) surveyLogs(ctx context.Context, reader client.Client, policies []*policy.Policy, from time.Time) error {
	log := &audit.Log{Policies: policies, Install: a.install, From: from, Namespace: a.namespace, Problem: a.report.problem(a.ErrOut)}
	if reader != nil {
		known, err := audit.ReadKnown(ctx, reader, from)
		if err != nil {
			return explainMissing(err)
		}
		log.Known, log.Labels = known, namespaceLabels(ctx, reader)
	}
	told := newTeller(a.ErrOut, a.progress)
	log.Progress = func(s audit.LogStats) {
		told.tell("%d MiB of audit log, %d events, %d findings", s.Bytes>>20, s.Events, s.Findings)
	}
	for _, name := range a.logs {
		source, closeSource, err := openLog(name, a.In)
		if err != nil {
			return badInput(err)
		}
		a.report.file = name
		stats, err := log.Survey(ctx, source, func(f audit.Finding) error {
			told.end()
			return a.found(ctx, f)
		})
		closeSource()
		told.end()
		a.report.logged(stats)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%s: %w", logName(name), err)
		}
	}
	return nil
}

func openLog(name string, stdin io.Reader) (io.Reader, func(), error) {
	if name == "-" {
		return stdin, func() {}, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the audit log: %w", err)
	}
	return file, func() { _ = file.Close() }, nil // read only: nothing to lose
}

func logName(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

func (a *auditing) surveyFields(ctx context.Context, reader client.Client, policies []*policy.Policy, from time.Time) error {
	config, err := a.server.config()
	if err != nil {
		return err
	}
	config = rest.CopyConfig(config)
	config.QPS = -1                           // the API server has fair queues
	config.WarningHandler = rest.NoWarnings{} // every kind is read, those that are deprecated too
	objects, err := metadata.NewForConfig(config)
	if err != nil {
		return badInput(fmt.Errorf("preparing a client: %w", err))
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return badInput(fmt.Errorf("preparing a client: %w", err))
	}
	told := newTeller(a.ErrOut, a.progress)
	fields := &audit.Fields{
		Metadata: objects, Discovery: kinds, Reader: reader, Policies: policies, Install: a.install, From: from, Namespace: a.namespace,
		Progress: func(p audit.Progress) { told.tell("%d of %d kinds, %d objects", p.Kinds, p.Of, p.Objects) },
	}
	stats, err := fields.Survey(ctx, func(f audit.Finding) error {
		told.end()
		return a.found(ctx, f)
	})
	told.end()
	a.report.ManagedFields = &stats
	return explainMissing(err)
}

// found takes a finding in, and records it where that was asked for.
func (a *auditing) found(ctx context.Context, f audit.Finding) error {
	if a.report.twice(&f) {
		return nil
	}
	if a.recorder == nil || f.Explained() {
		a.report.add(f)
		return nil
	}
	if a.report.Totals.Recorded == 0 {
		if err := a.recorder.Try(ctx, &f); err != nil {
			return fmt.Errorf("records are written by Gitlatch alone, and nothing was recorded; the reporter's account may, see docs/runbooks/bypass.md: %w", err)
		}
	}
	name, _, err := a.recorder.Record(ctx, &f)
	if err != nil {
		return err
	}
	a.report.Totals.Recorded++
	a.report.recorded(f, name)
	return nil
}

// policies are those of the files, or of the cluster.
func (a *auditing) policies(ctx context.Context, reader client.Client) ([]*policy.Policy, error) {
	var list []v1alpha1.ChangePolicy
	if len(a.files) > 0 {
		found, err := readPolicies(a.files, a.In)
		if err != nil {
			return nil, badInput(err)
		}
		for i := range found {
			list = append(list, found[i].ChangePolicy)
		}
	} else {
		var there v1alpha1.ChangePolicyList
		if err := reader.List(ctx, &there); err != nil {
			return nil, explainMissing(fmt.Errorf("reading the policies: %w", err))
		}
		list = there.Items
	}
	var compiled []*policy.Policy
	for i := range list {
		p, errs := policy.Compile(&list[i])
		if len(errs) > 0 {
			return nil, badInput(fmt.Errorf("policy %s: %w", list[i].Name, errs.ToAggregate()))
		}
		compiled = append(compiled, p)
	}
	return compiled, nil
}

// explainMissing says of a cluster without Gitlatch that it is one.
func explainMissing(err error) error {
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) && strings.Contains(err.Error(), "the server could not find the requested resource") {
		return fmt.Errorf("this cluster has no Gitlatch: it knows no changepolicies.%s", v1alpha1.Group)
	}
	return err
}

// namespaceLabels looks namespaces up, each once. One that is gone can't be told.
func namespaceLabels(ctx context.Context, reader client.Reader) func(string) map[string]string {
	known := map[string]map[string]string{}
	return func(name string) map[string]string {
		if labels, asked := known[name]; asked {
			return labels
		}
		var namespace corev1.Namespace
		if err := reader.Get(ctx, client.ObjectKey{Name: name}, &namespace); err != nil {
			if !errors.Is(err, context.Canceled) {
				known[name] = nil
			}
			return nil
		}
		known[name] = namespace.Labels
		if known[name] == nil {
			known[name] = map[string]string{}
		}
		return known[name]
	}
}
