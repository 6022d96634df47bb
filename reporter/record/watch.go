package record

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const (
	// sweepEvery is how soon it is noticed that a window's time is over.
	sweepEvery = 250 * time.Millisecond
	// askTimeout bounds one question to the API server.
	askTimeout = 10 * time.Second
	// restoreEvery is how soon the first list is tried again.
	restoreEvery = time.Second
)

// Watch knows the break-glass windows and the records that wait for their target to
// match git again, for whoever brings that about. The records are the authority;
// this is a copy, made anew at each start, and small: it holds no values. Its fields
// are set before [Watch.Start]; its methods may be called from many goroutines.
type Watch struct {
	// Client reads past any cache.
	Client client.WithWatch
	Clock  clock.WithTicker

	fresh    joint[struct{}, struct{}]
	acts     joint[actsKey, map[Place][]act]
	restored atomic.Bool
	listed   [2]atomic.Bool // of the windows, of the unresolved

	mu      sync.Mutex
	windows windowIndex
	open    openIndex
	over    map[string]bool // windows whose end was told
	doubts  map[string]bool // windows that a list or an event says nothing more of
	next    int
	told    map[int]func(Notice)
}

// Notice says what changed at a place.
type Notice struct {
	Place Place
	// Namespace says that it is about everything in the place's namespace.
	Namespace bool
	// Window names the window that opened or ended; "": a record has come that waits
	// for the place to match git again.
	Window string
	Ended  bool
}

// Subscribe has notices told until cancel is called. tell must not block, nor call
// the Watch.
func (w *Watch) Subscribe(tell func(Notice)) (cancel func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told == nil {
		w.told = map[int]func(Notice){}
	}
	id := w.next
	w.next++
	w.told[id] = tell
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.told, id)
	}
}

// Start watches until ctx ends.
func (w *Watch) Start(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	for _, s := range []*feed{
		{watch: w, label: v1alpha1.LabelWindow, value: WindowOpen, put: w.putWindow, gone: w.windowGone, names: w.windowNames, listed: &w.listed[0]},
		{watch: w, label: v1alpha1.LabelUnresolved, value: Unresolved, put: w.putOpen, gone: w.openGone, names: w.openNames, listed: &w.listed[1]},
	} {
		reflector := cache.NewReflectorWithOptions(s.lister(), &v1alpha1.ChangeRecord{}, s, cache.ReflectorOptions{
			Name: "records " + s.label, TypeDescription: "ChangeRecord",
		})
		group.Go(func() { reflector.RunWithContext(ctx) })
	}
	ticker := w.Clock.NewTicker(sweepEvery)
	defer ticker.Stop()
	tried, asked := time.Time{}, time.Time{} // when it failed last
	for {
		if now := w.Clock.Now(); !w.restored.Load() && now.Sub(tried) >= restoreEvery {
			tried = now
			if err := w.restore(ctx); err != nil && ctx.Err() == nil {
				logf.FromContext(ctx).Error(err, "could not list the break-glass windows that have ended")
			}
		}
		if now := w.Clock.Now(); now.Sub(asked) >= restoreEvery {
			if err := w.askAfter(ctx); err != nil && ctx.Err() == nil {
				asked = now
				logf.FromContext(ctx).Error(err, "could not ask whether a break-glass window has ended")
			}
		}
		w.sweep()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

// NeedLeaderElection says that it runs where the applier does.
func (w *Watch) NeedLeaderElection() bool { return true }

// Synced says that everything which was there at the start is known.
func (w *Watch) Synced() bool {
	return w.restored.Load() && w.listed[0].Load() && w.listed[1].Load()
}

// restore finds what ended, or was left unresolved, while nobody watched: the label
// of an open window is gone from these.
func (w *Watch) restore(ctx context.Context) error {
	err := pages(ctx, w.Client, client.MatchingLabels{v1alpha1.LabelOutcome: string(v1alpha1.OutcomeBreakGlass)}, func(rec *v1alpha1.ChangeRecord) {
		if rec.Status.Resolution != nil {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if window, ok := WindowOf(rec); ok {
			w.putWindowOf(window)
		}
		if o, ok := OpenOf(rec); ok && leavesTrace(rec.Spec.Request) {
			w.open.put(o)
		}
	})
	if err != nil {
		return err
	}
	w.restored.Store(true)
	return nil
}

// sweep tells of the windows whose time is over.
func (w *Watch) sweep() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Clock.Now()
	for name, window := range w.windows.all {
		if !window.OpenAt(now) && !w.over[name] {
			w.ended(window)
		}
	}
}

// ended tells of an end, once. w.mu is held.
func (w *Watch) ended(window *Window) {
	if w.over == nil {
		w.over = map[string]bool{}
	}
	w.over[window.Record] = true
	w.tell(window.notice(true))
}

func (w *Window) notice(ended bool) Notice {
	return Notice{Place: w.Place, Namespace: w.Scope == v1alpha1.WindowNamespace, Window: w.Record, Ended: ended}
}

func (w *Watch) tell(n Notice) {
	for _, tell := range w.told {
		tell(n)
	}
}

// feed is one list and watch of records by a label. It is the store that its
// reflector fills.
type feed struct {
	watch        *Watch
	label, value string
	put          func(*v1alpha1.ChangeRecord)
	gone         func(name string)
	names        func() []string
	listed       *atomic.Bool
}

func (f *feed) lister() cache.ListerWatcher {
	options := func(o metav1.ListOptions) []client.ListOption {
		return []client.ListOption{client.MatchingLabels{f.label: f.value}, &client.ListOptions{Raw: &o}}
	}
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list := &v1alpha1.ChangeRecordList{}
			return list, f.watch.Client.List(ctx, list, options(o)...)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return f.watch.Client.Watch(ctx, &v1alpha1.ChangeRecordList{}, options(o)...)
		},
	}, f.watch.Client)
}

// Add takes a record in.
func (f *feed) Add(object any) error {
	rec, ok := object.(*v1alpha1.ChangeRecord)
	if !ok {
		return fmt.Errorf("watching records: got a %T", object)
	}
	f.put(rec)
	return nil
}

// Update takes a record in again.
func (f *feed) Update(object any) error { return f.Add(object) }

// Delete is told of what has lost the label, or is deleted.
func (f *feed) Delete(object any) error {
	name, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object)
	if err != nil {
		return fmt.Errorf("watching records: %w", err)
	}
	f.gone(name)
	return nil
}

// Replace is a whole list.
func (f *feed) Replace(objects []any, _ string) error {
	there := make(map[string]bool, len(objects))
	for _, object := range objects {
		if err := f.Add(object); err != nil {
			return err
		}
		there[object.(*v1alpha1.ChangeRecord).Name] = true
	}
	for _, name := range f.names() {
		if !there[name] {
			f.gone(name)
		}
	}
	f.listed.Store(true)
	return nil
}

// Resync does nothing.
func (f *feed) Resync() error { return nil }
