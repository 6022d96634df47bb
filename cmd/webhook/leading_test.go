package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// TestALostLeaseEndsATermAndNothingElse: a replica that could not renew its lease, since
// the API server was slow, stands for it again, and goes on answering meanwhile.
func TestALostLeaseEndsATermAndNothingElse(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served, told := 0, []string{}
	err := terms(ctx, time.Millisecond, func(ctx context.Context) error {
		if served++; served < 3 {
			return errors.New("leader election lost")
		}
		stop()
		<-ctx.Done()
		return errors.New("the lease could not be released")
	}, func(err error) { told = append(told, err.Error()) })
	if err != nil {
		t.Errorf("it ended with %v", err)
	}
	if diff := cmp.Diff([]string{"leader election lost", "leader election lost"}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if served != 3 {
		t.Errorf("%d terms were served, not 3", served)
	}
}

// TestATermIsResignedWhenItEnds: what it told of the cluster is taken back.
func TestATermIsResignedWhenItEnds(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	p := &parts{options: &Options{}, scheme: scheme, config: &rest.Config{Host: "https://localhost:1"}, log: logr.Discard()}
	p.leading = func(manager.Manager) (func(), error) {
		told = append(told, "leads")
		stop()
		return func() { told = append(told, "resigned") }, nil
	}
	if err := p.lead(ctx); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"leads", "resigned"}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// TestNoTermBeginsAfterTheEnd: the pause between two terms holds nothing up.
func TestNoTermBeginsAfterTheEnd(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	served := 0
	err := terms(ctx, time.Hour, func(context.Context) error {
		served++
		return errors.New("leader election lost")
	}, func(error) { stop() })
	if err != nil || served != 1 {
		t.Errorf("%d terms, %v", served, err)
	}
}
