package main

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/cmd/internal/program"
)

// leaseName is the lease that the leader holds; the manifests grant it by name.
const leaseName = "gitlatch-reporter"

func newScheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			return nil, fmt.Errorf("registering kinds: %w", err)
		}
	}
	return s, nil
}

// newManager runs the loops, on the leader alone. Its cache holds the policies and
// nothing else: records come by a stream that keeps none, and reading another kind
// goes to the API server, or fails where it would have started a watch of the whole
// cluster.
func newManager(ctx context.Context, o *Options, config *rest.Config, scheme *runtime.Scheme, l logr.Logger) (manager.Manager, error) {
	lock, err := program.Lease(config, o.Namespace, leaseName, o.Replica)
	if err != nil {
		return nil, err
	}
	m, err := manager.New(config, manager.Options{
		Scheme: scheme,
		Logger: l,
		Cache: cache.Options{
			DefaultTransform:            cache.TransformStripManagedFields(),
			ByObject:                    map[client.Object]cache.ByObject{&v1alpha1.ChangePolicy{}: {}},
			ReaderFailOnMissingInformer: true,
		},
		Metrics:                metricsserver.Options{BindAddress: o.MetricsAddress},
		HealthProbeBindAddress: o.ProbeAddress,

		LeaderElection:                      o.LeaderElect,
		LeaderElectionResourceLockInterface: lock,
		LeaderElectionReleaseOnCancel:       true,
	})
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	return m, program.AddProbes(ctx, m, "policies", &v1alpha1.ChangePolicy{})
}
