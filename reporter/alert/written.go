package alert

import (
	"context"
	"time"
)

// writeDown writes into the records what was taken, and says when to come again where it
// could not; 0: nothing is left. What is not written yet is not sent again by this
// process, and would be by the next.
func (c *courier) writeDown(ctx context.Context) time.Duration {
	c.mu.Lock()
	unmarked, s, wait := c.queue.unmarked(), c.settings, c.unable.Sub(c.clock.Now())
	c.mu.Unlock()
	if len(unmarked) == 0 {
		return 0
	}
	if wait > 0 {
		return wait
	}
	ctx, cancel := context.WithTimeout(ctx, markTimeout)
	defer cancel()
	for _, i := range unmarked {
		if err := mark(ctx, c.client, i, s.receiver.Name, s.configured); err != nil {
			return c.trouble(ctx, err)
		}
		c.marked(i)
	}
	return 0
}

func (c *courier) marked(i *item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.troubles, c.unable = 0, time.Time{}
	delete(c.queue.items, i.key())
	if c.settings.receiver.Type == Alertmanager && i.current {
		c.gaps[i.name] = i.taken
	}
}

// resend tells an Alertmanager again of the gaps that are open, and says when the next
// one is due: an alert that is not renewed ends.
func (c *courier) resend(ctx context.Context, now time.Time) time.Duration {
	name, wait := c.nextGap(now)
	if name == "" {
		return wait
	}
	rec, err := c.read(ctx, name)
	if err != nil {
		return c.trouble(ctx, err)
	}
	if rec == nil || !openGap(rec) {
		c.forgetGap(name)
		return 0
	}
	s := c.current()
	m, err := compose(s.receiver.Type, []notice{describe(rec, s.cluster, false)}, now)
	err = c.dispatch(ctx, &s, m, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failed(ctx, c.clock.Now(), err)
		return 0
	}
	c.recovered(ctx)
	if _, open := c.gaps[name]; open {
		c.gaps[name] = now
	}
	return 0
}

// nextGap is the gap that is to be told again now, or how long there is none.
func (c *courier) nextGap(now time.Time) (name string, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.listed {
		return "", idle
	}
	if pause := max(c.until.Sub(now), c.unable.Sub(now)); pause > 0 {
		return "", pause
	}
	wait = idle
	for candidate, last := range c.gaps {
		if left := last.Add(resendGap).Sub(now); left <= 0 {
			return candidate, 0
		} else if left < wait {
			wait = left
		}
	}
	return "", wait
}

func (c *courier) forgetGap(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.gaps, name)
}
