package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/gitlatch/gitlatch/test/figures"
)

const (
	writeRounds = 5
	warmUp      = 10
)

// writes measures patches with Gitlatch and without. One client writes, to one control plane and then to the other.
func writes(ctx context.Context, progress io.Writer) ([]Table, error) {
	bare, gated, err := both(ctx, progress)
	if err != nil {
		return nil, err
	}
	defer bare.stop()
	defer gated.stop()
	if err := gated.guard(ctx, progress); err != nil {
		return nil, err
	}
	for _, w := range []*world{bare, gated} {
		if err := w.furnish(ctx); err != nil {
			return nil, err
		}
	}
	t := Table{
		Title: "A write through the API server, one client: without Gitlatch and with it",
		Note: "ratio: of the p50s, and of the p99s. calls: that the webhook received per write, of both phases; inside: what it took to answer them, the mean.\n" +
			"A denied write is compared with the same write going through.",
		Columns: []string{"p50 without", "p50 with", "ratio", "p99 without", "p99 with", "ratio", "calls", "inside"},
	}
	for _, s := range scenarios() {
		fmt.Fprintln(progress, "writing: "+s.name)
		m, err := s.measure(ctx, bare, gated)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		t.Rows = append(t.Rows, m.row(&s))
	}
	return []Table{t}, nil
}

// measurement is the times of one scenario in both worlds.
type measurement struct {
	bare, gated []time.Duration
	calls       float64   // that the webhook received
	inside      float64   // seconds that it took to answer them
	ratios      []float64 // of the p50s, round by round
}

func (s *scenario) measure(ctx context.Context, bare, gated *world) (*measurement, error) {
	var sides [2]*side
	for i, w := range []*world{bare, gated} {
		write, err := s.writer(ctx, w)
		if err != nil {
			return nil, err
		}
		sides[i] = &side{scenario: s, world: w, write: write}
	}
	if s.perRound*writeRounds > crowd*targets {
		return nil, fmt.Errorf("%d writes are more than there are targets", s.perRound*writeRounds)
	}
	first := 0
	if !s.denied { // the first of a kind is not for warming up
		first = warmUp
	}
	for i := range first {
		for _, side := range sides {
			if _, err := side.timed(ctx, i); err != nil {
				return nil, err
			}
		}
	}
	m := &measurement{}
	if err := m.count(ctx, gated, -1); err != nil {
		return nil, err
	}
	for round := range writeRounds {
		from := first + round*s.perRound
		if err := m.round(ctx, sides, from, from+s.perRound); err != nil {
			return nil, err
		}
	}
	return m, m.count(ctx, gated, 1)
}

// count adds what the webhook has counted, or takes it away.
func (m *measurement) count(ctx context.Context, w *world, sign float64) error {
	calls, err := w.calls(ctx)
	if err != nil {
		return err
	}
	inside, err := w.counter(ctx, "gitlatch_webhook_duration_seconds_sum")
	m.calls, m.inside = m.calls+sign*calls, m.inside+sign*inside
	return err
}

// side is one of the two that are compared.
type side struct {
	scenario *scenario
	world    *world
	write    patch
	took     []time.Duration
}

func (s *side) timed(ctx context.Context, i int) (time.Duration, error) {
	began := time.Now()
	err := s.write(ctx, i)
	took := time.Since(began)
	return took, s.scenario.check(s.world, err)
}

// round takes turns, and takes turns in who is first.
func (m *measurement) round(ctx context.Context, sides [2]*side, from, to int) error {
	for i := from; i < to; i++ {
		for turn := range sides {
			s := sides[(i+turn)%2]
			took, err := s.timed(ctx, i)
			if err != nil {
				return err
			}
			s.took = append(s.took, took)
		}
	}
	m.ratios = append(m.ratios, ratio(figures.Percentile(sides[1].took, 50), figures.Percentile(sides[0].took, 50)))
	m.bare, m.gated = append(m.bare, sides[0].took...), append(m.gated, sides[1].took...)
	sides[0].took, sides[1].took = nil, nil
	return nil
}

func (m *measurement) row(s *scenario) Row {
	p50, p99 := figures.Percentile(m.bare, 50), figures.Percentile(m.bare, 99)
	with50, with99 := figures.Percentile(m.gated, 50), figures.Percentile(m.gated, 99)
	r := Row{Name: s.name, Values: []Value{
		nanoseconds(p50), nanoseconds(with50), {ratio(with50, p50), unitRatio},
		nanoseconds(p99), nanoseconds(with99), {ratio(with99, p99), unitRatio},
		{m.calls / float64(len(m.gated)), ""}, {m.inside * 1e9 / float64(len(m.gated)), unitTime},
	}}
	if s.unasked {
		r.Target, r.Missed = "no call", m.calls != 0
	}
	r.Notes = []string{fmt.Sprintf("(rounds %.2f to %.2f)", slices.Min(m.ratios), slices.Max(m.ratios))}
	return r
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }
