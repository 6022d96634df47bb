package main

import (
	"context"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/test/cluster"
)

// refused are the right answers to who may not, whatever is broken.
func refused() []answer { return []answer{denied, backstopped} }

// admittedOrNot are the right answers to who may break glass: what is admitted must be on record, as [unguarded] sees to.
func admittedOrNot() []answer { return []answer{stored, denied, backstopped} }

// slow has the API server answer the webhooks late, and then not at all, over a wire that delays.
func slow(ctx context.Context, c *chaos) error {
	d, err := c.disturb(ctx, cluster.Options{})
	if err != nil {
		return err
	}
	wire, err := strung(strings.TrimPrefix(d.plane.URL(), "https://"))
	if err != nil {
		return err
	}
	defer wire.cut()
	if err := d.reroute(ctx, wire.url(), nil); err != nil {
		return err
	}
	lasts := c.lasts(time.Minute, 10*time.Second)
	for _, s := range []struct {
		name  string
		delay time.Duration
	}{
		{"100 ms late", 50 * time.Millisecond},
		{"600 ms late", 300 * time.Millisecond},
		{"4 s late", 2 * time.Second},
		{"silent", time.Hour},
	} {
		err := d.during(ctx, fault{
			name: s.name, lasts: lasts,
			begin:   func(context.Context) error { wire.slow(s.delay); return nil },
			end:     func(context.Context) error { wire.slow(0); return nil },
			denials: refused(), emergencies: admittedOrNot(), syncs: []answer{stored},
		})
		if err != nil {
			return err
		}
	}
	d.alerts(ctx)
	return c.guarded(ctx, d.world)
}
