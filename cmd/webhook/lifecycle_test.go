package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/webhook"
)

// TestStagesStopInOrder: whatever ends the program, it goes on answering for a
// while first; what others need stops after them.
func TestStagesStopInOrder(t *testing.T) {
	lost := errors.New("the cache was stopped")
	for name, tt := range map[string]struct {
		told bool // by a signal; else the manager ends
		want string
	}{
		"the signal to stop":  {told: true},
		"a manager that ends": {want: "running the manager: the cache was stopped"},
	} {
		t.Run(name, func(t *testing.T) {
			steps := make(chan string, 4)
			until := func(step string) func(context.Context) error {
				return func(ctx context.Context) error {
					<-ctx.Done()
					steps <- step
					return nil
				}
			}
			manager := until("manager")
			if !tt.told {
				manager = func(context.Context) error { steps <- "manager"; return lost }
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			if tt.told {
				stop()
			}
			err := runStages(ctx, func() { steps <- "drain" }, []stage{
				{"server", []func(context.Context) error{until("server")}},
				{"manager", []func(context.Context) error{manager}},
				{"records", []func(context.Context) error{until("records")}},
			})
			close(steps)
			got, message := []string{}, ""
			for step := range steps {
				got = append(got, step)
			}
			if err != nil {
				message = err.Error()
			}
			want := []string{"drain", "server", "manager", "records"}
			if !tt.told {
				want = []string{"manager", "drain", "server", "records"}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("order (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, message); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDoesNotDrainWhatWasNeverReady: an error at the start shows at once.
func TestDoesNotDrainWhatWasNeverReady(t *testing.T) {
	p := &parts{options: &Options{Drain: time.Hour}, policies: &webhook.PolicyCache{}, log: logr.Discard()}
	done := make(chan struct{})
	go func() { p.drain(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it waits, though nobody was ever sent here")
	}
	if p.ready() == nil {
		t.Error("ready while it stops")
	}
}
