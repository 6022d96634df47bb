package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/figures"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// chaos is what a scenario works with. Its methods may be called from several goroutines, but for random.
type chaos struct {
	options  *options
	progress io.Writer
	scenario string
	random   *rand.Rand // of the seed that is printed

	mu      sync.Mutex // guards figures and worlds
	figures []figure
	worlds  []*world
}

// say tells what goes on.
func (c *chaos) say(format string, args ...any) {
	fmt.Fprintf(c.progress, "%s: %s\n", c.scenario, fmt.Sprintf(format, args...))
}

// lasts is how long load lasts: -for, or the short time with -short, or the full one.
func (c *chaos) lasts(full, short time.Duration) time.Duration {
	switch {
	case c.options.length > 0:
		return c.options.length
	case c.options.short:
		return short
	}
	return full
}

// kills is how often is killed: -kills, or the short number with -short, or the full one.
func (c *chaos) kills(full, short int) int {
	switch {
	case c.options.kills > 0:
		return c.options.kills
	case c.options.short:
		return short
	}
	return full
}

// figure keeps one figure for the table. The unit is one of package figures, or "" for a count. promise says what is
// promised of it, empty where nothing is; kept says whether it was kept.
func (c *chaos) figure(name string, value float64, unit, promise string, kept bool) {
	f := figure{Name: name, Value: figures.Value{Number: value, Unit: unit}, Promise: promise, Broken: promise != "" && !kept}
	c.mu.Lock()
	c.figures = append(c.figures, f)
	c.mu.Unlock()
	c.say("%s", f)
}

// took keeps a figure that is a time.
func (c *chaos) took(name string, d time.Duration, promise string, kept bool) {
	c.figure(name, float64(d), figures.Time, promise, kept)
}

// none keeps a figure that is promised to be 0, and says what there was instead.
func (c *chaos) none(name string, what []string) {
	c.figure(name, float64(len(what)), "", "none", len(what) == 0)
	for i, one := range what {
		if i == mostSaid {
			c.say("  and %d more", len(what)-i)
			return
		}
		c.say("  %s", one)
	}
}

// mostSaid is how many of the things that should not be are told one by one.
const mostSaid = 10

// start starts a control plane with Gitlatch installed and the policies and objects of policies.go in place; what is
// started is stopped when the scenario is over.
func (c *chaos) start(ctx context.Context, plane cluster.Options, gate gitlatch.Options) (*world, error) {
	plane.Keep = plane.Keep || c.options.keep
	gate.Binary = cmp.Or(gate.Binary, c.options.binary)
	w, err := newWorld(ctx, plane, gate, c.say)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.worlds = append(c.worlds, w)
	c.mu.Unlock()
	return w, nil
}

// stopAll stops what was started. With -keep it says where the logs are.
func (c *chaos) stopAll() {
	for _, w := range c.worlds {
		if c.options.keep {
			c.say("left behind: %s", w.plane.Dir())
		}
		w.stop()
	}
}
