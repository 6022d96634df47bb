package webhook

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const (
	// closingPeriod is how often the loop looks at what it knows. It asks the API
	// server only for windows that are due.
	closingPeriod = time.Second
	// settlePeriod is what the write that was admitted last gets to be stored, before
	// the targets are compared.
	settlePeriod = 2 * time.Second
	// bearerPeriod is how often it is looked whether the annotations of open windows
	// are still there.
	bearerPeriod = 10 * time.Second
	// closingPatience is how long a window that could not be finished rests.
	closingPatience = 10 * time.Second
)

// Closing ends windows whose time is over, and finishes those that a request
// ended: it writes down how each one ended and whether its targets still differ,
// and takes the label away. The gate itself does not wait for it: a window whose
// time is over admits nobody, whatever its record says.
//
// It reads targets and never writes one. Pulling them back is the applier's; a
// mark that is left on an object is dead, since the record is the authority.
type Closing struct {
	// Grants tells which windows there are.
	Grants *Grants
	// Metadata reads the metadata of targets, live.
	Metadata metadata.Interface
	// Clock times the loop.
	Clock clock.WithTicker

	resting    map[string]time.Time // by record: when it is tried again
	bearersDue time.Time
}

// NeedLeaderElection says that one replica does this.
func (c *Closing) NeedLeaderElection() bool { return true }

// Start runs the loop until the context ends. An error is logged and the window
// tried again: nothing here may stop the gate.
func (c *Closing) Start(ctx context.Context) error {
	ticker := c.Clock.NewTicker(closingPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			c.Sweep(ctx)
		}
	}
}

// Sweep does everything that is due now. Not for concurrent use.
func (c *Closing) Sweep(ctx context.Context) {
	now := c.Clock.Now()
	look := !now.Before(c.bearersDue)
	if look {
		c.bearersDue = now.Add(bearerPeriod)
	}
	resting := map[string]time.Time{}
	for _, known := range c.Grants.index.all() {
		name := known.window.Record
		if again, ok := c.resting[name]; ok && now.Before(again) {
			resting[name] = again
			continue
		}
		if err := c.tend(ctx, &known, now, look); err != nil {
			logf.FromContext(ctx).Error(err, "closing a break-glass window", "record", name)
			resting[name] = now.Add(closingPatience)
		}
	}
	c.resting = resting
}

// tend does what is due for one window.
func (c *Closing) tend(ctx context.Context, known *indexedWindow, now time.Time, look bool) error {
	name := known.window.Record
	switch {
	case known.end != nil && !now.Before(known.end.At.Add(settlePeriod)):
		return c.finish(ctx, name, known.end)
	case known.end != nil:
		return nil
	case !openAt(&known.window, now):
		// It admitted nobody from then on, however late this is written.
		return c.end(ctx, name, v1alpha1.WindowExpired, known.window.Until)
	case look:
		return c.lookForBearer(ctx, name)
	}
	return nil
}

func (c *Closing) end(ctx context.Context, name string, reason v1alpha1.WindowEndReason, at time.Time) error {
	end := &v1alpha1.WindowEnd{At: metav1.NewMicroTime(at), Reason: reason}
	if err := c.Grants.end(ctx, name, end); err != nil {
		return err
	}
	c.Grants.index.endWindow(name, end)
	return nil
}

// record reads a record from the API server; nil: there is none.
func (g *Grants) record(ctx context.Context, name string) (*v1alpha1.ChangeRecord, error) {
	rec := &v1alpha1.ChangeRecord{}
	err := g.Live.Get(ctx, client.ObjectKey{Name: name}, rec)
	if apierrors.IsNotFound(err) {
		g.index.forgetWindow(name)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading record %s: %w", name, err)
	}
	return rec, nil
}
