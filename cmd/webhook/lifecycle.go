package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// goodbye bounds the answers that are still being given when the server stops.
const goodbye = 10 * time.Second

// stage is a set of parts that stop together.
type stage struct {
	name string
	runs []func(context.Context) error
}

// run starts everything at once and stops it in order: first the server, which
// goes on answering for a while; then the caches and loops that it read from,
// and the leader's lease; last the records, so that none of the others' is lost.
func (p *parts) run(ctx context.Context) error {
	return runStages(ctx, p.drain, []stage{
		{"server", []func(context.Context) error{p.serve, p.source.Start}},
		{"manager", []func(context.Context) error{p.manager.Start, p.lead, p.follower.Run}},
		{"records", []func(context.Context) error{p.writer.Run}},
	})
}

// runStages runs until ctx is done or a part ends, and then drains and stops the
// stages in their order. The first error is returned.
func runStages(ctx context.Context, drain func(), stages []stage) error {
	ended := make(chan struct{}, 1)
	cancels := make([]context.CancelFunc, len(stages))
	groups := make([]*errgroup.Group, len(stages))
	for i, s := range stages {
		stageCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		group := &errgroup.Group{}
		for _, run := range s.runs {
			group.Go(func() error {
				err := run(stageCtx)
				if err == nil && stageCtx.Err() == nil {
					err = errors.New("ended by itself")
				}
				select {
				case ended <- struct{}{}:
				default:
				}
				return err
			})
		}
		cancels[i], groups[i] = cancel, group
	}
	select {
	case <-ctx.Done():
	case <-ended:
		// Whatever ended, this may be the last replica that answers.
	}
	drain()
	var first error
	for i, s := range stages {
		cancels[i]()
		if err := groups[i].Wait(); err != nil && first == nil {
			first = fmt.Errorf("running the %s: %w", s.name, err)
		}
	}
	return first
}

// drain lets the endpoints and the API servers' connections go elsewhere: the
// probe fails at once, the answers go on, and each ends its connection (see parting). A replica that never knew the policies
// was never ready: nobody is sent to it, and what ended it should show at once.
func (p *parts) drain() {
	p.draining.Store(true)
	if !p.policies.Loaded() {
		return
	}
	p.log.Info("stopping", "drain", p.options.Drain.String())
	time.Sleep(p.options.Drain)
}

// parting has an API server let go of a connection while this replica drains: one
// that is closed under it at the very moment that it sends a review on it costs
// that review its answer. HTTP/2 takes the header for a GOAWAY.
func (p *parts) parting(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

// serve answers reviews until ctx is done, and finishes those that it has begun.
func (p *parts) serve(ctx context.Context) error {
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		bye, cancel := context.WithTimeout(context.Background(), goodbye)
		defer cancel()
		stopped <- p.server.Shutdown(bye)
	}()
	p.log.Info("serving", "address", p.listener.Addr().String(), "replica", p.options.Replica)
	if err := p.server.ServeTLS(p.listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
