package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
	"github.com/gitlatch/gitlatch/test/figures"
)

// A flood is of so many denials within a minute, each on a target of its own.
const (
	floodDenials = 10_000
	floodPeople  = 50
	floodTime    = time.Minute
	floodAtOnce  = 32
	restTime     = 30 * time.Second // how long the others write before the flood
)

// flood measures what ten thousand denials leave behind, and what they cost those who have nothing to do with them.
func flood(ctx context.Context, progress io.Writer) ([]Table, error) {
	fmt.Fprintln(progress, "starting a control plane for the flood of denials")
	w, err := newWorld(ctx, io.Discard)
	if err != nil {
		return nil, err
	}
	defer w.stop()
	if err := w.guard(ctx, progress); err != nil {
		return nil, err
	}
	if err := w.furnish(ctx); err != nil {
		return nil, err
	}
	f := &flooding{world: w}
	if f.others, err = newOthers(ctx, w); err != nil {
		return nil, err
	}
	fmt.Fprintf(progress, "others write: at rest for %s, then in a flood of %d denials\n", restTime, floodDenials)
	if err := f.others.write(ctx, restTime); err != nil {
		return nil, err
	}
	if err := f.run(ctx); err != nil {
		return nil, err
	}
	if err := f.count(ctx); err != nil {
		return nil, err
	}
	return []Table{f.left(), f.others.table()}, nil
}

// flooding is one flood and what it left.
type flooding struct {
	*world
	others  *others
	took    time.Duration
	idle    float64 // bytes resident before it
	most    float64 // and the most in it
	records int
	kept    map[string]int64 // denials on record by requester
}

// run has everybody denied, at a steady rate or as fast as the machine answers, while others write and the process is
// watched.
func (f *flooding) run(ctx context.Context) error {
	var people []kubernetes.Interface
	for i := range floodPeople {
		config, err := f.plane.Certificate(floodPerson(i), "devs")
		if err != nil {
			return err
		}
		c, err := unlimited(config)
		if err != nil {
			return err
		}
		people = append(people, c)
	}
	var err error
	if f.idle, err = figures.Resident(f.gate.PID(0)); err != nil {
		return err
	}
	flooded, done := context.WithCancel(ctx)
	defer done()
	var beside sync.WaitGroup
	var watched, disturbed error
	beside.Go(func() { watched = f.watchUntil(flooded) })
	beside.Go(func() { disturbed = f.others.during(flooded) })
	began := time.Now()
	err = f.denyAll(ctx, people)
	f.took = time.Since(began)
	done()
	beside.Wait()
	for _, err := range []error{err, watched, disturbed, ctx.Err()} {
		if err != nil {
			return err
		}
	}
	return nil
}

// denyAll makes the denials of the flood, and returns the first answer that is none.
func (w *world) denyAll(ctx context.Context, people []kubernetes.Interface) error {
	const pause = floodTime * 9 / 10 / floodDenials // a tenth of the minute is in reserve
	refused := scenario{denied: true}
	var next atomic.Int64
	var wrong atomic.Pointer[error]
	var group sync.WaitGroup
	began := time.Now()
	for range floodAtOnce {
		group.Go(func() {
			for ctx.Err() == nil && wrong.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= floodDenials {
					return
				}
				time.Sleep(time.Until(began.Add(time.Duration(i) * pause)))
				made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("flood-%05d", i)}}
				_, err := people[i%floodPeople].CoreV1().ConfigMaps(enforced).Create(ctx, made, metav1.CreateOptions{})
				if err := refused.check(w, err); err != nil {
					err = fmt.Errorf("denial %d: %w", i, err)
					wrong.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	group.Wait()
	if err := wrong.Load(); err != nil {
		return *err
	}
	return nil
}

func floodPerson(i int) string { return fmt.Sprintf("flooder-%02d", i) }

// watchUntil keeps the most memory that the webhook had.
func (f *flooding) watchUntil(ctx context.Context) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		n, err := figures.Resident(f.gate.PID(0))
		if err != nil {
			return err
		}
		f.most = max(f.most, n)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// count reads what is on record, once all of it is.
func (f *flooding) count(ctx context.Context) error {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	c, err := client.New(f.plane.Config("admin"), client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	deadline := time.Now().Add(20 * time.Second) // counts are flushed each second
	for {
		f.records, f.kept = 0, map[string]int64{}
		err := record.Each(ctx, c, record.Filter{Outcome: v1alpha1.OutcomeDenied}, func(rec *v1alpha1.ChangeRecord) {
			if by := rec.Spec.Requester.Username; strings.HasPrefix(by, "flooder-") {
				f.records++
				f.kept[by] += rec.Status.Count
			}
		})
		if err != nil {
			return fmt.Errorf("reading the records of the flood: %w", err)
		}
		if f.counted() == floodDenials || time.Now().After(deadline) {
			return nil
		}
		time.Sleep(time.Second)
	}
}

// counted is how many denials are on record.
func (f *flooding) counted() (n int64) {
	for _, one := range f.kept {
		n += one
	}
	return n
}

// whole is how many requesters have all of theirs on record.
func (f *flooding) whole() (n int) {
	for _, one := range f.kept {
		if one == floodDenials/floodPeople {
			n++
		}
	}
	return n
}

func (f *flooding) left() Table {
	row := Row{
		Name: fmt.Sprintf("%d denials", floodDenials),
		Values: []Value{
			nanoseconds(f.took), {float64(f.records), ""}, {float64(f.counted()), ""}, {float64(len(f.kept)), ""}, {float64(f.whole()), ""},
			{f.idle, unitBytes}, {f.most, unitBytes},
		},
		Target: fmt.Sprintf("all on record, all requesters kept, < %d MiB", loadTarget>>20),
		Missed: f.counted() != floodDenials || f.whole() != floodPeople || f.most >= loadTarget,
	}
	if f.took > floodTime {
		row.Missed = true
		row.Notes = append(row.Notes, fmt.Sprintf("(not shown: the machine managed %.0f denials in a minute)", floodDenials*floodTime.Seconds()/f.took.Seconds()))
	}
	return Table{
		Title: "A flood of denials, each on a target of its own",
		Note: fmt.Sprintf("%d people try, %d at once. records: how many were written for them. on record: the denials that these count.\n"+
			"kept: requesters who are on record, and those of whom every denial is. resident: the webhook, before and at most.", floodPeople, floodAtOnce),
		Columns: []string{"time", "records", "on record", "kept", "with all", "resident before", "at most"},
		Rows:    []Row{row},
	}
}
