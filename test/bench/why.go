package main

import (
	"context"
	"io"
	"strings"
	"time"
)

// whyTarget is for a history of 10,000 commits, with nothing in the index.
const whyTarget = time.Second

// why asks for the last change of objects that have not changed since the first commit.
func why(ctx context.Context, progress io.Writer) ([]Table, error) {
	results, err := goBench(ctx, progress, "applier/history", "BenchmarkWhy", "3x")
	if err != nil {
		return nil, err
	}
	t := Table{
		Title: "Why: the commit that last changed one object, 10,000 commits and 5,000 files",
		Note: "The worst case: the object has not changed since the first commit, so all of history is walked. " +
			"cold: nothing is in the index; warm: the same question again.",
		Columns: []string{"time", "allocations"},
	}
	for _, r := range results {
		took := r.figures["ns/op"]
		t.Rows = append(t.Rows, Row{
			Name:   strings.ReplaceAll(r.name, "/", ", "),
			Values: []Value{{took, unitTime}, {r.figures["allocs/op"], ""}},
			Target: "< 1 s", Missed: took >= float64(whyTarget),
		})
	}
	return []Table{t}, nil
}
