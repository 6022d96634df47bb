package applier

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/git"
	"github.com/gitlatch/gitlatch/applier/live"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// newLoop makes the parts of the loop and joins them.
func newLoop(mgr manager.Manager, o Options, woken chan event.GenericEvent) (*loop, error) {
	core, err := kubernetes.NewForConfig(o.Config)
	if err != nil {
		return nil, fmt.Errorf("reaching the API server: %w", err)
	}
	meta, err := metadata.NewForConfig(o.Config)
	if err != nil {
		return nil, fmt.Errorf("reaching the API server: %w", err)
	}
	version, err := discovery.NewDiscoveryClient(core.CoreV1().RESTClient()).ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("asking the API server for its version: %w", err)
	}
	counters, err := newMetrics(ctrlmetrics.Registry, mgr.GetClient())
	if err != nil {
		return nil, err
	}
	store, err := client.NewWithWatch(o.Config, client.Options{Scheme: mgr.GetScheme()})
	if err != nil {
		return nil, fmt.Errorf("reaching the API server: %w", err)
	}
	keeping, err := newKeeping(store, mgr.GetLogger().WithName("keeper"), o.Workers)
	if err != nil {
		return nil, err
	}
	var l *loop
	l = &loop{
		client:       mgr.GetClient(),
		keeping:      keeping,
		records:      records{keeping.records, clock.RealClock{}},
		repositories: &git.Store{Dir: o.DataDir, FileRoots: o.FileRoots},
		clusters:     &clusters{config: o.Config, metadata: meta, takeover: o.TakeoverManagers, all: map[identity]*live.Cluster{}},
		references: &references{client: core, watched: map[reference]*followed{},
			changed: func(key types.NamespacedName) { l.wakeUp(key); woken <- wake(key) }},
		claims:      newClaims(),
		events:      events{mgr.GetEventRecorder("gitlatch-applier")},
		metrics:     counters,
		clock:       clock.RealClock{},
		kubeVersion: version.GitVersion,
		workers:     make(chan struct{}, o.Workers),
		states:      map[types.NamespacedName]*state{},
	}
	keeping.fought = l.fought
	return l, nil
}

// newKeeping makes what the keepers of all syncs share.
func newKeeping(store client.WithWatch, log logr.Logger, workers int) (*keeping, error) {
	counted, err := record.NewMetrics(ctrlmetrics.Registry)
	if err != nil {
		return nil, fmt.Errorf("registering the metrics of records: %w", err)
	}
	kept, err := newKeepMetrics(ctrlmetrics.Registry)
	if err != nil {
		return nil, fmt.Errorf("registering the keeper's metrics: %w", err)
	}
	return &keeping{
		watch:   &record.Watch{Client: store, Clock: clock.RealClock{}},
		records: &record.Keeper{Store: store, Metrics: counted, Clock: clock.RealClock{}},
		clock:   clock.RealClock{}, metrics: kept, log: log, workers: workers,
	}, nil
}

// fought tells of an object that somebody keeps writing.
func (l *loop) fought(sync types.NamespacedName, key live.Key, until time.Time) {
	about := &v1alpha1.GitSync{}
	about.Namespace, about.Name = sync.Namespace, sync.Name
	about.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("GitSync"))
	l.events.warning(about, "Fighting", "Correct", fmt.Sprintf("somebody keeps writing %s: it is left alone until %s", key, until.UTC().Format(time.RFC3339)))
}

// wake is an event that says nothing but which sync is to be looked at.
func wake(key types.NamespacedName) event.GenericEvent {
	sync := &v1alpha1.GitSync{}
	sync.Namespace, sync.Name = key.Namespace, key.Name
	return event.GenericEvent{Object: sync}
}

// listen has the manager call the loop: for a sync that is new, whose spec or
// steering annotations changed, whose dependency became ready, or that was woken.
func (l *loop) listen(mgr manager.Manager, concurrent int, woken chan event.GenericEvent) error {
	asked := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			return !e.ObjectNew.GetDeletionTimestamp().Equal(e.ObjectOld.GetDeletionTimestamp()) ||
				steering(e.ObjectNew) != steering(e.ObjectOld)
		},
	})
	return ctrl.NewControllerManagedBy(mgr).Named("gitsync").
		For(&v1alpha1.GitSync{}, builder.WithPredicates(asked)).
		Watches(&v1alpha1.GitSync{}, handler.EnqueueRequestsFromMapFunc(l.dependents), builder.WithPredicates(predicate.Funcs{
			CreateFunc: func(event.CreateEvent) bool { return false },
			UpdateFunc: func(e event.UpdateEvent) bool {
				before, after := e.ObjectOld.(*v1alpha1.GitSync), e.ObjectNew.(*v1alpha1.GitSync)
				return !ready(before) && ready(after)
			},
			DeleteFunc: func(event.DeleteEvent) bool { return false },
		})).
		WatchesRawSource(source.Channel(woken, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrent}).
		Complete(l)
}

// steering are the annotations by which people ask for something.
func steering(o client.Object) [2]string {
	a := o.GetAnnotations()
	return [2]string{a[v1alpha1.AnnotationRequestedAt], a[v1alpha1.AnnotationAllowEmpty]}
}

// dependents of a sync that became ready.
func (l *loop) dependents(ctx context.Context, changed client.Object) []reconcile.Request {
	all := &v1alpha1.GitSyncList{}
	if err := l.client.List(ctx, all); err != nil {
		return nil // they look again by themselves
	}
	var requests []reconcile.Request
	for i := range all.Items {
		for _, key := range dependencies(&all.Items[i]) {
			if key == client.ObjectKeyFromObject(changed) {
				requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&all.Items[i])})
			}
		}
	}
	return requests
}
