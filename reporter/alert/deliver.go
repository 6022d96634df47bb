package alert

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const (
	// mostAlerts is how many alerts go to an Alertmanager in one request.
	mostAlerts = 100
	// readTimeout bounds one look at a record, markTimeout one round of writing down.
	readTimeout = 5 * time.Second
	markTimeout = 15 * time.Second
	// refusedPause is after the first refusal of one notification, and refusedMost at
	// most between two.
	refusedPause = time.Minute
	refusedMost  = time.Hour
)

// deliver tells the receiver what comes next, and says when there may be more.
func (c *courier) deliver(ctx context.Context) time.Duration {
	now := c.clock.Now()
	batch, together, wait := c.choose(ctx, now)
	if len(batch) == 0 {
		return min(wait, c.resend(ctx, now))
	}
	s := c.current()
	if together != nil {
		m, err := composeDigest(s.receiver.Type, together)
		c.finish(ctx, batch, c.dispatch(ctx, &s, m, err))
		return 0
	}
	notices, batch, err := c.notices(ctx, &s, batch)
	if err != nil {
		return c.trouble(ctx, err)
	}
	if len(notices) > 0 {
		m, err := compose(s.receiver.Type, notices, now)
		c.finish(ctx, batch, c.dispatch(ctx, &s, m, err))
	}
	return 0
}

func (c *courier) dispatch(ctx context.Context, s *settings, m message, err error) error {
	if err != nil {
		return err
	}
	return send(ctx, &s.receiver, m)
}

func (c *courier) current() settings {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settings
}

// choose takes what is to be told next: one record, some alerts, or, where records come
// faster than the receiver may be told, all that wait, as a digest.
func (c *courier) choose(ctx context.Context, now time.Time) (batch []*item, together *digest, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.listed {
		return nil, nil, idle
	}
	if pause := max(c.until.Sub(now), c.unable.Sub(now)); pause > 0 {
		return nil, nil, pause
	}
	available := c.bucket.available(now)
	if available < 1 {
		return nil, nil, c.bucket.next()
	}
	c.expire(ctx, now)
	ready, next := c.queue.ready(now)
	if len(ready) == 0 {
		if next.IsZero() {
			return nil, nil, idle
		}
		return nil, nil, min(next.Sub(now), idle)
	}
	c.bucket.take()
	switch {
	case c.singly > 0:
		c.singly--
		return ready[:1], nil, 0
	case c.settings.receiver.Type == Alertmanager:
		return ready[:min(len(ready), mostAlerts)], nil, 0
	case c.digest == nil && (available > 1 || len(ready) == 1):
		return ready[:1], nil, 0
	}
	batch, together = c.gather(ready, now)
	return batch, together, 0
}

// gather makes a digest. One that was tried is tried again as it was, so that its id
// stays: the receiver may have taken it and not have been able to say so.
func (c *courier) gather(ready []*item, now time.Time) ([]*item, *digest) {
	if c.digest != nil {
		var again []*item
		for i := range c.digest.items {
			if known := c.queue.items[c.digest.items[i].key()]; known != nil {
				again = append(again, known)
			}
		}
		if len(again) > 0 {
			return again, c.digest
		}
	}
	ready = ready[:min(len(ready), mostDigested)]
	items := make([]item, 0, len(ready))
	for _, i := range ready {
		items = append(items, *i)
	}
	d := newDigest(c.settings.cluster, items, now)
	c.digest = &d
	return ready, c.digest
}

// expire gives up what is too old, loudly, and passes over denials that the receiver does
// not want: of requesters who are not new.
func (c *courier) expire(ctx context.Context, now time.Time) {
	r := &c.settings.receiver
	for key, i := range c.queue.items {
		switch {
		case !i.taken.IsZero():
		case !i.current && now.Sub(i.at) > c.maxAge:
			delete(c.queue.items, key)
			c.metrics.count(r.Name, resultExpired, 1)
			logf.FromContext(ctx).Info("gave up a notification", "record", i.name, "because", "too old", "seen", i.at)
		case r.Denied == DeniedNewRequester && i.outcome == v1alpha1.OutcomeDenied && !c.requesters.first(i.person, i.at):
			delete(c.queue.items, key)
		}
	}
}

// notices reads the records, live: somebody may have told of one meanwhile.
func (c *courier) notices(ctx context.Context, s *settings, batch []*item) ([]notice, []*item, error) {
	var notices []notice
	var kept []*item
	for _, i := range batch {
		rec, err := c.read(ctx, i.name)
		if err != nil {
			return nil, nil, err
		}
		if rec == nil {
			c.forget(i.name)
			continue
		}
		now, ok := due(rec, &s.receiver, s.since)
		if !ok {
			c.drop(i)
			continue
		}
		if now.ends != i.ends { // the gap ended, and was told of, by somebody else: it is offered again
			c.drop(i)
			c.offer(rec)
			continue
		}
		i.saidEnd = rec.Status.Gap != nil
		notices, kept = append(notices, describe(rec, s.cluster, i.ends)), append(kept, i)
	}
	return notices, kept, nil
}

// read gives nil for a record that is gone.
func (c *courier) read(ctx context.Context, name string) (*v1alpha1.ChangeRecord, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	rec := &v1alpha1.ChangeRecord{}
	err := c.client.Get(ctx, client.ObjectKey{Name: name}, rec)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return rec, err
}

func (c *courier) drop(i *item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.queue.items, i.key())
}

// finish notes what became of a delivery.
func (c *courier) finish(ctx context.Context, batch []*item, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, name := c.clock.Now(), c.settings.receiver.Name
	if err == nil {
		c.recovered(ctx)
		c.digest = nil
		for _, i := range batch {
			i.taken = now
		}
		c.metrics.count(name, resultDelivered, len(batch))
		return
	}
	var refused *refusal
	if errors.As(err, &refused) && refused.ofMessage() {
		c.metrics.count(name, resultRefused, 1)
		c.digest = nil
		if len(batch) > 1 { // one of them may be the trouble
			c.singly = len(batch)
			logf.FromContext(ctx).Error(err, "notifications refused together, telling one by one", "records", len(batch))
			return
		}
		i := batch[0]
		i.notBefore = now.Add(min(refusedPause<<min(i.refused, 6), refusedMost))
		i.refused++
		logf.FromContext(ctx).Error(err, "notification refused", "record", i.name, "again", i.notBefore)
		return
	}
	c.failed(ctx, now, err)
}

// failed leaves the receiver alone for a while. The caller holds the lock.
func (c *courier) failed(ctx context.Context, now time.Time, err error) {
	c.failures++
	pause := pauseAfter(c.failures)
	var refused *refusal
	if errors.As(err, &refused) {
		pause = max(pause, refused.after)
	}
	c.until = now.Add(pause)
	c.metrics.count(c.settings.receiver.Name, resultFailed, 1)
	log := logf.FromContext(ctx)
	if c.failures == 1 {
		log.Error(err, "receiver not reached, trying again", "pending", len(c.queue.items), "in", pause.String())
		return
	}
	log.V(1).Info("receiver still not reached", "because", err.Error(), "failures", c.failures, "pending", len(c.queue.items), "in", pause.String())
}

func (c *courier) recovered(ctx context.Context) {
	if c.failures > 0 {
		logf.FromContext(ctx).Info("receiver reached again", "failures", c.failures)
	}
	c.failures, c.until = 0, time.Time{}
}

// trouble leaves the records alone for a while, since they could not be read or written.
func (c *courier) trouble(ctx context.Context, err error) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.troubles++
	pause := min(pauseAfter(c.troubles), time.Minute)
	c.unable = c.clock.Now().Add(pause)
	if c.troubles == 1 {
		logf.FromContext(ctx).Error(err, "records not reached, trying again", "in", pause.String())
	}
	return pause
}
