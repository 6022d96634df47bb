package main

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/cmd/internal/program"
)

// leaseName is the lease that the leader holds; the manifests grant it by name.
const leaseName = "gitlatch-applier"

func newScheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(s); err != nil {
			return nil, fmt.Errorf("registering kinds: %w", err)
		}
	}
	return s, nil
}

// newManager runs the loops, on the leader alone. Its cache holds GitSyncs and
// nothing else: reading another kind goes to the API server, or fails where it would
// have started a watch of the whole cluster.
func newManager(ctx context.Context, o *Options, config *rest.Config, l logr.Logger) (manager.Manager, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	lock, err := program.Lease(config, o.Namespace, leaseName, o.Replica)
	if err != nil {
		return nil, err
	}
	m, err := manager.New(config, manager.Options{
		Scheme: scheme,
		Logger: l,
		Cache: cache.Options{
			DefaultTransform:            cache.TransformStripManagedFields(),
			ByObject:                    map[client.Object]cache.ByObject{&v1alpha1.GitSync{}: {}},
			ReaderFailOnMissingInformer: true,
		},
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{
			&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.ServiceAccount{}, &corev1.Namespace{},
			&v1alpha1.ChangeRecord{}, &v1alpha1.ChangePolicy{},
		}}},
		Metrics:                metricsserver.Options{BindAddress: o.MetricsAddress},
		HealthProbeBindAddress: o.ProbeAddress,

		LeaderElection:                      o.LeaderElect,
		LeaderElectionResourceLockInterface: lock,
		LeaderElectionReleaseOnCancel:       true,
	})
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	return m, program.AddProbes(ctx, m, "syncs", &v1alpha1.GitSync{})
}
