package applier

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// keeping is what the keepers of all syncs share.
type keeping struct {
	watch   *record.Watch  // break-glass windows and unresolved records
	records *record.Keeper // writes
	clock   clock.WithTicker
	metrics *keepMetrics
	log     logr.Logger
	// workers is how many objects of one sync are corrected at once; 0: 8.
	workers int
	// fought is told of an object over which somebody fights, once each time it begins;
	// nil: nobody is.
	fought func(sync types.NamespacedName, key live.Key, until time.Time)

	endings endings
}

// newKeeper makes the keeper of one sync. It does nothing before [keeper.declare].
func (s *keeping) newKeeper(sync types.NamespacedName) *keeper {
	return &keeper{
		keeping: s, sync: sync, mark: v1alpha1.SyncLabel(sync.Namespace, sync.Name),
		log: s.log.WithValues("sync", sync.String()), kept: map[live.Key]*kept{},
	}
}

// keeper watches what a sync declares, and pulls back what others write: by one watch
// of metadata per kind, and without rendering. What it remembers of an object is what
// tells its own writes from those of others. Losing it costs one read of each.
type keeper struct {
	*keeping
	sync types.NamespacedName
	mark string
	log  logr.Logger

	mu          sync.Mutex // over all below, and each kept
	cluster     *live.Cluster
	correct     bool   // or only report
	namespaced  bool   // watch each namespace by itself
	force       bool   // recreate where a field can't be changed
	note        string // of the commit annotation
	last        string // the commit that was applied whole
	learnt      bool
	kept        map[live.Key]*kept
	kinds       map[schema.GroupResource]string
	resources   map[schema.GroupKind]schema.GroupVersionResource
	closings    map[string]*closing
	events      uint64
	life        *life // nil: suspended
	unsubscribe func()
	unseen      map[kindWatch]error // kinds that we may not watch, and why
	writes      uint64              // seen, of others and of ours
	round       uint64              // writes when this was declared
	asked       uint64              // writes when the open windows were asked for last

	writing keyLocks
}

// life is what ends when a keeper is suspended.
type life struct {
	ctx      context.Context
	cancel   context.CancelFunc
	group    sync.WaitGroup
	queue    workqueue.TypedRateLimitingInterface[live.Key]
	notices  workqueue.TypedDelayingInterface[told] // what the records told
	watching map[kindWatch]context.CancelFunc
	workers  int
	settling chan struct{} // a slot for each object whose records are being ended
}

// kept is one declared object.
type kept struct {
	object *live.Object // as it was declared last
	hash   [32]byte     // of the payload that is applied; zero: not known
	state  live.State   // as we left it
	claim  live.Claim   // what we owned of it then; zero: not known
	taken  live.State   // where to take hold of it again did not help
	seen   live.State   // as the watch told last; the zero value: it is gone
	told   uint64       // which of all writes showed that
	since  time.Time    // when the payload first was applied
	note   string       // of the commit annotation that it was applied with
	moved  time.Time    // when somebody else's write was noticed; zero: it is as we left it

	look     bool       // compare even if nothing seems to have moved
	release  bool       // a window over it has ended
	drifted  bool       // and it is only reported
	reported live.State // as it was when it was
	stopped  bool       // in a window: the run of the sync left it alone
	held     bool       // is counted as left alone
	lost     bool       // another sync has it
	noted    []string
	recorded live.State // as it was when what noted names was
	fight    *fight
}

// applied says that the payload that is declared is the one that was applied. What is
// not is the run's to apply.
func (e *kept) applied() bool { return e.hash == e.object.Hash }

// mode sets what is done about drift, and how far a watch may reach.
func (k *keeper) mode(drift v1alpha1.DriftMode, namespaced bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	correct := drift != v1alpha1.DriftReport
	if correct && !k.correct && k.life != nil {
		for key, e := range k.kept {
			if e.drifted {
				e.drifted, e.look = false, true
				k.life.queue.Add(key)
			}
		}
	}
	k.correct, k.namespaced = correct, namespaced
}

// forcing says whether an immutable change may be met by a recreation.
func (k *keeper) forcing(force bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.force = force
}

// resume tells which commit was applied whole, as the status has it. What a new
// process finds to differ from that commit is drift; what differs from a newer one is
// work to do.
func (k *keeper) resume(commit string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = commit
}

// declare sets what is kept, before it is applied: objects that are applied already
// stay kept, others are once the run has applied them. What is not declared any more
// is forgotten, and may be pruned. note begins with the commit.
func (k *keeper) declare(cluster *live.Cluster, note string, objects []live.Object) {
	k.mu.Lock()
	if k.life == nil || k.cluster != cluster {
		k.end()
		k.begin(cluster)
	}
	k.note = note
	k.writes++
	k.round = k.writes
	declared := make(map[live.Key]*kept, len(objects))
	for i := range objects {
		o := &objects[i]
		e := k.kept[o.Key]
		if e == nil {
			e = &kept{}
		}
		e.object, e.lost = o, false
		declared[o.Key] = e
	}
	for key, e := range k.kept {
		if declared[key] == nil {
			k.calm(e)
		}
	}
	k.kept = declared
	k.mu.Unlock()
	k.place(cluster, objects)
	k.learn()
	k.rewatch()
	k.reopen()
}

// commit that a note speaks of.
func commitOf(note string) string {
	commit, _, _ := strings.Cut(note, " ")
	return commit
}

// place finds where the declared kinds are served, which is how records name them. A
// kind that is not served yet is asked for again the next time.
func (k *keeper) place(cluster *live.Cluster, objects []live.Object) {
	k.mu.Lock()
	known := k.resources
	k.mu.Unlock()
	resources := map[schema.GroupKind]schema.GroupVersionResource{}
	kinds := map[schema.GroupResource]string{}
	for i := range objects {
		gvk := objects[i].GVK()
		if _, done := resources[gvk.GroupKind()]; done {
			continue
		}
		r, ok := known[gvk.GroupKind()]
		if !ok {
			var err error
			if r, err = cluster.Resource(gvk); err != nil {
				continue
			}
		}
		resources[gvk.GroupKind()], kinds[r.GroupResource()] = r, gvk.Kind
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.resources, k.kinds = resources, kinds
}

// suspend stops everything. Nothing is forgotten but what others may change meanwhile.
func (k *keeper) suspend() {
	k.mu.Lock()
	l := k.end()
	k.mu.Unlock()
	if l != nil {
		l.group.Wait()
	}
}

// stop ends the keeper.
func (k *keeper) stop() { k.suspend() }

// begin starts the workers. k.mu is held.
func (k *keeper) begin(cluster *live.Cluster) {
	l := &life{settling: make(chan struct{}, settlers), watching: map[kindWatch]context.CancelFunc{}}
	l.ctx, l.cancel = context.WithCancel(logr.NewContext(context.Background(), k.log))
	l.queue = workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[live.Key](retryFirst, retryMost),
		workqueue.TypedRateLimitingQueueConfig[live.Key]{Clock: k.clock})
	l.notices = workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[told]{Clock: k.clock})
	k.cluster, k.life, k.learnt, k.unseen = cluster, l, false, nil
	k.unsubscribe = k.watch.Subscribe(func(n record.Notice) { l.notices.Add(told{Notice: n}) })
	l.group.Go(func() { k.listen(l) })
}

// end stops what begin started, and returns it to be waited for. k.mu is held.
func (k *keeper) end() *life {
	l := k.life
	if l == nil {
		return nil
	}
	k.unsubscribe()
	l.cancel()
	l.queue.ShutDown()
	l.notices.ShutDown()
	k.life, k.closings = nil, nil
	for _, e := range k.kept {
		k.calm(e)
		*e = kept{object: e.object, since: e.since}
	}
	return l
}

// enqueue has an object looked at. k.mu is held.
func (k *keeper) enqueue(key live.Key, e *kept, after time.Duration) {
	l := k.life
	if l == nil {
		return
	}
	if after > 0 {
		l.queue.AddAfter(key, after)
	} else {
		l.queue.Add(key)
	}
	most := k.workers
	if most == 0 {
		most = 8
	}
	for l.workers < min(most, len(k.kept)) {
		l.workers++
		l.group.Go(func() { k.work(l) })
	}
}
