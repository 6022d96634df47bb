package applier

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// references are the Secrets and ConfigMaps that syncs name: credentials, keys, trust
// roots. Each is followed by itself, so that a change is acted on at once, an
// unchanged sync asks nothing, and no other Secret is ever held in memory.
type references struct {
	client  kubernetes.Interface
	changed func(types.NamespacedName) // wakes a sync

	mu      sync.Mutex
	watched map[reference]*followed
}

// reference is one Secret or ConfigMap.
type reference struct {
	secret bool
	types.NamespacedName
}

func (r reference) String() string {
	if r.secret {
		return "Secret " + r.NamespacedName.String()
	}
	return "ConfigMap " + r.NamespacedName.String()
}

type followed struct {
	store cache.Store
	ready cache.InformerSynced
	stop  chan struct{}
	syncs map[types.NamespacedName]bool
	err   error // the last that the watch met
}

// referenceWait bounds the first look at a reference.
const referenceWait = 10 * time.Second

// data of a reference of a sync. From here on a change of it wakes the sync.
func (r *references) data(ctx context.Context, of types.NamespacedName, ref reference) (map[string][]byte, error) {
	w := r.watch(of, ref)
	ctx, cancel := context.WithTimeout(ctx, referenceWait)
	defer cancel()
	if !cache.WaitForCacheSync(ctx.Done(), w.ready) {
		r.mu.Lock()
		err := w.err
		r.mu.Unlock()
		if err == nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("reading %s: %w", ref, err)
	}
	for _, object := range w.store.List() {
		switch o := object.(type) {
		case *corev1.Secret:
			return o.Data, nil
		case *corev1.ConfigMap:
			data := make(map[string][]byte, len(o.Data)+len(o.BinaryData))
			for k, v := range o.Data {
				data[k] = []byte(v)
			}
			for k, v := range o.BinaryData {
				data[k] = v
			}
			return data, nil
		}
	}
	return nil, apierrors.NewNotFound(corev1.Resource(map[bool]string{true: "secrets", false: "configmaps"}[ref.secret]), ref.NamespacedName.String())
}

func (r *references) watch(of types.NamespacedName, ref reference) *followed {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.watched[ref]; w != nil {
		w.syncs[of] = true
		return w
	}
	w := &followed{stop: make(chan struct{}), syncs: map[types.NamespacedName]bool{of: true}}
	informer := cache.NewSharedInformer(r.lister(ref), ref.object(), 0)
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(_ any, first bool) {
			if !first {
				r.wake(w)
			}
		},
		UpdateFunc: func(before, after any) {
			if version(before) != version(after) {
				r.wake(w)
			}
		},
		DeleteFunc: func(any) { r.wake(w) },
	})
	err = errors.Join(err, informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		w.err = err
	}))
	w.err = err // an informer that does not run yet takes both
	w.store, w.ready = informer.GetStore(), informer.HasSynced
	go informer.Run(w.stop)
	r.watched[ref] = w
	return w
}

// wake has the syncs that name a reference looked at.
func (r *references) wake(w *followed) {
	r.mu.Lock()
	keys := slices.Collect(maps.Keys(w.syncs))
	r.mu.Unlock()
	for _, key := range keys {
		r.changed(key)
	}
}

func (r *references) lister(ref reference) cache.ListerWatcher {
	get := r.client.CoreV1().RESTClient()
	resource := "configmaps"
	if ref.secret {
		resource = "secrets"
	}
	return cache.NewListWatchFromClient(get, resource, ref.Namespace, fields.OneTermEqualSelector(metav1.ObjectNameField, ref.Name))
}

func (r reference) object() runtime.Object {
	if r.secret {
		return &corev1.Secret{}
	}
	return &corev1.ConfigMap{}
}

func version(object any) string {
	m, err := meta.Accessor(object)
	if err != nil {
		return ""
	}
	return m.GetResourceVersion()
}

// keep ends the watches that a sync no longer needs.
func (r *references) keep(of types.NamespacedName, refs []reference) {
	needed := map[reference]bool{}
	for _, ref := range refs {
		needed[ref] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for ref, w := range r.watched {
		if needed[ref] || !w.syncs[of] {
			continue
		}
		if delete(w.syncs, of); len(w.syncs) == 0 {
			close(w.stop)
			delete(r.watched, ref)
		}
	}
}

// forget ends all watches of a sync.
func (r *references) forget(of types.NamespacedName) { r.keep(of, nil) }
