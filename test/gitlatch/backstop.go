package gitlatch

import (
	"context"
	"time"
)

// RemoveBackstop deletes the binding of the backstop, for tests of what is done while nothing guards at all, and returns
// when the API server has heard of it: it looks for changed admission policies once a second. A webhook that runs would
// restore it, so every one is killed before.
func (g *Gitlatch) RemoveBackstop(ctx context.Context) error {
	if err := g.kubectl(ctx, "admin", "", "delete", "validatingadmissionpolicybinding", registration, "--ignore-not-found"); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(2 * time.Second):
		return nil
	}
}
