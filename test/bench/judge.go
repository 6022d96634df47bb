package main

import (
	"context"
	"io"
	"strings"
	"time"
)

// Targets of the judge, for one policy; the rest is shown to see how it grows.
const (
	smallDecision = 2 * time.Microsecond
	smallAllocs   = 5
	largeDecision = 100 * time.Microsecond
)

// judge takes the benchmarks' names apart: "small-controller/10policies".
func judge(ctx context.Context, progress io.Writer) ([]Table, error) {
	results, err := goBench(ctx, progress, "policy", "BenchmarkDecide", "100ms")
	if err != nil {
		return nil, err
	}
	t := Table{
		Title:   "The judge: policy.Decide, one request",
		Note:    "small: no declared field has to be read; large: 100 KiB with 500 declared fields. Targets are for one policy.",
		Columns: []string{"time", "allocations"},
	}
	for _, r := range results {
		took, allocs := r.figures["ns/op"], r.figures["allocs/op"]
		row := Row{Name: decisionName(r.name), Values: []Value{{took, unitTime}, {allocs, ""}}}
		if strings.HasSuffix(r.name, "/1policies") {
			switch {
			case strings.HasPrefix(r.name, "small"):
				row.Target = "< 2 µs, at most 5 allocations"
				row.Missed = took >= float64(smallDecision) || allocs > smallAllocs
			case strings.HasPrefix(r.name, "large"):
				row.Target = "< 100 µs"
				row.Missed = took >= float64(largeDecision)
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return []Table{t}, nil
}

func decisionName(name string) string {
	what, policies, ok := strings.Cut(name, "/")
	n, counted := strings.CutSuffix(policies, "policies")
	switch {
	case !ok || !counted:
		return name
	case n == "1":
		return what + ", 1 policy"
	}
	return what + ", " + n + " policies"
}

// handlerTarget is for a review of ordinary size.
const handlerTarget = time.Millisecond

// handler takes p50 and p99 from the benchmark, which reports them beside the mean.
func handler(ctx context.Context, progress io.Writer) ([]Table, error) {
	results, err := goBench(ctx, progress, "webhook", "BenchmarkHandler", "500ms")
	if err != nil {
		return nil, err
	}
	t := Table{
		Title:   "The handler: one review, without the network and the record's write",
		Note:    "small: 1 KiB; typical: a Deployment with its managedFields, 8 KiB; large: a ConfigMap of 100 KiB, old and new.",
		Columns: []string{"p50", "p99", "allocations"},
	}
	for _, r := range results {
		p99 := r.figures["p99-ns"]
		row := Row{
			Name:   strings.ReplaceAll(r.name, "/", ", "),
			Values: []Value{{r.figures["p50-ns"], unitTime}, {p99, unitTime}, {r.figures["allocs/op"], ""}},
		}
		if !strings.HasPrefix(r.name, "large") {
			row.Target, row.Missed = "p99 < 1 ms", p99 >= float64(handlerTarget)
		}
		t.Rows = append(t.Rows, row)
	}
	return []Table{t}, nil
}
