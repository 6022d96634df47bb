package registration

import (
	"context"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Cached is what the manager's cache has to be told: of the configurations and
// admission policies, only ours are watched.
func Cached() map[client.Object]cache.ByObject {
	ours := cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", Name)}
	return map[client.Object]cache.ByObject{
		&admissionv1.MutatingWebhookConfiguration{}:   ours,
		&admissionv1.ValidatingWebhookConfiguration{}: ours,

		&admissionv1.ValidatingAdmissionPolicy{}:        ours,
		&admissionv1.ValidatingAdmissionPolicyBinding{}: ours,
	}
}

// SetupWithManager runs the reconciler on the leader.
func (r *Reconciler) SetupWithManager(m manager.Manager) error {
	one := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{theOne()}
	})
	return builder.ControllerManagedBy(m).
		Named("registration").
		WithOptions(controller.Options{
			MaxConcurrentReconciles: 1,
			// Restored within a second, errors or not.
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](20*time.Millisecond, 5*time.Second),
		}).
		Watches(&v1alpha1.ChangePolicy{}, one, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&admissionv1.MutatingWebhookConfiguration{}, one).
		Watches(&admissionv1.ValidatingWebhookConfiguration{}, one).
		Watches(&admissionv1.ValidatingAdmissionPolicy{}, one).
		Watches(&admissionv1.ValidatingAdmissionPolicyBinding{}, one).
		WatchesRawSource(source.Func(r.wake)).
		Complete(r)
}

// wake asks for the first registration, when there is no object yet to ask for it,
// and for one whenever the CA bundle changed.
func (r *Reconciler) wake(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	queue.Add(theOne())
	if r.Changed == nil {
		return nil
	}
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-r.Changed:
				queue.Add(theOne())
			}
		}
	}()
	return nil
}
