package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// keeper starts replicas that ended by themselves, as a kubelet does, and counts them.
type keeper struct {
	w       *world
	cancel  context.CancelFunc
	working sync.WaitGroup
	ended   atomic.Int64
}

// keep works until stop.
func keep(ctx context.Context, w *world) *keeper {
	ctx, cancel := context.WithCancel(ctx)
	k := &keeper{w: w, cancel: cancel}
	for i := range w.gate.Replicas() {
		k.working.Go(func() { k.mind(ctx, i) })
	}
	return k
}

func (k *keeper) mind(ctx context.Context, replica int) {
	pid := k.w.gate.PID(replica)
	for sleep(ctx, 200*time.Millisecond) == nil {
		_ = k.w.gate.Start(ctx, replica) // not ready yet: the next time tells
		if now := k.w.gate.PID(replica); now != pid {
			pid = now
			k.ended.Add(1)
		}
	}
}

func (k *keeper) restarts() int { return int(k.ended.Load()) }

func (k *keeper) stop() {
	k.cancel()
	k.working.Wait()
}

// tally counts by name.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (t *tally) add(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[string]int{}
	}
	t.n[name]++
}

func (t *tally) all() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n
}
