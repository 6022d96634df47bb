package program

import (
	"context"
	"fmt"
	"net/http"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// AddProbes makes a process alive as long as it runs, and ready once it has read all
// objects of a kind, called name. One that waits for the lease is ready too, or no
// rollout would ever end.
func AddProbes(ctx context.Context, m manager.Manager, name string, kind client.Object) error {
	informer, err := m.GetCache().GetInformer(ctx, kind, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watching %s: %w", name, err)
	}
	if err := m.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding the liveness probe: %w", err)
	}
	err = m.AddReadyzCheck(name, func(*http.Request) error {
		if !informer.HasSynced() {
			return fmt.Errorf("the %s have not been read yet", name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("adding the readiness probe: %w", err)
	}
	return nil
}
