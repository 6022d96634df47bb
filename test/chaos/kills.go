package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// killed is how many webhooks there are to kill.
const killed = 3

// kills ends webhooks with SIGKILL at random moments under a mixed load, one or all at once, half of the times under
// failurePolicy Fail and half under Ignore, and holds the records against the API server's audit log.
func kills(ctx context.Context, c *chaos) error {
	var sum tallied
	wanted := c.kills(300, 30)
	for _, half := range []struct {
		policy string
		kills  int
	}{{"Fail", wanted - wanted/2}, {"Ignore", wanted / 2}} {
		if half.kills == 0 {
			continue
		}
		one, err := killsUnder(ctx, c, half.policy, half.kills)
		if err != nil {
			return fmt.Errorf("killing under %s: %w", half.policy, err)
		}
		one.tell(c)
		sum.add(one)
	}
	sum.tell(c)
	return nil
}

// killsUnder goes through the kills of one failure policy, in a world of their own.
func killsUnder(ctx context.Context, c *chaos, policy string, n int) (*tallied, error) {
	w, err := c.start(ctx, cluster.Options{}, gitlatch.Options{Replicas: killed, Service: true, FailurePolicy: policy})
	if err != nil {
		return nil, err
	}
	defer w.stop() // two worlds at once would be in each other's way
	load, err := newKillLoad(ctx, w)
	if err != nil {
		return nil, err
	}
	// What a person writes within seconds of the making of a policy is no bypass of it, says the review.
	if err := sleep(ctx, 6*time.Second); err != nil {
		return nil, err
	}
	w.guarded = time.Now()
	before := time.Now()
	out := &tallied{under: policy, asked: n}
	err = load.during(ctx, func(ctx context.Context) error { return out.killAtRandom(ctx, w, c.random) })
	if err != nil {
		return nil, err
	}
	out.took = time.Since(before)
	for reason, n := range load.wrong.all() {
		c.say("%s: %d times %s", policy, n, reason)
	}
	for _, k := range load.kinds {
		k.tellWrong(c, policy+": "+k.name)
	}
	return out, out.hold(ctx, w)
}

// Moments between two kills, and between a kill and the start that follows, at most.
const (
	calm = 600 * time.Millisecond
	dead = 300 * time.Millisecond
)

// killAtRandom kills as many processes as are asked for and starts them again: mostly one, and each sixth time all.
func (t *tallied) killAtRandom(ctx context.Context, w *world, random *rand.Rand) error {
	moment := func(most time.Duration) error { return sleep(ctx, time.Duration(random.Int64N(int64(most)))) }
	for t.kills < t.asked {
		if err := moment(calm); err != nil {
			return err
		}
		victims := []int{random.IntN(killed)}
		if random.IntN(6) == 0 {
			victims = random.Perm(killed)
		}
		for _, i := range victims {
			w.gate.Kill(i)
			t.deaths[i] = append(t.deaths[i], time.Now())
			t.kills++
		}
		if err := moment(dead); err != nil {
			return err
		}
		for _, i := range victims {
			if err := w.gate.Start(ctx, i); err != nil {
				return err
			}
		}
	}
	return nil
}
