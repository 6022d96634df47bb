package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// change is a patch of a record's status.
type change struct {
	kind types.PatchType
	body any
}

// verdictOn gives a verdict. Whose and when is for the gate to write: what another had
// signed is taken off, so that the same verdict again is one's own.
func verdictOn(found *v1alpha1.ChangeRecord, verdict v1alpha1.ReviewVerdict, comment string) *change {
	review := map[string]any{"verdict": verdict, "comment": nil, "reviewer": nil, "at": nil}
	if comment != "" {
		review["comment"] = comment
	}
	return merge(found, review)
}

func merge(found *v1alpha1.ChangeRecord, review map[string]any) *change {
	return &change{types.MergePatchType, map[string]any{
		"metadata": map[string]any{"resourceVersion": found.ResourceVersion},
		"status":   map[string]any{"review": review},
	}}
}

// commentOn adds a comment after the last, without sending those that are there.
func commentOn(found *v1alpha1.ChangeRecord, text string) *change {
	comment := map[string]any{"text": text}
	if comments(found) == 0 {
		return merge(found, map[string]any{"comments": []any{comment}})
	}
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	return &change{types.JSONPatchType, []operation{
		{"replace", "/metadata/resourceVersion", found.ResourceVersion},
		{"add", "/status/review/comments/-", comment},
	}}
}

// patience is for a record that is being counted on by the gate while it is reviewed.
func patience() wait.Backoff {
	return wait.Backoff{Steps: 8, Duration: 20 * time.Millisecond, Factor: 2, Jitter: 0.5}
}

// change patches the status of a record on condition that it is as it was read, and
// reads it again if somebody else wrote meanwhile. It gives the record as stored.
func (r *recordReader) change(ctx context.Context, name string, ask func(*v1alpha1.ChangeRecord) (*change, error)) (*v1alpha1.ChangeRecord, error) {
	after := &v1alpha1.ChangeRecord{}
	err := retry.OnError(patience(), func(err error) bool { return apierrors.IsConflict(err) && ctx.Err() == nil }, func() error {
		found, err := r.get(ctx, name)
		if err != nil {
			return err
		}
		patch, err := ask(found)
		if err != nil {
			return err
		}
		body, err := json.Marshal(patch.body)
		if err != nil {
			return fmt.Errorf("encoding the review of %s: %w", name, err)
		}
		*after = v1alpha1.ChangeRecord{}
		return r.client.Patch(patch.kind).Resource("changerecords").Name(name).SubResource("status").
			Param("fieldManager", fieldManager).Body(body).Do(ctx).Into(after)
	})
	return after, explainReview(err, name)
}
