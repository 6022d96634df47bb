package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// waitEvery is how often a sync that is waited for is looked at.
const waitEvery = 300 * time.Millisecond

// waiting waits for what the applier does, and tells it.
type waiting struct {
	out     io.Writer
	wait    bool
	timeout time.Duration
}

func (w *waiting) add(f *pflag.FlagSet) {
	f.BoolVar(&w.wait, "wait", false, "wait until the applier has done it, and say what came of it")
	f.DurationVar(&w.timeout, "timeout", 5*time.Minute, "how long to wait")
}

func (w *waiting) check(hasTimeout bool) error {
	switch {
	case hasTimeout && !w.wait:
		return badInput(errors.New("--timeout is for --wait"))
	case w.timeout <= 0:
		return badInput(fmt.Errorf("--timeout %s: use a time such as 5m", w.timeout))
	}
	return nil
}

// until waits for the applier to have looked at the sync, as seen says, and for it to be
// Ready. A sync that is not is an error with its reason.
func (w *waiting) until(ctx context.Context, client *syncClient, key types.NamespacedName, seen func(*v1alpha1.GitSync) bool) (*v1alpha1.GitSync, error) {
	limited, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	said, waitsFor := "", "the applier to take it up: does it run?"
	for {
		sync, err := client.get(limited, key)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case limited.Err() != nil:
			return nil, fmt.Errorf("GitSync %s: after %s still waiting for %s", key, w.timeout, waitsFor)
		case err != nil:
			return nil, err
		}
		p := standingOf(sync, seen(sync))
		if p.ended {
			return sync, p.err(key)
		}
		if p.text != "" {
			waitsFor = p.text
		}
		if p.text != "" && p.text != said {
			fmt.Fprintf(w.out, "GitSync %s: %s\n", key, line(p.text))
			said = p.text
		}
		select {
		case <-limited.Done():
		case <-time.After(waitEvery):
		}
	}
}

// standing is how far a sync is.
type standing struct {
	text   string // what goes on; "" when nothing does
	ended  bool
	failed string // why it ended without success
}

func (p standing) err(key types.NamespacedName) error {
	if p.failed == "" {
		return nil
	}
	return fmt.Errorf("GitSync %s: %s", key, p.failed)
}

// standingOf reads the conditions. What was there before the applier looked tells
// nothing of what is asked for now.
func standingOf(sync *v1alpha1.GitSync, seen bool) standing {
	conditions := sync.Status.Conditions
	ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
	switch {
	case sync.Spec.Suspend:
		return standing{ended: true, failed: "it was suspended meanwhile"}
	case !seen:
		return standing{text: messageOf(conditions, v1alpha1.ConditionReconciling)}
	case meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionStalled):
		stalled := meta.FindStatusCondition(conditions, v1alpha1.ConditionStalled)
		return standing{ended: true, failed: stalled.Reason + ": " + stalled.Message}
	case ready == nil || ready.Status == metav1.ConditionUnknown:
		return standing{text: messageOf(conditions, v1alpha1.ConditionReconciling)}
	case ready.Status == metav1.ConditionTrue:
		return standing{ended: true}
	case ready.Reason == v1alpha1.SyncProgressing || ready.Reason == v1alpha1.SyncDependencyNotReady:
		return standing{text: ready.Reason + ": " + ready.Message} // it goes on by itself
	}
	return standing{ended: true, failed: ready.Reason + ": " + ready.Message}
}

func messageOf(conditions []metav1.Condition, kind string) string {
	if c := meta.FindStatusCondition(conditions, kind); c != nil && c.Status == metav1.ConditionTrue {
		return c.Message
	}
	return ""
}

func readyMessage(sync *v1alpha1.GitSync) string {
	if text := messageOf(sync.Status.Conditions, v1alpha1.ConditionReady); text != "" {
		return text
	}
	return "done"
}
