package applier

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// dependencyRetry is how soon a sync looks again after those that it waits for. They
// also wake it when they become Ready.
const dependencyRetry = 10 * time.Second

// depend waits until every sync that this one depends on is Ready.
func (r *run) depend(ctx context.Context) error {
	if cycle, err := r.cycle(ctx, r.sync, []types.NamespacedName{r.key}); err != nil {
		return err
	} else if cycle != nil {
		return stalled(v1alpha1.SyncDependencyCycle, fmt.Errorf("spec.dependsOn leads back to this sync: %s", joined(cycle, " → ")))
	}
	for _, key := range dependencies(r.sync) {
		other := &v1alpha1.GitSync{}
		if err := r.client.Get(ctx, key, other); err != nil {
			return &failure{reason: v1alpha1.SyncDependencyNotReady, retry: dependencyRetry,
				err: fmt.Errorf("getting GitSync %s, on which this one depends: %w", key, err)}
		}
		if !ready(other) {
			return &failure{reason: v1alpha1.SyncDependencyNotReady, retry: dependencyRetry,
				err: fmt.Errorf("waiting for GitSync %s, which is not Ready", key)}
		}
	}
	return nil
}

// cycle is the way from a sync back to the first of the path, if there is one.
func (r *run) cycle(ctx context.Context, from *v1alpha1.GitSync, path []types.NamespacedName) ([]types.NamespacedName, error) {
	for _, key := range dependencies(from) {
		next := append(slices.Clone(path), key)
		if key == path[0] {
			return next, nil
		}
		if slices.Contains(path, key) {
			continue // a cycle of others, which is theirs to report
		}
		other := &v1alpha1.GitSync{}
		if err := r.client.Get(ctx, key, other); err != nil {
			if apierrors.IsNotFound(err) {
				continue
			}
			return nil, fmt.Errorf("getting GitSync %s, on which this one depends: %w", key, err)
		}
		if found, err := r.cycle(ctx, other, next); found != nil || err != nil {
			return found, err
		}
	}
	return nil, nil
}

// dependencies of a sync, by full name.
func dependencies(sync *v1alpha1.GitSync) []types.NamespacedName {
	var keys []types.NamespacedName
	for _, d := range sync.Spec.DependsOn {
		key := types.NamespacedName{Namespace: d.Namespace, Name: d.Name}
		if key.Namespace == "" {
			key.Namespace = sync.Namespace
		}
		keys = append(keys, key)
	}
	return keys
}

// ready says that a sync has applied what its present spec asks for.
func ready(sync *v1alpha1.GitSync) bool {
	c := meta.FindStatusCondition(sync.Status.Conditions, v1alpha1.ConditionReady)
	return c != nil && c.Status == "True" && c.ObservedGeneration == sync.Generation
}

func joined[T fmt.Stringer](parts []T, separator string) string {
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = p.String()
	}
	return strings.Join(texts, separator)
}
