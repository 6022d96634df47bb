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

// depend waits until every sync that this one depends on is Ready. What this one
// declares is known by then, so that those can tell what moved here.
func (r *run) depend(ctx context.Context) error {
	cycle, err := r.cycle(ctx)
	if err != nil {
		return err
	}
	if cycle != nil {
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

// cycle is the way from a sync back to itself, if there is one. Each sync is looked at
// once, however many ways lead to it.
func (r *run) cycle(ctx context.Context) ([]types.NamespacedName, error) {
	from := map[types.NamespacedName]types.NamespacedName{}
	next := []types.NamespacedName{r.key}
	for len(next) > 0 {
		at := next[0]
		next = next[1:]
		other := r.sync
		if at != r.key {
			other = &v1alpha1.GitSync{}
			if err := r.client.Get(ctx, at, other); apierrors.IsNotFound(err) {
				continue
			} else if err != nil {
				return nil, fmt.Errorf("getting GitSync %s, on which this one depends: %w", at, err)
			}
		}
		for _, key := range dependencies(other) {
			if key == r.key {
				return wayTo(from, r.key, at), nil
			}
			if _, seen := from[key]; !seen {
				from[key] = at
				next = append(next, key)
			}
		}
	}
	return nil, nil
}

// wayTo is the way from the start over the last and back to the start.
func wayTo(from map[types.NamespacedName]types.NamespacedName, start, last types.NamespacedName) []types.NamespacedName {
	way := []types.NamespacedName{start}
	for at := last; at != start; at = from[at] {
		way = append(way, at)
	}
	way = append(way, start)
	slices.Reverse(way)
	return way
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
