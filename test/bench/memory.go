package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/gitlatch/gitlatch/test/figures"
)

// Targets of the webhook's process. A bare manager with its certificate library is 32 MiB.
const (
	idleTarget   = 48 << 20
	loadTarget   = 64 << 20
	growthTarget = 1.10
	manyKinds    = 1000
)

// How long the process is watched.
const (
	idleFor = 12 * time.Second
	loadFor = 30 * time.Second
)

// memory measures the webhook's process on a control plane of its own, and again on one with a thousand CRDs: each
// process starts there, so that none carries what another one saw.
func memory(ctx context.Context, progress io.Writer) ([]Table, error) {
	plain, err := resident(ctx, progress, 0)
	if err != nil {
		return nil, err
	}
	crowded, err := resident(ctx, progress, manyKinds)
	if err != nil {
		return nil, err
	}
	t := Table{
		Title: "Resident memory of the webhook",
		Note: fmt.Sprintf("load: %d writes a second for %s, half of them flagged, a quarter denied again and again, a quarter denied on ever new targets.\n"+
			"resident: idle, the median; under load, the highest. ratio: to the same without the CRDs.", loadRate, loadFor),
		Columns: []string{"resident", "ratio", "writes a second", "calls a second", "records"},
	}
	const mib = 1 << 20
	t.Rows = append(t.Rows,
		plain.row("idle", plain.idle, idleTarget, fmt.Sprintf("< %d MiB", idleTarget/mib)),
		plain.row("under load", plain.loaded, loadTarget, fmt.Sprintf("< %d MiB", loadTarget/mib)),
		crowded.row(fmt.Sprintf("idle, %d CRDs", manyKinds), crowded.idle, growthTarget*plain.idle, "within 10%"),
		crowded.row(fmt.Sprintf("under load, %d CRDs", manyKinds), crowded.loaded, growthTarget*plain.loaded, "within 10%"),
	)
	plain.admit(&t.Rows[1])
	crowded.admit(&t.Rows[3])
	for i, before := range []float64{plain.idle, plain.loaded} {
		t.Rows[i].Values[1].Number = 1
		t.Rows[i+2].Values[1].Number = t.Rows[i+2].Values[0].Number / before
		t.Rows[2*i].Values = t.Rows[2*i].Values[:2] // an idle one does nothing
	}
	return []Table{t}, nil
}

// residence is what one webhook took, in bytes, and what it did for it.
type residence struct {
	idle, loaded           float64
	writes, calls, records float64 // the first two a second
}

func (r *residence) row(name string, bytes, limit float64, target string) Row {
	return Row{
		Name:   name,
		Values: []Value{{bytes, unitBytes}, {0, unitRatio}, {r.writes, ""}, {r.calls, ""}, {r.records, ""}},
		Target: target, Missed: bytes >= limit,
	}
}

// admit says where the machine was too busy for the load that the target is about: then nothing was shown.
func (r *residence) admit(row *Row) {
	if r.writes < 0.95*loadRate {
		row.Missed = true
		row.Notes = append(row.Notes, fmt.Sprintf("(not shown: the machine managed %.0f of %d writes a second)", r.writes, loadRate))
	}
}

// resident starts a control plane with so many CRDs and watches a new webhook on it.
func resident(ctx context.Context, progress io.Writer, crds int) (*residence, error) {
	fmt.Fprintf(progress, "starting a control plane with %d CRDs\n", crds)
	w, err := newWorld(ctx, io.Discard)
	if err != nil {
		return nil, err
	}
	defer w.stop()
	if err := w.define(ctx, crds); err != nil {
		return nil, err
	}
	if err := w.guard(ctx, progress); err != nil {
		return nil, err
	}
	if err := w.furnish(ctx); err != nil {
		return nil, err
	}
	r := &residence{}
	fmt.Fprintf(progress, "watching the webhook: idle for %s, then under load for %s\n", idleFor, loadFor)
	samples, err := w.watch(ctx, idleFor)
	if err != nil {
		return nil, err
	}
	r.idle = median(samples[len(samples)/2:]) // it may have just answered
	return r, w.burden(ctx, r)
}

// burden writes while the process is watched.
func (w *world) burden(ctx context.Context, r *residence) error {
	l, err := newLoad(w)
	if err != nil {
		return err
	}
	before, err := w.calls(ctx)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	loading, cancel := context.WithTimeout(ctx, loadFor)
	defer cancel()
	go func() { done <- l.run(loading) }()
	samples, err := w.watch(ctx, loadFor)
	if err != nil {
		return err
	}
	if err := <-done; err != nil {
		return err
	}
	after, err := w.calls(ctx)
	if err != nil {
		return err
	}
	r.loaded = slices.Max(samples)
	r.writes = float64(l.written.Load()) / loadFor.Seconds()
	r.calls = (after - before) / loadFor.Seconds()
	r.records, err = w.records(ctx)
	return err
}

// watch reads the resident memory several times a second.
func (w *world) watch(ctx context.Context, during time.Duration) ([]float64, error) {
	var samples []float64
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(during); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
		n, err := figures.Resident(w.gate.PID(0))
		if err != nil {
			return nil, err
		}
		samples = append(samples, n)
	}
	return samples, nil
}

func median(samples []float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[len(sorted)/2]
}
