package live

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// keepers hold what is lost with them: they are never deleted to be created anew.
var keepers = map[string]bool{
	"/Namespace": true, "/PersistentVolume": true, "/PersistentVolumeClaim": true,
	crdGroup + "/" + crdKind: true,
}

// recreate deletes the object and creates it anew, where that is asked for, loses no
// data, and the new one could be created. A process that dies between the two leaves a
// declared object that is not there: the next run creates it.
func (c *Cluster) recreate(ctx context.Context, o *Object, a ApplyOptions, why *ImmutableError) (Result, error) {
	if !a.Force {
		return Result{}, why
	}
	live, err := c.Get(ctx, o.Ref)
	if err != nil {
		return Result{}, err
	}
	if a.Firm && (string(live.GetUID()) != a.Known.UID || live.GetResourceVersion() != a.Known.ResourceVersion) {
		return Result{}, apierrors.NewConflict(schema.GroupResource{Group: o.Group, Resource: o.Kind}, o.Name, errMoved)
	}
	if why.Refused = o.keeps(live.Object); why.Refused != nil {
		return Result{}, why
	}
	if why.Refused = c.creatable(ctx, o, live.Object); why.Refused != nil {
		return Result{}, why
	}
	if a.DryRun {
		return Result{State: c.state(live), Action: Recreated}, nil
	}
	if mark := c.state(live).Sync; mark != o.Sync && (a.Released == nil || !a.Released(mark)) {
		why.Refused = &ConflictError{Key: o.Key, Sync: mark}
		return Result{}, why
	}
	uid, version := live.GetUID(), live.GetResourceVersion()
	if err := c.remove(ctx, o.Ref, uid, version); err != nil {
		return Result{}, err // a conflict is tried again from the start
	}
	if err := c.await(ctx, o.Ref, uid); err != nil {
		return Result{}, err
	}
	a.Known, a.Force = &State{}, false
	result, err := c.Apply(ctx, o, a)
	if err != nil {
		return result, fmt.Errorf("creating it anew: %w", err)
	}
	result.Action = Recreated
	return result, nil
}

// keeps says what would be lost.
func (o *Object) keeps(live map[string]any) error {
	annotation, _, _ := unstructured.NestedString(live, "metadata", "annotations", v1alpha1.AnnotationPrune)
	switch {
	case keepers[o.Group+"/"+o.Kind]:
		return fmt.Errorf("what a %s holds would be lost; delete it yourself, if that is meant", o.Kind)
	case o.KeepsData || annotation == "disabled":
		return fmt.Errorf("its annotation %s says not to delete it", v1alpha1.AnnotationPrune)
	case o.Group == "apps" && o.Kind == "StatefulSet":
		policy, _, _ := unstructured.NestedString(live, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted")
		if policy == "Delete" {
			return errors.New("its persistentVolumeClaimRetentionPolicy would delete its claims with it")
		}
	}
	return nil
}

// creatable proves that the API server would create the object, by a dry run under
// another name.
func (c *Cluster) creatable(ctx context.Context, o *Object, live map[string]any) error {
	content, err := o.content()
	if err != nil {
		return err
	}
	probe := probeName(o.Name)
	content["metadata"].(map[string]any)["name"] = probe
	if o.Group == "" && o.Kind == "Service" {
		withoutAllocated(content, live)
	}
	payload, err := encode(content)
	if err != nil {
		return fmt.Errorf("writing %s: %w", o.Key, err)
	}
	if _, _, err := c.send(ctx, o, write{payload: payload, dry: true, probe: probe}); err != nil {
		return fmt.Errorf("a dry run under the name %s shows that it could not be created: %w", probe, err)
	}
	return nil
}

// probeName is a name of the same kind that nobody has.
func probeName(name string) string {
	sum := sha256.Sum256([]byte(name))
	start := strings.TrimRight(name[:min(len(name), 40)], "-.")
	return start + "-probe-" + hex.EncodeToString(sum[:4])
}

// withoutAllocated takes out of a Service the addresses and ports that the live one
// has: under another name they would be taken, and after its deletion they are not.
func withoutAllocated(content, live map[string]any) {
	is, _ := live["spec"].(map[string]any)
	spec, _ := content["spec"].(map[string]any)
	if ip, ok := spec["clusterIP"].(string); ok && ip != "None" && ip == is["clusterIP"] {
		delete(spec, "clusterIP")
		delete(spec, "clusterIPs")
	}
	if spec["healthCheckNodePort"] == is["healthCheckNodePort"] {
		delete(spec, "healthCheckNodePort")
	}
	had := map[any]bool{}
	ports, _ := is["ports"].([]any)
	for _, v := range ports {
		if port, _ := v.(map[string]any); port["nodePort"] != nil {
			had[port["nodePort"]] = true
		}
	}
	declared, _ := spec["ports"].([]any)
	for _, v := range declared {
		if port, _ := v.(map[string]any); had[port["nodePort"]] {
			delete(port, "nodePort")
		}
	}
}

// await waits until the object with this uid is gone.
func (c *Cluster) await(ctx context.Context, ref Ref, uid types.UID) error {
	pause := 20 * time.Millisecond
	for {
		found, err := c.look(ctx, ref)
		if err != nil {
			return err
		}
		if found == nil || found.UID != uid {
			return nil
		}
		select {
		case <-ctx.Done():
			if len(found.Finalizers) > 0 {
				return fmt.Errorf("waiting for %s to be gone, so that it can be created anew: finalizers hold it: %s: %w", ref.Key, strings.Join(found.Finalizers, ", "), ctx.Err())
			}
			return fmt.Errorf("waiting for %s to be gone, so that it can be created anew: %w", ref.Key, ctx.Err())
		case <-time.After(pause):
			pause = min(2*pause, time.Second)
		}
	}
}
