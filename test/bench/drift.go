package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/figures"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

const (
	idleDrifts = 100
	manyDrifts = 1000
	driftRate  = 50 // a second
)

// drifting measures how soon what people write is gone again, one after the other, many at a pace, and many at once.
func (y *carrying) drifting(ctx context.Context) error {
	fmt.Fprintln(y.progress, "editing by hand what git declares")
	o, err := y.observe(ctx)
	if err != nil {
		return err
	}
	defer o.stop()
	var names []types.NamespacedName
	for _, d := range declarations("five", folders()["five"])[100:] {
		if d.kind.Resource == "configmaps" {
			names = append(names, types.NamespacedName{Namespace: d.namespace, Name: d.name})
		}
	}
	t := Table{
		Title: "Drift: from the answer to a person's write until the declared value is seen by a watch",
		Note: fmt.Sprintf("Nothing refuses the write. busy: %d objects are edited, %d a second; at once: as many, by %d people as fast as they are answered.",
			manyDrifts, driftRate, workers),
		Columns: []string{"p50", "p99", "most", "edits", "a second", "calls each", "CPU"},
	}
	for _, way := range []struct {
		name   string
		n      int
		target bool
		edit   func(context.Context, []types.NamespacedName) error
	}{
		{"idle, one after the other", idleDrifts, true, o.oneByOne},
		{"while 1,000 objects are drifting", manyDrifts, true, o.paced},
		{"1,000 at once", manyDrifts, false, o.atOnce},
	} {
		chosen := names[:way.n]
		names = names[way.n:]
		o.reset(chosen)
		m, err := y.during(func() error {
			if err := way.edit(ctx, chosen); err != nil {
				return err
			}
			return o.all(ctx)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
		took := o.times()
		p99 := figures.Percentile(took, 99)
		row := Row{Name: way.name, Values: []Value{
			nanoseconds(figures.Percentile(took, 50)), nanoseconds(p99), nanoseconds(figures.Percentile(took, 100)),
			{float64(way.n), ""}, {float64(way.n) / m.took.Seconds(), ""}, {float64(m.calls.all) / float64(way.n), ""}, nanoseconds(m.cpu),
		}}
		if way.target {
			row.Target, row.Missed = "p99 < 1 s", p99 >= driftTarget
		}
		t.Rows = append(t.Rows, row)
		if err := y.settle(ctx); err != nil {
			return err
		}
	}
	y.tables = append(y.tables, t)
	return y.peak("after that, and after all drift")
}

// observer edits as a person does, and watches what becomes of it.
type observer struct {
	client kubernetes.Interface
	stop   context.CancelFunc

	mu    sync.Mutex
	edits map[types.NamespacedName]*edit
	left  int
}

// edit is one edit: answered and undone are zero until they are.
type edit struct {
	answered, undone time.Time
	seen             bool
}

func (w *world) observe(ctx context.Context) (*observer, error) {
	config := rest.CopyConfig(w.plane.Config("alice"))
	config.QPS, config.ContentType = -1, "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	o := &observer{client: client, stop: stop, edits: map[types.NamespacedName]*edit{}}
	list, err := client.CoreV1().ConfigMaps("").List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		stop()
		return nil, err
	}
	changes, err := client.CoreV1().ConfigMaps("").Watch(ctx, metav1.ListOptions{
		LabelSelector: v1alpha1.LabelSync, ResourceVersion: list.ResourceVersion,
	})
	if err != nil {
		stop()
		return nil, err
	}
	go func() {
		for e := range changes.ResultChan() {
			if found, ok := e.Object.(*corev1.ConfigMap); ok {
				o.saw(found, time.Now())
			}
		}
	}()
	return o, nil
}

// saw takes down when what was edited is as it was.
func (o *observer) saw(found *corev1.ConfigMap, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.edits[types.NamespacedName{Namespace: found.Namespace, Name: found.Name}]
	switch {
	case e == nil:
	case found.Data["color"] != "blue":
		e.seen = true
	case e.seen && e.undone.IsZero():
		e.undone = at
		o.left--
	}
}

func (o *observer) reset(names []types.NamespacedName) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.edits, o.left = map[types.NamespacedName]*edit{}, len(names)
	for _, name := range names {
		o.edits[name] = &edit{}
	}
}

// write is what `kubectl edit` sends.
func (o *observer) write(ctx context.Context, name types.NamespacedName) error {
	_, err := o.client.CoreV1().ConfigMaps(name.Namespace).Patch(ctx, name.Name, types.StrategicMergePatchType,
		[]byte(`{"data":{"color":"red"}}`), metav1.PatchOptions{FieldManager: "kubectl-edit"})
	o.mu.Lock()
	defer o.mu.Unlock()
	o.edits[name].answered = time.Now()
	return err
}

func (o *observer) oneByOne(ctx context.Context, names []types.NamespacedName) error {
	for i, name := range names {
		if err := o.write(ctx, name); err != nil {
			return err
		}
		if err := o.until(ctx, len(names)-i-1); err != nil {
			return err
		}
	}
	return nil
}

// paced keeps the pace where the machine does.
func (o *observer) paced(ctx context.Context, names []types.NamespacedName) error {
	began := time.Now()
	return each(len(names), func(i int) error {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / driftRate)))
		return o.write(ctx, names[i])
	})
}

func (o *observer) atOnce(ctx context.Context, names []types.NamespacedName) error {
	return each(len(names), func(i int) error { return o.write(ctx, names[i]) })
}

func (o *observer) all(ctx context.Context) error { return o.until(ctx, 0) }

// until waits until all but so many are undone.
func (o *observer) until(ctx context.Context, but int) error {
	return gitlatch.WaitFor(ctx, 2*time.Minute, "what was edited to be undone", func(context.Context) error {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.left > but {
			return fmt.Errorf("%d are not", o.left)
		}
		return nil
	})
}

// times are from answer to undone; what was undone before its answer arrived took none.
func (o *observer) times() []time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	var took []time.Duration
	for _, e := range o.edits {
		took = append(took, max(0, e.undone.Sub(e.answered)))
	}
	return took
}
