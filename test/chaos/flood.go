package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// A flood is of so many denials a minute, each on a target of its own.
const (
	floodMinute = 10_000
	floodFor    = time.Minute
	floodPeople = 50
	// What record.Options let one replica write: so many distinct targets a minute, by everybody together.
	targetsPerMinute = 300
)

// flood has fifty people try ten thousand new names in a minute, and looks at what is kept of it and what others feel.
func flood(ctx context.Context, c *chaos) error {
	w, err := c.start(ctx, cluster.Options{}, gitlatch.Options{Replicas: 2, Service: true})
	if err != nil {
		return err
	}
	cr, err := w.crew()
	if err != nil {
		return err
	}
	people, err := w.floodPeople()
	if err != nil {
		return err
	}
	var tried [floodPeople]atomic.Int64
	flooding := &load{rate: floodMinute/60 + 1, atOnce: 64, kinds: []*kind{{
		name: "in the flood", share: 1, wanted: []answer{denied}, write: func(ctx context.Context, i int) error {
			tried[i%floodPeople].Add(1)
			return createConfigMap(ctx, people[i%floodPeople], enforced, fmt.Sprintf("flood-%06d", i))
		},
	}}}
	others := &load{rate: 20, atOnce: 16, kinds: []*kind{cr.syncs(1), cr.repeats(1), cr.warnings(1)}}
	lasts := c.lasts(floodFor, 20*time.Second)
	c.say("%d denials a minute for %s", floodMinute, lasts)
	v := &vitals{world: w}
	err = others.during(ctx, func(ctx context.Context) error {
		return flooding.during(ctx, func(ctx context.Context) error { return v.watch(ctx, lasts) })
	})
	if err != nil {
		return err
	}
	rate := float64(flooding.written()) / flooding.took.Seconds() * 60
	c.figure("denials a minute", rate, "", fmt.Sprint(floodMinute), rate >= 0.95*floodMinute)
	flooding.tell(c, latencyLimit)
	others.tell(c, latencyLimit)
	v.tell(c, busyResident)
	if err := c.floodKept(ctx, w, &tried, lasts); err != nil {
		return err
	}
	return c.guarded(ctx, w)
}

func floodPerson(i int) string { return fmt.Sprintf("flooder-%02d", i) }

func (w *world) floodPeople() ([]kubernetes.Interface, error) {
	var people []kubernetes.Interface
	for i := range floodPeople {
		if err := w.plane.Person(floodPerson(i), "devs"); err != nil {
			return nil, err
		}
		c, err := w.client(floodPerson(i))
		if err != nil {
			return nil, err
		}
		people = append(people, c)
	}
	return people, nil
}

// floodKept counts what is on record, once all of it is: few records, and every denial of everybody in one.
func (c *chaos) floodKept(ctx context.Context, w *world, tried *[floodPeople]atomic.Int64, lasted time.Duration) error {
	var records, whole int
	var kept, all int64
	for i := range tried {
		all += tried[i].Load()
	}
	// Counts are flushed each second; a busy machine takes longer over it.
	late := gitlatch.WaitFor(ctx, 30*time.Second, "every denial to be counted", func(ctx context.Context) error {
		by := map[string]int64{}
		records, whole, kept = 0, 0, 0
		err := w.records(ctx, record.Filter{Outcome: v1alpha1.OutcomeDenied}, func(rec *v1alpha1.ChangeRecord) {
			if who := rec.Spec.Requester.Username; strings.HasPrefix(who, "flooder-") {
				records++
				by[who] += rec.Status.Count
				kept += rec.Status.Count
			}
		})
		if err != nil {
			return err
		}
		for i := range tried {
			if n := tried[i].Load(); n > 0 && by[floodPerson(i)] == n {
				whole++
			}
		}
		if kept != all {
			return fmt.Errorf("%d of %d are", kept, all)
		}
		return nil
	})
	if late != nil && ctx.Err() != nil {
		return late
	}
	// Each replica has a budget of its own, by the clock's minutes; what is beyond it folds, by requester and five minutes.
	minutes, fives := int(lasted/time.Minute)+2, int(lasted/(5*time.Minute))+2
	most := w.gate.Replicas()*minutes*targetsPerMinute + floodPeople*fives
	c.figure(fmt.Sprintf("records of %d denials", all), float64(records), "", fmt.Sprintf("<= %d", most), records <= most)
	c.figure("denials on record", float64(kept), "", "all", kept == all)
	c.figure(fmt.Sprintf("of %d requesters, with every denial", floodPeople), float64(whole), "", "all", whole == floodPeople)
	return nil
}

// flagged is how many admitted writes are on record.
func (w *world) flagged(ctx context.Context) (n int, err error) {
	err = w.records(ctx, record.Filter{Outcome: v1alpha1.OutcomeFlagged}, func(*v1alpha1.ChangeRecord) { n++ })
	return n, err
}
