package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gitlatch/gitlatch/test/figures"
)

// kind is one kind of write in a load. write makes the i-th write of this kind.
type kind struct {
	name   string
	share  int      // of the writes, in parts of the sum of all shares
	wanted []answer // the answers that are right
	write  func(ctx context.Context, i int) error

	next    atomic.Int64
	answers answers
}

// load is a number of kinds of writes at a steady rate, by turns, or as many as the machine answers.
type load struct {
	rate   int // writes a second
	atOnce int // writes that wait for an answer at the most
	kinds  []*kind

	began time.Time
	took  time.Duration
}

// A write that is not answered in this time has hung; the API server gives up after three seconds with the webhook and
// after 34 with itself (--request-timeout is a minute, of which it keeps some for the answer).
const writeTimeout = 40 * time.Second

// run writes until ctx is done; writes under way are waited for.
func (l *load) run(ctx context.Context) {
	turns := l.turns()
	places := make(chan struct{}, l.atOnce)
	var writing sync.WaitGroup
	l.began = time.Now()
	tick := time.NewTicker(max(time.Second/time.Duration(l.rate), time.Millisecond))
	defer tick.Stop()
	for sent := 0; ctx.Err() == nil; {
		select {
		case <-ctx.Done():
			continue
		case <-tick.C:
		}
		// A tick that was missed is made up for.
		for due := int(time.Since(l.began).Seconds() * float64(l.rate)); sent < due; sent++ {
			select {
			case places <- struct{}{}:
			case <-ctx.Done():
				due = sent
				continue
			}
			k := turns[sent%len(turns)]
			writing.Go(func() {
				defer func() { <-places }()
				k.once(context.WithoutCancel(ctx))
			})
		}
	}
	l.took = time.Since(l.began)
	writing.Wait()
}

// once makes one write and keeps its answer.
func (k *kind) once(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	began := time.Now()
	err := k.write(ctx, int(k.next.Add(1))-1)
	k.answers.keep(err, time.Since(began), k.wanted...)
}

// turns deals the kinds out by their shares, mixed as evenly as they go.
func (l *load) turns() []*kind {
	sum := 0
	for _, k := range l.kinds {
		sum += k.share
	}
	var turns []*kind
	owed := make([]int, len(l.kinds))
	for range sum {
		next := 0
		for j, k := range l.kinds {
			owed[j] += k.share
			if owed[j] > owed[next] {
				next = j
			}
		}
		owed[next] -= sum
		turns = append(turns, l.kinds[next])
	}
	return turns
}

// during runs the load for as long as do takes.
func (l *load) during(ctx context.Context, do func(context.Context) error) error {
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var loaded sync.WaitGroup
	loaded.Go(func() { l.run(loading) })
	err := do(ctx)
	stop()
	loaded.Wait()
	return err
}

// written is how many writes were answered.
func (l *load) written() (n int) {
	for _, k := range l.kinds {
		n += k.answers.total()
	}
	return n
}

// tell makes a figure of each kind's latency, which must stay below the limit at the 99th of a hundred, and of its wrong answers.
func (l *load) tell(c *chaos, limit time.Duration) {
	promise := ""
	if limit > 0 {
		promise = "< " + figures.Readable(limit)
	}
	for _, k := range l.kinds {
		c.took(k.name+", p50", k.answers.percentile(50, k.wanted...), "", true)
		p99 := k.answers.percentile(99, k.wanted...)
		c.took(k.name+", p99", p99, promise, p99 < limit)
		k.tellWrong(c, k.name)
	}
}

// tellWrong makes a figure of the answers that should not have been. Where there was none at all, nothing was shown.
func (k *kind) tellWrong(c *chaos, name string) {
	n, words := k.answers.failures()
	total, promise := k.answers.total(), "none"
	if total == 0 {
		promise = "none of more than 0: or nothing was shown"
	}
	c.figure(fmt.Sprintf("%s, wrong of %d", name, total), float64(n), "", promise, n == 0 && total > 0)
	for _, one := range words {
		c.say("  %s", one)
	}
}
