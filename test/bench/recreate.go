package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// recreate brings a cluster back: an empty control plane, Gitlatch, and one GitSync.
func (y *carrying) recreate(ctx context.Context) error {
	fmt.Fprintln(y.progress, "recreating the cluster from its repository")
	other, err := newCarrier(ctx, y.dir, y.repo, io.Discard)
	if err != nil {
		return err
	}
	defer other.stop()
	began := time.Now()
	if err := other.install(ctx, y.dir); err != nil {
		return err
	}
	installed := time.Since(began)
	synced, err := other.follow(ctx, "five")
	if err != nil {
		return err
	}
	same, differ, err := y.alike(ctx, other)
	if err != nil {
		return err
	}
	t := Table{
		Title:   "A cluster of 5,000 objects recreated, from an API server with nothing in it",
		Columns: []string{"Gitlatch installed", "all synced", "together", "objects alike", "not alike"},
		Rows: []Row{{Name: "from one GitSync", Values: []Value{
			nanoseconds(installed), nanoseconds(synced), nanoseconds(installed + synced), {float64(same), ""}, {float64(differ), ""},
		}, Target: "all alike", Missed: differ > 0 || same != folders()["five"]}},
	}
	y.tables = append(y.tables, t)
	return nil
}

// alike counts the objects that are the same in both clusters, but for what each numbers and dates by itself, and those
// that are not.
func (y *carrying) alike(ctx context.Context, other *carrier) (same, differ int, err error) {
	first, err := y.contents(ctx)
	if err != nil {
		return 0, 0, err
	}
	second, err := other.contents(ctx)
	if err != nil {
		return 0, 0, err
	}
	for name, content := range first {
		if second[name] == content {
			same++
		} else {
			differ++
		}
		delete(second, name)
	}
	return same, differ + len(second), nil
}

// contents of all that is synced, by name.
func (c *carrier) contents(ctx context.Context) (map[string]string, error) {
	client, err := c.dynamic("admin")
	if err != nil {
		return nil, err
	}
	all, kinds := map[string]string{}, map[schema.GroupVersionResource]bool{}
	for _, d := range declarations("five", folders()["five"]) {
		kinds[d.kind] = true
	}
	for kind := range kinds {
		list, err := client.Resource(kind).List(ctx, metav1.ListOptions{LabelSelector: v1alpha1.LabelSync})
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", kind.Resource, err)
		}
		for i := range list.Items {
			o := &list.Items[i]
			for _, path := range [][]string{
				{"metadata", "uid"}, {"metadata", "resourceVersion"}, {"metadata", "generation"}, {"metadata", "creationTimestamp"},
				{"metadata", "managedFields"}, {"metadata", "annotations", v1alpha1.AnnotationCommit},
			} {
				unstructured.RemoveNestedField(o.Object, path...)
			}
			text, err := json.Marshal(o.Object)
			if err != nil {
				return nil, err
			}
			all[kind.Resource+" "+o.GetNamespace()+"/"+o.GetName()] = string(text)
		}
	}
	return all, nil
}
