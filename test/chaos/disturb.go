package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/figures"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// How soon all must be well again after a fault. The writer of records tries again each second, the clients that watch
// wait up to half a minute between two attempts, and the API server has to find etcd again.
const recoverWithin = time.Minute

// disturbance is a world in which something is about to break, and the writes that go on meanwhile.
type disturbance struct {
	*world
	c      *chaos
	crew   *crew
	keeper *keeper
	told   int // denials that persons were told of, over all faults
}

// fault is one thing that breaks. While it does, these answers are right to: a person's create, a break-glass create, a
// write of git's.
type fault struct {
	name                        string
	lasts                       time.Duration
	begin, end                  func(ctx context.Context) error
	denials, emergencies, syncs []answer
}

// disturb starts a world of two replicas that are restarted when they end.
func (c *chaos) disturb(ctx context.Context, plane cluster.Options) (*disturbance, error) {
	w, err := c.start(ctx, plane, gitlatch.Options{Replicas: 2, Service: true})
	if err != nil {
		return nil, err
	}
	cr, err := w.crew()
	return &disturbance{world: w, c: c, crew: cr}, err
}

// during goes through one fault: it begins, it lasts, it ends, and all must be well again.
func (d *disturbance) during(ctx context.Context, f fault) error {
	d.c.say("%s, for %s", f.name, f.lasts)
	d.keeper = keep(ctx, d.world)
	defer d.keeper.stop()
	l, reasons := d.mix(f)
	carried := weigh(ctx, d.world)
	defer carried.stop()
	err := l.during(ctx, func(ctx context.Context) error {
		if err := f.begin(ctx); err != nil {
			return fmt.Errorf("beginning %s: %w", f.name, err)
		}
		wait := sleep(ctx, f.lasts)
		return errors.Join(wait, f.end(context.WithoutCancel(ctx)))
	})
	if err != nil {
		return err
	}
	d.tell(f, l, reasons)
	recovered := d.recover(ctx, f)
	carried.stop() // what waited is written by now, and that takes memory too
	carried.tell(d.c, f.name)
	return recovered
}

// mix are the writes beside a fault: few, so that none waits for the machine.
func (d *disturbance) mix(f fault) (*load, *tally) {
	reasons := &tally{}
	firsts := d.crew.firsts(3)
	firsts.wanted = f.denials
	syncs := d.crew.syncs(1)
	syncs.wanted = f.syncs
	emergencies := &kind{name: "break-glass", share: 1, wanted: f.emergencies, write: func(ctx context.Context, _ int) error {
		err := d.breakGlass(ctx, d.crew.name("glass"))
		if reason := reasonOf(err); reason != "" {
			reasons.add(string(reason))
		}
		return err
	}}
	return &load{rate: 10, atOnce: 256, kinds: []*kind{firsts, emergencies, syncs}}, reasons
}

// breakGlass opens a window by making its target.
func (d *disturbance) breakGlass(ctx context.Context, name string) error {
	_, err := d.crew.oncall.CoreV1().ConfigMaps(enforced).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: enforced, Annotations: map[string]string{v1alpha1.AnnotationBreakGlass: "INC-42: the disk is full"},
	}}, metav1.CreateOptions{})
	return err
}

func (d *disturbance) tell(f fault, l *load, reasons *tally) {
	for _, k := range l.kinds {
		a := &k.answers
		k.tellWrong(d.c, f.name+": "+k.name)
		if k.name != "sync" { // whose writes need what is broken
			slowest, limit := a.percentile(100, refused()...), timeoutLimit
			if k.name == "break-glass" {
				limit *= 2 // it may be admitted by the first of two calls, and refused by the second
			}
			d.c.took(f.name+": "+k.name+", slowest denial", slowest, "< "+figures.Readable(limit), slowest < limit)
			d.told += a.of(denied)
		}
	}
	for reason, n := range reasons.all() {
		d.c.figure(fmt.Sprintf("%s: break-glass refused, %s", f.name, reason), float64(n), "", "", true)
	}
}

// recover waits until a window opens again and everything that was denied is on record, and says how long that took.
func (d *disturbance) recover(ctx context.Context, f fault) error {
	began := time.Now()
	opens := gitlatch.WaitFor(ctx, 2*recoverWithin, "break-glass to work again", func(ctx context.Context) error {
		return d.breakGlass(ctx, d.crew.name("again"))
	})
	d.c.took(f.name+": until break-glass works again", time.Since(began), "< "+figures.Readable(recoverWithin), opens == nil && time.Since(began) < recoverWithin)
	if opens != nil {
		d.c.say("  %v", opens)
	}
	kept := 0
	late := gitlatch.WaitFor(ctx, recoverWithin, "all denials to be on record", func(ctx context.Context) (err error) {
		if kept, err = d.denials(ctx); err == nil && kept < d.told {
			err = fmt.Errorf("%d of %d are", kept, d.told)
		}
		return err
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d.c.took(f.name+": until all is on record", time.Since(began), "", true)
	// One that was refused and is tried again by the API server counts twice; one that a replica lost never comes.
	d.c.figure(fmt.Sprintf("%s: on record, of %d denials", f.name, d.told), float64(kept), "", "all", late == nil)
	d.c.figure(f.name+": replicas that ended", float64(d.keeper.restarts()), "", "none", d.keeper.restarts() == 0)
	return d.leads(ctx, f)
}

// leads has git delete a webhook configuration: whoever leads makes it anew. A leader that lost its lease to the fault
// serves a second term. By a person it would be a write past the gate, which nobody is asked about.
func (d *disturbance) leads(ctx context.Context, f fault) error {
	configurations := d.crew.sync.AdmissionregistrationV1().MutatingWebhookConfigurations()
	if err := configurations.Delete(ctx, "gitlatch", metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("deleting a webhook configuration: %w", err)
	}
	began := time.Now()
	back := gitlatch.WaitFor(ctx, recoverWithin, "the webhook configuration to be back", func(ctx context.Context) error {
		_, err := configurations.Get(ctx, "gitlatch", metav1.GetOptions{})
		return err
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d.c.took(f.name+": until a deleted webhook configuration was back", time.Since(began), "< "+figures.Readable(recoverWithin), back == nil)
	return nil
}

// denials counts those on record of the people of the crew.
func (d *disturbance) denials(ctx context.Context) (n int, err error) {
	err = d.records(ctx, record.Filter{Outcome: v1alpha1.OutcomeDenied}, func(rec *v1alpha1.ChangeRecord) {
		switch rec.Spec.Requester.Username {
		case "alice", "bob", "carol", "oncall":
			n += int(rec.Status.Count)
		}
	})
	return n, err
}

// counted adds up what the replicas show of a metric; one that was restarted has begun anew.
func (d *disturbance) counted(ctx context.Context, name string, labels map[string]string) (n float64) {
	for i := range d.gate.Replicas() {
		if one, err := d.metric(ctx, i, name, labels); err == nil {
			n += one
		}
	}
	return n
}

// alerts makes figures of the metrics that alerts are raised by: a fault of which nobody is told is a promise broken.
func (d *disturbance) alerts(ctx context.Context) {
	unrecorded := d.counted(ctx, "gitlatch_webhook_unrecorded_total", nil)
	d.c.figure("answers without a record, as the metric says", unrecorded, "", "> 0: somebody is told", unrecorded > 0)
	dropped := d.counted(ctx, "gitlatch_records_dropped_total", nil)
	d.c.figure("records given up", dropped, "", "none", dropped == 0)
	pending := d.counted(ctx, "gitlatch_records_pending", nil)
	d.c.figure("records that still wait", pending, "", "none", pending == 0)
}
