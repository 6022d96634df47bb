package main

import (
	"context"
	"net/http"

	"github.com/gitlatch/gitlatch/test/figures"
)

// calls is how many reviews the webhook has answered; every answer is counted, a shed one too.
func (w *world) calls(ctx context.Context) (float64, error) {
	return w.counter(ctx, "gitlatch_decisions_total")
}

// counter adds a counter up over its labels.
func (w *world) counter(ctx context.Context, name string) (float64, error) {
	return figures.Counter(ctx, http.DefaultClient, w.gate.MetricsURL(0), name, nil)
}
