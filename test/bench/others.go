package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gitlatch/gitlatch/test/figures"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// otherEvery is how often somebody else writes.
const otherEvery = 100 * time.Millisecond

// others are people, and git, who write beside a flood.
type others struct {
	world *world
	kinds []*other
	wrote int
}

// other is one kind of their writes.
type other struct {
	scenario      scenario
	write         patch
	rest, flooded []time.Duration
}

func newOthers(ctx context.Context, w *world) (*others, error) {
	o := &others{world: w}
	for _, s := range []scenario{
		{name: "person, denied, repeated", denied: true, writer: configMap("carol", enforced, "target-5")},
		{name: "person, flagged", writer: configMap("carol", audited, "target-6")},
		{name: "sync, declared object", writer: configMap(gitlatch.SyncLogin, enforced, "target-7")},
	} {
		write, err := s.writer(ctx, w)
		if err != nil {
			return nil, err
		}
		o.kinds = append(o.kinds, &other{scenario: s, write: write})
	}
	for i := range warmUp * len(o.kinds) {
		if _, _, err := o.one(ctx, i); err != nil {
			return nil, err
		}
	}
	o.wrote = warmUp * len(o.kinds)
	return o, nil
}

// one makes a write, by turns of each kind.
func (o *others) one(ctx context.Context, i int) (*other, time.Duration, error) {
	k := o.kinds[i%len(o.kinds)]
	began := time.Now()
	err := k.write(ctx, i)
	took := time.Since(began)
	if err := k.scenario.check(o.world, err); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", k.scenario.name, err)
	}
	return k, took, nil
}

// write goes on for some time, at rest.
func (o *others) write(ctx context.Context, during time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, during)
	defer cancel()
	return o.each(ctx, func(k *other, took time.Duration) { k.rest = append(k.rest, took) })
}

// during goes on until ctx ends, in the flood.
func (o *others) during(ctx context.Context) error {
	return o.each(ctx, func(k *other, took time.Duration) { k.flooded = append(k.flooded, took) })
}

func (o *others) each(ctx context.Context, keep func(*other, time.Duration)) error {
	tick := time.NewTicker(otherEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		k, took, err := o.one(context.WithoutCancel(ctx), o.wrote)
		if err != nil {
			return err
		}
		o.wrote++
		keep(k, took)
	}
}

func (o *others) table() Table {
	t := Table{
		Title:   "A write of somebody else's, at rest and in that flood",
		Note:    "added: to the p50, and to the p99. The same machine makes the flood, and carries it.",
		Columns: []string{"writes", "p50 at rest", "in the flood", "added", "p99 at rest", "in the flood", "added"},
	}
	for _, k := range o.kinds {
		rest50, rest99 := figures.Percentile(k.rest, 50), figures.Percentile(k.rest, 99)
		in50, in99 := figures.Percentile(k.flooded, 50), figures.Percentile(k.flooded, 99)
		t.Rows = append(t.Rows, Row{Name: k.scenario.name, Values: []Value{
			{float64(len(k.flooded)), ""}, nanoseconds(rest50), nanoseconds(in50), nanoseconds(in50 - rest50),
			nanoseconds(rest99), nanoseconds(in99), nanoseconds(in99 - rest99),
		}, Notes: []string{"(slowest " + figures.Readable(slices.Max(append([]time.Duration{0}, k.flooded...))) + ")"}})
	}
	return t
}
