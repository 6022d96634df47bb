package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"text/tabwriter"
	"time"
)

// scenario is one way in which a cluster is loaded or breaks. It starts what it needs with [chaos.start], says what it saw
// with [chaos.figure], and returns an error only when it could not be carried out: a promise that is broken is a figure.
type scenario struct {
	name, about string
	run         func(ctx context.Context, c *chaos) error
}

// scenarios are run in this order.
func scenarios() []scenario {
	return []scenario{
		{"flood", "10,000 denials in a minute, each on a name of its own", flood},
		{"busy", "500 requests a second for ten minutes, of all kinds", busy},
		{"slow", "an API server that answers the webhooks late, or not at all", slow},
		{"faulty", "an API server that answers the webhooks with 429 and 500", faulty},
		{"etcd", "etcd stopped and continued, killed and started again", etcd},
		{"full", "an etcd that has no space left", full},
		{"memory", "a webhook with no memory left, flooded with huge reviews", memory},
		{"certificates", "authorities deleted, certificates renewed and replicas restarted under 200 writes a second", certificates},
		{"kills", "webhooks killed at random moments under a mixed load, under Fail and under Ignore", kills},
	}
}

func names() []string {
	var all []string
	for _, s := range scenarios() {
		all = append(all, s.name)
	}
	return all
}

func list(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for _, s := range scenarios() {
		fmt.Fprintf(w, "%s\t%s\n", s.name, s.about)
	}
	return w.Flush()
}

// report runs the scenario and stops all that it has started.
func (s scenario) report(ctx context.Context, o *options, progress io.Writer) *report {
	fmt.Fprintf(progress, "%s: %s\n", s.name, s.about)
	began := time.Now()
	c := &chaos{
		options: o, progress: progress, scenario: s.name,
		// Each has its own, so that one alone goes as it does among all.
		random: rand.New(rand.NewPCG(o.seed, 0)),
	}
	err := s.run(ctx, c)
	r := &report{Scenario: s.name, About: s.about, Figures: c.figures}
	if err == nil && ctx.Err() == nil && len(c.figures) == 0 {
		err = errors.New("it has shown nothing")
	}
	if err != nil {
		r.Error = err.Error()
	}
	c.stopAll()
	r.Seconds = time.Since(began).Seconds()
	return r
}
