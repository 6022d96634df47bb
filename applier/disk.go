package applier

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// disk is which repositories are needed. The zero value is ready.
type disk struct {
	mu    sync.Mutex
	inUse map[string]int                  // runs, by URL
	last  map[types.NamespacedName]string // the URL that a sync was run with
}

// freeing bounds how long a run may wait for repositories to be removed.
const freeing = 10 * time.Second

// use keeps the repository of a sync on disk while it is run; done ends that. A sync
// whose URL is another than in its last run may leave one that nobody needs.
func (l *loop) use(ctx context.Context, sync *v1alpha1.GitSync) (done func()) {
	key, url := client.ObjectKeyFromObject(sync), sync.Spec.URL
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	if l.disk.inUse == nil {
		l.disk.inUse, l.disk.last = map[string]int{}, map[types.NamespacedName]string{}
	}
	before, known := l.disk.last[key]
	l.disk.last[key] = url
	l.disk.inUse[url]++
	return func() {
		l.disk.mu.Lock()
		if l.disk.inUse[url]--; l.disk.inUse[url] == 0 {
			delete(l.disk.inUse, url)
		}
		l.disk.mu.Unlock()
		if known && before != url {
			l.sweep(ctx)
		}
	}
}

// sweep removes the repositories that no sync names: after one is gone or has another
// URL, and once at the start, when all syncs are known. A run that begins meanwhile
// waits, so that nothing is taken from under it.
func (l *loop) sweep(ctx context.Context) {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	log := logr.FromContextOrDiscard(ctx)
	all := &v1alpha1.GitSyncList{}
	if err := l.client.List(ctx, all); err != nil {
		log.Info("could not look which repositories are needed", "error", err.Error())
		return
	}
	needed := maps.Clone(l.disk.inUse)
	if needed == nil {
		needed = map[string]int{}
	}
	there := map[types.NamespacedName]bool{}
	for i := range all.Items {
		needed[all.Items[i].Spec.URL]++
		there[client.ObjectKeyFromObject(&all.Items[i])] = true
	}
	maps.DeleteFunc(l.disk.last, func(key types.NamespacedName, _ string) bool { return !there[key] })
	ctx, cancel := context.WithTimeout(ctx, freeing)
	defer cancel()
	removed, err := l.repositories.Keep(ctx, slices.Collect(maps.Keys(needed)))
	if err != nil {
		log.Info("could not remove repositories that nobody needs", "error", err.Error())
	}
	if removed > 0 {
		log.Info("removed repositories that nobody needs", "count", removed)
	}
}
