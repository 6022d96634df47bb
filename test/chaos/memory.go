package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/figures"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

const (
	containerLimit = 256 << 20 // of manifests/default
	giantsAtOnce   = 12
	lockedMore     = 16 << 20 // what a replica gets that has no memory left
)

// memory floods a replica with huge reviews over many connections: first as it is installed, then with no memory left.
func memory(ctx context.Context, c *chaos) error {
	cell, err := newCell(ctx, c.options.binary)
	if err != nil {
		return err
	}
	defer cell.remove()
	w, err := c.start(ctx, cluster.Options{}, gitlatch.Options{Replicas: 2, Service: true, Binary: cell.program()})
	if err != nil {
		return err
	}
	cr, err := w.crew()
	if err != nil {
		return err
	}
	keeper := keep(ctx, w)
	defer keeper.stop()
	lasts := c.lasts(time.Minute, 12*time.Second)
	c.say("huge reviews for a replica as it is installed, for %s", lasts)
	if err := c.giants(ctx, w, cr, "as installed", lasts, true); err != nil {
		return err
	}
	c.figure("as installed: replicas that ended", float64(keeper.restarts()), "", "none", keeper.restarts() == 0)
	keeper.stop()
	if err := cell.lock(ctx, w, 0, lockedMore); err != nil {
		return err
	}
	if err := w.gate.WaitAnswering(ctx); err != nil {
		return err
	}
	keeper = keep(ctx, w)
	defer keeper.stop()
	c.say("huge reviews for a replica with %d MiB left, for %s", lockedMore>>20, lasts)
	if err := c.giants(ctx, w, cr, "no memory left", lasts, false); err != nil {
		return err
	}
	c.figure("no memory left: times that it ended", float64(keeper.restarts()), "", "> 0: or nothing was shown", keeper.restarts() > 0)
	found, err := unguarded(ctx, w)
	if err != nil {
		return err
	}
	c.none("writes past the gate", found)
	open, err := w.failOpens(ctx)
	c.figure("calls that failed open", open, "", "", true)
	return err
}

// giants sends huge reviews to replica 0 for some time, while people and git write, some of it huge as well.
func (c *chaos) giants(ctx context.Context, w *world, cr *crew, name string, lasts time.Duration, lives bool) error {
	beside := &load{rate: 20, atOnce: 64, kinds: []*kind{cr.syncs(4), cr.firsts(8), cr.repeats(7), cr.pages(1)}}
	for _, k := range beside.kinds[1:] {
		k.wanted = refused() // by whom, is told below
	}
	var answers giantAnswers
	var peak float64
	err := beside.during(ctx, func(ctx context.Context) error {
		flooding, stop := context.WithTimeout(ctx, lasts)
		defer stop()
		var flood sync.WaitGroup
		for i := range giantsAtOnce {
			size := smallestHuge + int(c.random.IntN(largestHuge-smallestHuge-1<<10))
			flood.Go(func() { answers.send(flooding, w, i, size) })
		}
		for flooding.Err() == nil && sleep(ctx, 100*time.Millisecond) == nil {
			if now, gone := figures.Peak(w.gate.PID(0)); gone == nil {
				peak = max(peak, now)
			}
		}
		flood.Wait()
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	answers.tell(c, name, lives)
	promise := ""
	if lives {
		promise = fmt.Sprintf("< %d MiB", containerLimit>>20)
	}
	c.figure(name+": resident, at most", peak, figures.Bytes, promise, peak < containerLimit)
	for _, k := range beside.kinds {
		k.tellWrong(c, name+": "+k.name)
		c.figure(fmt.Sprintf("%s: %s, denied by the backstop", name, k.name), float64(k.answers.of(backstopped)), "", "", true)
	}
	return nil
}

// pages are persons who write what makes a review of 6 MiB, through the API server.
func (cr *crew) pages(share int) *kind {
	page := strings.Repeat("<", 1_000_000) // each is six bytes in JSON
	return &kind{name: "person, huge", share: share, wanted: refused(), write: func(ctx context.Context, i int) error {
		made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: cr.name("page"), Namespace: enforced}, Data: map[string]string{"page": page}}
		_, err := cr.person(i).CoreV1().ConfigMaps(enforced).Create(ctx, made, metav1.CreateOptions{})
		return err
	}}
}

// giantAnswers are those to huge reviews.
type giantAnswers struct {
	denied, admitted, none atomic.Int64
	words                  tally
}

// send sends one after the other. Each has a client of its own, since a replica that was restarted has a new certificate.
func (a *giantAnswers) send(ctx context.Context, w *world, who, size int) {
	for n := 0; ctx.Err() == nil; n++ {
		g, err := w.giant(ctx, 0)
		if err == nil {
			// What is under way at the end is answered too.
			err = g.send(context.WithoutCancel(ctx), fmt.Sprintf("giant-%d-%d", who, n), size)
		}
		switch {
		case err == nil:
			a.denied.Add(1)
		case errors.Is(err, errAdmitted):
			a.admitted.Add(1)
		case ctx.Err() == nil:
			a.none.Add(1)
			a.words.add(err.Error()[strings.LastIndex(err.Error(), ": ")+1:]) // without the addresses
			_ = sleep(ctx, 100*time.Millisecond)
		}
	}
}

// tell makes figures: a replica that lives denies each, one that dies lets none pass.
func (a *giantAnswers) tell(c *chaos, name string, lives bool) {
	sent := a.denied.Load() + a.admitted.Load() + a.none.Load()
	c.figure(fmt.Sprintf("%s: denied, of %d huge reviews", name, sent), float64(a.denied.Load()), "", "", true)
	c.figure(name+": admitted", float64(a.admitted.Load()), "", "none", a.admitted.Load() == 0)
	promise := ""
	if lives {
		promise = "none"
	}
	c.figure(name+": without an answer", float64(a.none.Load()), "", promise, a.none.Load() == 0)
	for words, n := range a.words.all() {
		c.say("  %d times: %s", n, words)
	}
}
