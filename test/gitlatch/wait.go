package gitlatch

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// WaitFor asks every 50 ms until the answer is nil. After the timeout, or when ctx ends, the error says what was waited
// for, how long, and the last answer.
func WaitFor(ctx context.Context, timeout time.Duration, what string, ask func(context.Context) error) error {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var last error
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		// What was answered before the time was up says more than that it is up.
		if last == nil || !errors.Is(err, context.DeadlineExceeded) {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: not after %s: %w", what, time.Since(start).Round(100*time.Millisecond), last)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
