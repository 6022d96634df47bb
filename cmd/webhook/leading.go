package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/gitlatch/gitlatch/cmd/internal/program"
	"github.com/gitlatch/gitlatch/webhook/registration"
)

// nextTerm is how long a replica that lost the lease waits before it stands again.
const nextTerm = 2 * time.Second

// makeLease is one name for all terms of this process: it goes on at once with a
// lease that nobody took meanwhile.
func (p *parts) makeLease(context.Context) (err error) {
	p.lease, err = program.Lease(p.config, p.options.Namespace, leaseName, p.options.Replica+"_"+string(uuid.NewUUID()))
	return err
}

// lead does the leader's work whenever this replica is it. The leader's manager is
// one of its own: a manager ends when its lease is lost, as it is when the API
// server is slow or stores nothing for some seconds, and with the process would go
// the denials whose records wait for that to be over, and their answers.
func (p *parts) lead(ctx context.Context) error {
	return terms(ctx, nextTerm, func(ctx context.Context) error {
		m, err := p.newLeader()
		if err != nil {
			return err
		}
		resign, err := p.leading(m)
		if err != nil {
			return err
		}
		defer resign()
		return m.Start(ctx)
	}, func(err error) { p.log.Error(err, "not leading any longer, standing for it again") })
}

// terms serves one after the other until ctx ends; what ended one is told of.
func terms(ctx context.Context, pause time.Duration, serve func(context.Context) error, tell func(error)) error {
	for {
		err := serve(ctx)
		if ctx.Err() != nil {
			return nil // that it had to let go of the lease is no error
		}
		tell(err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// newLeader is the manager of one term. Its cache holds policies and our own webhook
// configurations, and on the leader only.
func (p *parts) newLeader() (manager.Manager, error) {
	m, err := manager.New(p.config, manager.Options{
		Scheme:         p.scheme,
		Logger:         p.log,
		MapperProvider: mapper,
		Cache:          cache.Options{DefaultTransform: cache.TransformStripManagedFields(), ByObject: registration.Cached()},
		Metrics:        metricsserver.Options{BindAddress: "0"},          // those of the process show its metrics too
		Controller:     config.Controller{SkipNameValidation: new(true)}, // it has the name that it had in the last term

		LeaderElection:                      p.options.LeaderElect,
		LeaderElectionResourceLockInterface: p.lease,
		LeaderElectionReleaseOnCancel:       true,
	})
	if err != nil {
		return nil, fmt.Errorf("making the leader's manager: %w", err)
	}
	return m, nil
}
