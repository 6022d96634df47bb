package record

import (
	"context"
	"sync"
)

// joint lets callers that ask the same at the same time share one answer. What it
// gives was always asked after its caller asked, so it is never older than the
// question.
type joint[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]*calls[V]
}

// calls are the call under way and the one that those who came too late for it wait
// for.
type calls[V any] struct {
	running bool
	next    *answer[V]
}

type answer[V any] struct {
	done  chan struct{}
	value V
	err   error
}

// get asks, or waits for somebody who asks after now. ask is not ended by the end of
// one caller's patience.
func (s *joint[K, V]) get(ctx context.Context, key K, ask func(context.Context) (V, error)) (V, error) {
	s.mu.Lock()
	if s.calls == nil {
		s.calls = map[K]*calls[V]{}
	}
	c := s.calls[key]
	if c == nil {
		c = &calls[V]{}
		s.calls[key] = c
	}
	if c.next == nil {
		c.next = &answer[V]{done: make(chan struct{})}
	}
	mine := c.next
	if !c.running {
		c.running = true
		go s.run(context.WithoutCancel(ctx), key, c, ask)
	}
	s.mu.Unlock()
	select {
	case <-mine.done:
		return mine.value, mine.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}

// run asks for as long as somebody waits.
func (s *joint[K, V]) run(ctx context.Context, key K, c *calls[V], ask func(context.Context) (V, error)) {
	for {
		s.mu.Lock()
		mine := c.next
		if mine == nil {
			c.running = false
			delete(s.calls, key)
			s.mu.Unlock()
			return
		}
		c.next = nil
		s.mu.Unlock()
		mine.value, mine.err = s.once(ctx, ask)
		close(mine.done)
	}
}

func (s *joint[K, V]) once(ctx context.Context, ask func(context.Context) (V, error)) (V, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return ask(ctx)
}
