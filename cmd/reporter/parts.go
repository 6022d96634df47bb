package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/gitlatch/gitlatch/cmd/internal/program"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/alert"
	"github.com/gitlatch/gitlatch/reporter/audit"
	"github.com/gitlatch/gitlatch/reporter/heartbeat"
	"github.com/gitlatch/gitlatch/reporter/record"
	"github.com/gitlatch/gitlatch/reporter/retention"
	"github.com/gitlatch/gitlatch/reporter/review"
	"github.com/gitlatch/gitlatch/reporter/tally"
	"github.com/gitlatch/gitlatch/webhook/registration"
)

// stateName is the ConfigMap of what must outlive the process; the manifests grant it
// by name. Each room has keys of its own in it.
const stateName = "gitlatch-reporter"

// parts are what the program consists of.
type parts struct {
	options *Options
	log     logr.Logger
	stdout  io.Writer

	config  *rest.Config
	scheme  *runtime.Scheme
	manager manager.Manager
	direct  client.WithWatch // reads nothing from a cache

	install  policy.Installation
	recorder *audit.Recorder
	audited  *audit.Metrics
	reviewer *audit.Reviewer
}

// assemble puts the parts together, the ones that others need first.
func assemble(ctx context.Context, o *Options, l logr.Logger, stdout io.Writer) (*parts, error) {
	p := &parts{options: o, log: l, stdout: stdout, install: o.Gate.Install(o.Namespace)}
	for _, step := range []func(context.Context) error{
		p.makeClients,
		p.makeManager,
		p.makeTally,
		p.makeReview,
		p.makeRetention,
		p.makeAlerts,
		p.makeAudit,
		p.makeBackend,
		p.makeHeartbeat,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *parts) makeClients(context.Context) (err error) {
	if p.config, err = program.Config(p.options.Kubeconfig, "gitlatch-reporter"); err != nil {
		return err
	}
	if p.scheme, err = newScheme(); err != nil {
		return err
	}
	p.direct, err = client.NewWithWatch(p.config, client.Options{Scheme: p.scheme})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	return nil
}

func (p *parts) makeManager(ctx context.Context) (err error) {
	p.manager, err = newManager(ctx, p.options, p.config, p.scheme, p.log)
	return err
}

func (p *parts) add(what string, loop manager.Runnable) error {
	if err := p.manager.Add(loop); err != nil {
		return fmt.Errorf("adding %s: %w", what, err)
	}
	return nil
}

func (p *parts) makeTally(context.Context) error {
	t := &tally.Tally{Client: p.direct, Clock: clock.RealClock{}}
	if err := metrics.Registry.Register(t); err != nil {
		return fmt.Errorf("registering the metrics of the tally: %w", err)
	}
	return p.add("the tally", t)
}

func (p *parts) makeReview(context.Context) error {
	m, err := review.NewMetrics(metrics.Registry, p.options.Overdue, clock.RealClock{})
	if err != nil {
		return fmt.Errorf("registering the metrics of reviews: %w", err)
	}
	return p.add("the loop of reviews", &review.Loop{Client: p.direct, Clock: clock.RealClock{}, Metrics: m})
}

func (p *parts) makeRetention(context.Context) error {
	m, err := retention.NewMetrics(metrics.Registry)
	if err != nil {
		return fmt.Errorf("registering the metrics of retention: %w", err)
	}
	options := p.options.Retention
	_, missing := os.Stat(p.options.Receivers) // the flag is always there, the Secret behind it may not be
	options.Notifying = missing == nil
	sink, heads := p.archive()
	return p.add("the retention", &retention.Loop{
		Store: p.direct, Sink: sink, Heads: heads, Metrics: m, Clock: clock.RealClock{}, Options: options,
	})
}

func (p *parts) makeAlerts(context.Context) error {
	m, err := alert.NewMetrics(metrics.Registry)
	if err != nil {
		return fmt.Errorf("registering the metrics of notifications: %w", err)
	}
	return p.add("the notifications", &alert.Loop{
		Client: p.direct, File: p.options.Receivers, State: client.ObjectKey{Namespace: p.options.Namespace, Name: stateName},
		Events: &alert.Events{Instance: p.options.Replica}, Clock: clock.RealClock{}, Metrics: m,
	})
}

// makeHeartbeat comes last: it reviews the gaps of a process that ended.
func (p *parts) makeHeartbeat(context.Context) error {
	m, err := heartbeat.NewMetrics(metrics.Registry)
	if err != nil {
		return fmt.Errorf("registering the metrics of the heartbeat: %w", err)
	}
	e := &expectation{live: p.direct, options: p.options.Gate.Registration(p.options.Namespace)}
	return p.add("the heartbeat", &heartbeat.Heart{
		Config: p.config, Client: p.direct, Namespace: p.options.Namespace,
		Expected: e.expected, Differences: registration.Differences, Review: p.reviewer.Review,
		Every: p.options.HeartbeatEvery, Metrics: m, Clock: clock.RealClock{},
	})
}

// recordMetrics count the records that are written here.
func recordMetrics() (*record.Metrics, error) {
	m, err := record.NewMetrics(metrics.Registry)
	if err != nil {
		return nil, fmt.Errorf("registering the metrics of records: %w", err)
	}
	return m, nil
}
