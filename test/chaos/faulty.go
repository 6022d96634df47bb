package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/gitlatch/gitlatch/test/cluster"
)

// faulty has the API server answer some of the webhooks' requests, and then all, with 429 and 500.
func faulty(ctx context.Context, c *chaos) error {
	d, err := c.disturb(ctx, cluster.Options{})
	if err != nil {
		return err
	}
	door, err := newDoor(d.plane.Config("admin"), rand.New(rand.NewPCG(c.random.Uint64(), 0)))
	if err != nil {
		return err
	}
	defer door.shut()
	if err := d.reroute(ctx, door.url(), door.authority); err != nil {
		return err
	}
	lasts := c.lasts(time.Minute, 10*time.Second)
	for _, s := range []struct {
		name  string
		share float64
		code  int
		only  string // of which paths; empty: of all
	}{
		{"half are 429", 0.5, http.StatusTooManyRequests, ""},
		{"half are 500", 0.5, http.StatusInternalServerError, ""},
		{"of records, all are 500", 1, http.StatusInternalServerError, "/changerecords"},
		{"all are 429", 1, http.StatusTooManyRequests, ""},
		{"all are 500", 1, http.StatusInternalServerError, ""},
	} {
		before := door.turned.Load()
		err := d.during(ctx, fault{
			name: s.name, lasts: lasts,
			begin:   func(context.Context) error { door.turn(s.share, s.code, s.only); return nil },
			end:     func(context.Context) error { door.turn(0, 0, ""); return nil },
			denials: refused(), emergencies: admittedOrNot(), syncs: []answer{stored},
		})
		if err != nil {
			return err
		}
		c.figure(s.name+": requests turned away", float64(door.turned.Load()-before), "", "> 0: or nothing was shown", door.turned.Load() > before)
	}
	d.alerts(ctx)
	return c.guarded(ctx, d.world)
}
