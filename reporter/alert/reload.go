package alert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

// look reads the file of receivers, and does what changed in it. A file that is wrong
// changes nothing: a slip must not silence those who were told until now. It is looked
// at again and again rather than watched, since a mounted Secret is exchanged by moving
// a link.
func (l *Loop) look(ctx context.Context) {
	if l.File == "" {
		return
	}
	config, text, err := l.read()
	if errors.Is(err, fs.ErrNotExist) && l.config == nil {
		config, text, err = l.none(ctx, text, err)
	}
	if text != l.current {
		l.current = text
		l.Metrics.read(err == nil)
		if err != nil {
			logf.FromContext(ctx).Error(err, "receivers not read, those of before stay", "file", l.File)
		} else {
			l.config, l.complete = config, false
			logf.FromContext(ctx).Info("receivers read", "file", l.File, "receivers", len(config.Receivers))
		}
	}
	if l.config != nil && !l.complete {
		l.apply(ctx)
	}
}

// read gives the content of the file as well, or the error as a text, so that the same is
// said once.
func (l *Loop) read() (*Config, string, error) {
	content, err := readConfigFile(l.File)
	if err != nil {
		return nil, "error: " + err.Error(), err
	}
	if string(content) == l.current {
		return nil, l.current, nil
	}
	config, err := ReadConfig(content, filepath.Dir(l.File))
	return config, string(content), err
}

// none is for a file that is not there: nobody is to be told, unless somebody was before.
// Then the file is more likely lost than meant to be gone; receivers: [] says the latter.
func (l *Loop) none(ctx context.Context, text string, missing error) (*Config, string, error) {
	known, err := l.memory.known(ctx)
	switch {
	case err != nil: // asked again at the next look
		return nil, l.current, nil
	case len(known) > 0:
		return nil, text, fmt.Errorf("%w, and there were receivers: %s", missing, strings.Join(known, ", "))
	}
	return &Config{}, text, nil
}

func readConfigFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the file of receivers: %w", err)
	}
	defer func() { _ = f.Close() }() // read only: nothing to lose
	content, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("reading the file of receivers: %w", err)
	}
	return content, nil
}

// apply makes the couriers what the configuration says. What could not be done is done at
// the next look.
func (l *Loop) apply(ctx context.Context) {
	var configured []string
	for i := range l.config.Receivers {
		configured = append(configured, l.config.Receivers[i].Name)
	}
	l.remove(configured)
	err := l.memory.forget(ctx, configured)
	for i := range l.config.Receivers {
		err = errors.Join(err, l.place(ctx, &l.config.Receivers[i], configured))
	}
	l.complete = err == nil
	if err != nil {
		logf.FromContext(ctx).Error(err, "receivers not ready, trying again", "in", lookEvery.String())
	}
}

// place starts or changes a receiver's courier.
func (l *Loop) place(ctx context.Context, r *Receiver, configured []string) error {
	s := settings{receiver: *r, cluster: l.config.Cluster, configured: configured, since: r.Since}
	if s.since.IsZero() {
		var err error
		if s.since, err = l.memory.since(ctx, r.Name, l.Clock.Now()); err != nil {
			return fmt.Errorf("finding since when there is receiver %s: %w", r.Name, err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.couriers[r.Name]
	if c == nil {
		c = l.newCourier()
		ctx, c.stop = context.WithCancel(ctx)
		c.configure(s)
		l.couriers[r.Name], l.again = c, true
		l.Metrics.known(r.Name)
		l.workers.Go(func() { c.run(ctx) })
		return nil
	}
	l.again = c.configure(s) || l.again
	return nil
}

func (l *Loop) newCourier() *courier {
	return &courier{
		client: l.Client, clock: l.Clock, metrics: l.Metrics, maxAge: l.MaxAge, requesters: &l.requesters,
		wake: make(chan struct{}, 1), gaps: map[string]time.Time{},
	}
}

// remove ends the couriers of receivers that are configured no more.
func (l *Loop) remove(configured []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := map[string]bool{}
	for _, name := range configured {
		known[name] = true
	}
	for name, c := range l.couriers {
		if !known[name] {
			c.stop()
			delete(l.couriers, name)
			l.Metrics.gone(name)
		}
	}
}
