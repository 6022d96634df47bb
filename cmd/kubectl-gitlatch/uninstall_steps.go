package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// settles is how long an API server may go on asking, or denying, after it was told not
// to: it follows its configuration by a watch.
const settles = 15 * time.Second

// carryOut takes the steps, and looks afterwards whether anything came back or was left.
func (u *uninstall) carryOut(ctx context.Context, r *removal) error {
	for _, s := range r.Steps {
		if err := s.do(ctx, r, s); err != nil {
			return fmt.Errorf("%s: %w", s.Step, err)
		}
		s.Done = true
		u.tell("%-13s done", s.Step)
	}
	if len(r.Steps) == 0 {
		return nil
	}
	left, err := r.ours(ctx)
	if err != nil {
		return err
	}
	left = slices.DeleteFunc(left, func(t removed) bool {
		return slices.ContainsFunc(r.Kept, func(k keptObject) bool { return k.Object == t.String() })
	})
	if len(left) > 0 {
		return fmt.Errorf("%s is there still, or again, and %d more: run this once more", left[0], len(left)-1)
	}
	return nil
}

func (u *uninstall) switchOff(ctx context.Context, _ *removal, _ *removalStep) error {
	return u.server.switched(ctx, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{v1alpha1.AnnotationOff: "it is being uninstalled"}},
		"webhooks": []any{},
	})
}

func (u *uninstall) deleteAll(ctx context.Context, r *removal, s *removalStep) error {
	for _, t := range s.targets {
		if err := r.cluster.delete(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// delete deletes one object, in the background, and tries again while the gate was not
// yet seen to be off. What is gone is no error.
func (c *removalCluster) delete(ctx context.Context, t removed) error {
	return attempt(ctx, func() error {
		background := metav1.DeletePropagationBackground
		err := c.objects.Resource(t.kind.GroupVersionResource).Namespace(t.namespace).
			Delete(ctx, t.name, metav1.DeleteOptions{PropagationPolicy: &background})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting %s: %w", t, err)
		}
		return nil
	})
}

// patch is a merge patch, as [removalCluster.delete] is a deletion.
func (c *removalCluster) patch(ctx context.Context, t removed, change map[string]any) error {
	data, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("encoding the patch: %w", err)
	}
	return attempt(ctx, func() error {
		_, err := c.objects.Resource(t.kind.GroupVersionResource).Namespace(t.namespace).
			Patch(ctx, t.name, types.MergePatchType, data, metav1.PatchOptions{FieldManager: fieldManager})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("patching %s: %w", t, err)
		}
		return nil
	})
}

// attempt does something, and again while it is Gitlatch that refuses it.
func attempt(ctx context.Context, do func() error) error {
	for end := time.Now().Add(settles); ; {
		err := do()
		if err == nil || !refusedByGate(err) || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// refusedByGate: a webhook or an admission policy of Gitlatch's said no, or could not be
// asked.
func refusedByGate(err error) bool {
	text := err.Error()
	return gateWord.MatchString(text) ||
		strings.Contains(text, "failed calling webhook") && strings.Contains(text, v1alpha1.Group) ||
		strings.Contains(text, "ValidatingAdmissionPolicy '"+registered+"'")
}

// stopAll ends the pods and waits for them: until then they write down records. One whose
// node is lost never ends.
func (u *uninstall) stopAll(ctx context.Context, r *removal, s *removalStep) error {
	if err := u.deleteAll(ctx, r, s); err != nil {
		return err
	}
	var pods []removed
	err := u.until(ctx, func() (bool, error) {
		var err error
		pods, err = r.cluster.pods(ctx)
		return len(pods) == 0, err
	})
	if errors.Is(err, errStillThere) {
		for _, pod := range pods {
			r.note("%s did not end in %s; records that it had not written stand in its log alone. It is forced out of the cluster", pod, u.timeout)
		}
		return nil
	}
	return err
}

// planPods has a run wait that finds the Deployments gone, and pods of theirs not yet.
func (u *uninstall) planPods(ctx context.Context, r *removal) error {
	stop := r.step("stop")
	if len(stop.Objects) > 0 {
		return nil
	}
	pods, err := r.cluster.pods(ctx)
	for _, pod := range pods {
		stop.Objects = append(stop.Objects, pod.String())
	}
	return err
}

func (c *removalCluster) pods(ctx context.Context) (pods []removed, err error) {
	k := c.kind("", "pods")
	if k == nil {
		return nil, nil
	}
	err = c.eachIn(ctx, k, c.place.Namespace, metav1.ListOptions{LabelSelector: partOf}, func(o *metav1.PartialObjectMetadata) error {
		if ourName(o.Name) {
			pods = append(pods, removed{*k, o.Namespace, o.Name})
		}
		return nil
	})
	return pods, err
}

// errStillThere: the time was up.
var errStillThere = errors.New("it is still there")

func (u *uninstall) until(ctx context.Context, gone func() (bool, error)) error {
	for end := time.Now().Add(u.timeout); ; {
		done, err := gone()
		if err != nil || done {
			return err
		}
		if time.Now().After(end) {
			return errStillThere
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// freeSyncs lets the syncs go, without an applier and whatever their policy: what they
// have applied stays. Finalizers of others are for others to take away.
func (u *uninstall) freeSyncs(ctx context.Context, r *removal, s *removalStep) error {
	for _, t := range s.targets {
		found, err := r.cluster.objects.Resource(t.kind.GroupVersionResource).Namespace(t.namespace).Get(ctx, t.name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", t, err)
		}
		others := slices.DeleteFunc(slices.Clone(found.Finalizers), func(f string) bool { return f == v1alpha1.FinalizerSync })
		err = r.cluster.patch(ctx, t, map[string]any{
			"metadata": map[string]any{"finalizers": others, "resourceVersion": found.ResourceVersion},
			"spec":     map[string]any{"deletionPolicy": v1alpha1.DeletionOrphan},
		})
		if err != nil {
			return err
		}
		if len(others) > 0 {
			r.note("%s waits for the finalizer %s, which is not Gitlatch's", t, others[0])
		}
		if err := r.cluster.delete(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// tell says what goes on, to people.
func (u *uninstall) tell(format string, args ...any) {
	if u.output == "table" {
		fmt.Fprintf(u.Out, format+"\n", args...)
	}
}
