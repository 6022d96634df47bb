package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// whatIsOnRecord: who did what is known, and stays so.
func (d *demo) whatIsOnRecord(ctx context.Context) error {
	d.out.title("What is on record")
	_, err := d.kubectl(ctx, "bob", "gitlatch", "records", "list")
	d.saw("the records are listed", err)

	records, err := d.records(ctx)
	if err != nil {
		return err
	}
	for _, expected := range []struct {
		what, user string
		outcome    v1alpha1.Outcome
		least      int
	}{
		{"alice's five denials are on record", "alice", v1alpha1.OutcomeDenied, 5},
		{"the pipeline's is", "system:serviceaccount:ci:pipeline", v1alpha1.OutcomeDenied, 1},
		{"bob's is", "bob", v1alpha1.OutcomeDenied, 1},
		{"oncall's break-glass is, with each write in it", "oncall", v1alpha1.OutcomeBreakGlass, 2},
	} {
		d.saw(expected.what, atLeast(records, expected.user, expected.outcome, expected.least))
	}
	d.saw("and what was pulled back while the gate was down is, as drift", drifted(records, "configmaps", "web"))
	i := slices.IndexFunc(records, func(r v1alpha1.ChangeRecord) bool { return r.Spec.Outcome == v1alpha1.OutcomeBreakGlass })
	if i < 0 {
		return nil // said above
	}
	_, err = d.kubectl(ctx, "bob", "gitlatch", "records", "show", records[i].Name)
	d.saw("one is shown whole", err)
	answer, err := d.kubectl(ctx, "alice", "delete", "changerecord", records[i].Name)
	d.saw("nobody deletes a record", denied(answer, err, "alice"))
	return nil
}

func (d *demo) records(ctx context.Context) ([]v1alpha1.ChangeRecord, error) {
	var list v1alpha1.ChangeRecordList
	stdout, stderr, code := d.cluster.Kubectl(ctx, "admin", "", "get", "changerecords", "-o", "json")
	if code != 0 {
		return nil, fmt.Errorf("reading the records: %s", stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &list); err != nil {
		return nil, fmt.Errorf("reading the records: %w", err)
	}
	return list.Items, nil
}

func atLeast(records []v1alpha1.ChangeRecord, user string, outcome v1alpha1.Outcome, least int) error {
	found := 0
	for _, r := range records {
		if r.Spec.Requester.Username == user && r.Spec.Outcome == outcome {
			found++
		}
	}
	if found < least {
		return fmt.Errorf("%d records of %s with outcome %s, of at least %d", found, user, outcome, least)
	}
	return nil
}

// ended waits until each record of the emergency says how it ended: that follows a moment after the object is pulled back.
func (d *demo) ended(ctx context.Context) error {
	return gitlatch.WaitFor(ctx, 10*time.Second, "the records' resolution", func(ctx context.Context) error {
		records, err := d.records(ctx)
		if err != nil {
			return err
		}
		for _, r := range records {
			if r.Spec.Outcome != v1alpha1.OutcomeBreakGlass {
				continue
			}
			if r.Status.Resolution == nil || r.Status.Resolution.State != v1alpha1.ResolutionReverted {
				return fmt.Errorf("%s is resolved as %+v", r.Name, r.Status.Resolution)
			}
		}
		return nil
	})
}

// drifted says that there is a record of drift of this object.
func drifted(records []v1alpha1.ChangeRecord, resource, name string) error {
	for _, r := range records {
		if r.Spec.Outcome == v1alpha1.OutcomeDrift && r.Spec.Request.Resource == resource && r.Spec.Request.Name == name {
			return nil
		}
	}
	return errors.New("there is none")
}

// rolledOut waits until the Deployment's newest ReplicaSet has the image and as many replicas, which only working
// controllers bring about; pods are reported running on the way.
func (d *demo) rolledOut(ctx context.Context, image string, replicas int) error {
	return gitlatch.WaitFor(ctx, 30*time.Second, "the rollout of "+image, func(ctx context.Context) error {
		if err := d.markPods(ctx); err != nil {
			return err
		}
		deployment, err := d.deployment(ctx)
		if err != nil {
			return err
		}
		status := deployment.Status
		if deployment.Spec.Template.Spec.Containers[0].Image != "registry.example/shop/"+image {
			return fmt.Errorf("the image is %s", deployment.Spec.Template.Spec.Containers[0].Image)
		}
		if status.ObservedGeneration < deployment.Generation || int(status.UpdatedReplicas) != replicas ||
			int(status.Replicas) != replicas || int(status.AvailableReplicas) != replicas {
			return fmt.Errorf("of %d pods %d are new and %d available", status.Replicas, status.UpdatedReplicas, status.AvailableReplicas)
		}
		return nil
	})
}
