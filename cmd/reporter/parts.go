package main

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/gitlatch/gitlatch/cmd/internal/program"
)

// parts are what the program consists of.
type parts struct {
	options *Options
	log     logr.Logger

	config  *rest.Config
	scheme  *runtime.Scheme
	manager manager.Manager
	direct  client.WithWatch // reads nothing from a cache
}

// assemble puts the parts together, the ones that others need first.
func assemble(ctx context.Context, o *Options, l logr.Logger) (*parts, error) {
	p := &parts{options: o, log: l}
	for _, step := range []func(context.Context) error{
		p.makeClients,
		p.makeManager,
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
