package main

import (
	"context"
	"fmt"
	"time"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/figures"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// What is promised of a replica under load. The limit of its container is 256 MiB, and it is told 216.
const (
	busyRate      = 500
	busyFor       = 10 * time.Minute
	busyResident  = 128 << 20
	latencyLimit  = time.Second     // of the 99th of a hundred
	timeoutLimit  = 3 * time.Second // what the API server waits for a webhook
	growth        = 1.20
	growthAllowed = 8 << 20 // of the heap's own comings and goings
)

// busy has 500 mixed requests a second for ten minutes, on two replicas behind a Service.
func busy(ctx context.Context, c *chaos) error {
	w, err := c.start(ctx, cluster.Options{}, gitlatch.Options{Replicas: 2, Service: true})
	if err != nil {
		return err
	}
	cr, err := w.crew()
	if err != nil {
		return err
	}
	if err := cr.owns(ctx); err != nil {
		return err
	}
	l := &load{rate: busyRate, atOnce: 64, kinds: []*kind{
		cr.syncs(40), cr.controls(20), cr.adds(15), cr.repeats(15), cr.firsts(5), cr.warnings(5),
	}}
	lasts := c.lasts(busyFor, 30*time.Second)
	c.say("%d requests a second for %s", busyRate, lasts)
	v := &vitals{world: w}
	err = l.during(ctx, func(ctx context.Context) error { return v.watch(ctx, lasts) })
	if err != nil {
		return err
	}
	rate := float64(l.written()) / l.took.Seconds()
	c.figure("requests a second", rate, "", fmt.Sprintf("%d", busyRate), rate >= 0.95*busyRate)
	l.tell(c, latencyLimit)
	v.tell(c, busyResident)
	if err := c.recorded(ctx, w, &l.kinds[len(l.kinds)-1].answers); err != nil {
		return err
	}
	return c.guarded(ctx, w)
}

// recorded counts the records of what was admitted under Warn: each has one of its own.
func (c *chaos) recorded(ctx context.Context, w *world, admitted *answers) error {
	flagged, err := w.flagged(ctx)
	if err != nil {
		return err
	}
	want := admitted.of(stored)
	c.figure(fmt.Sprintf("records of %d admitted under Warn", want), float64(flagged), "", "each has one", flagged >= want)
	return nil
}

// guarded makes figures of what went past the gate: as the audit log shows, and as the API server counts.
func (c *chaos) guarded(ctx context.Context, w *world) error {
	found, err := unguarded(ctx, w)
	if err != nil {
		return err
	}
	c.none("writes past the gate", found)
	open, err := w.failOpens(ctx)
	if err != nil {
		return err
	}
	c.figure("calls that failed open", open, "", "none", open == 0)
	return nil
}

// sample is what a replica takes at one time.
type sample struct{ resident, goroutines float64 }

// vitals are samples of each replica: before the load, in the middle and at the end.
type vitals struct {
	world   *world
	samples [][]sample // by time, by replica
}

// watch samples now, after half of the time, and at its end.
func (v *vitals) watch(ctx context.Context, lasts time.Duration) error {
	if err := v.sample(ctx); err != nil {
		return err
	}
	for range 2 {
		if err := sleep(ctx, lasts/2); err != nil {
			return err
		}
		if err := v.sample(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (v *vitals) sample(ctx context.Context) error {
	var now []sample
	for i := range v.world.gate.Replicas() {
		var s sample
		var err error
		if s.resident, err = figures.Resident(v.world.gate.PID(i)); err != nil {
			return err
		}
		if s.goroutines, err = v.world.metric(ctx, i, "go_goroutines", nil); err != nil {
			return err
		}
		now = append(now, s)
	}
	v.samples = append(v.samples, now)
	return nil
}

// tell makes figures of them: within the limit, and no more at the end than in the middle.
func (v *vitals) tell(c *chaos, limit float64) {
	for i := range v.world.gate.Replicas() {
		start, middle, end := v.samples[0][i], v.samples[1][i], v.samples[2][i]
		name := fmt.Sprintf("replica %d, resident ", i)
		c.figure(name+"at the start", start.resident, figures.Bytes, "", true)
		c.figure(name+"in the middle", middle.resident, figures.Bytes, fmt.Sprintf("< %.0f MiB", limit/(1<<20)), middle.resident < limit)
		c.figure(name+"at the end", end.resident, figures.Bytes, "no more than in the middle, within a fifth",
			end.resident < growth*middle.resident+growthAllowed)
		name = fmt.Sprintf("replica %d, goroutines ", i)
		c.figure(name+"at the start", start.goroutines, "", "", true)
		c.figure(name+"in the middle", middle.goroutines, "", "", true)
		c.figure(name+"at the end", end.goroutines, "", "no more than in the middle, within a hundred", end.goroutines < middle.goroutines+100)
	}
}
