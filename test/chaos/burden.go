package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gitlatch/gitlatch/test/figures"
)

// mostPending is how many records of a replica may wait to be written; more are given up, and counted as that.
const mostPending = 1024

// burden is the most that one replica had to carry while something was broken: memory, and records that wait.
type burden struct {
	cancel  context.CancelFunc
	working sync.WaitGroup

	resident, pending float64
	samples           int
}

// weigh samples until stop.
func weigh(ctx context.Context, w *world) *burden {
	ctx, cancel := context.WithCancel(ctx)
	b := &burden{cancel: cancel}
	b.working.Go(func() { b.sample(ctx, w) })
	return b
}

func (b *burden) stop() {
	b.cancel()
	b.working.Wait()
}

// sample looks at all replicas again and again. One that does not answer at the moment is asked the next time.
func (b *burden) sample(ctx context.Context, w *world) {
	for sleep(ctx, 500*time.Millisecond) == nil {
		for i := range w.gate.Replicas() {
			resident, err := figures.Resident(w.gate.PID(i))
			if err != nil {
				continue
			}
			b.resident = max(b.resident, resident)
			if pending, err := w.metric(ctx, i, "gitlatch_records_pending", nil); err == nil {
				b.pending = max(b.pending, pending)
				b.samples++
			}
		}
	}
}

func (b *burden) tell(c *chaos, name string) {
	c.figure(name+": samples of the replicas", float64(b.samples), "", "> 0: or nothing was shown", b.samples > 0)
	c.figure(name+": resident, at most of a replica", b.resident, figures.Bytes, fmt.Sprintf("< %d MiB", busyResident>>20), b.resident < busyResident)
	c.figure(name+": records of a replica that wait, at most", b.pending, "", fmt.Sprintf("<= %d", mostPending), b.pending <= mostPending)
}
