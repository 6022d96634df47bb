package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// aKind is as small as a definition gets.
const aKind = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: kind%[1]ds.bench.example}
spec:
  group: bench.example
  scope: Namespaced
  names: {kind: Kind%[1]d, plural: kind%[1]ds, singular: kind%[1]d, listKind: Kind%[1]dList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

func (w *world) dynamic(user string) (dynamic.Interface, error) {
	config := rest.CopyConfig(w.plane.Config(user))
	config.QPS = -1
	return dynamic.NewForConfig(config)
}

// define makes CRDs and waits until their kinds are served.
func (w *world) define(ctx context.Context, n int) error {
	client, err := w.dynamic("admin")
	if err != nil {
		return err
	}
	crds := client.Resource(schema.GroupVersionResource{
		Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions",
	})
	group, making := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range n {
		group.Go(func() error {
			crd := &unstructured.Unstructured{}
			if err := yaml.Unmarshal(fmt.Appendf(nil, aKind, i), &crd.Object); err != nil {
				return err
			}
			_, err := crds.Create(making, crd, metav1.CreateOptions{})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("making %d CRDs: %w", n, err)
	}
	for i := max(0, n-8); i < n; i++ { // the last ones come last
		if err := established(ctx, crds, fmt.Sprintf("kind%ds.bench.example", i)); err != nil {
			return err
		}
	}
	return nil
}

func established(ctx context.Context, crds dynamic.ResourceInterface, name string) error {
	return gitlatch.WaitFor(ctx, 3*time.Minute, "CRD "+name, func(ctx context.Context) error {
		crd, err := crds.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
		for _, c := range conditions {
			if m, ok := c.(map[string]any); ok && m["type"] == "Established" && m["status"] == "True" {
				return nil
			}
		}
		return fmt.Errorf("it is not established")
	})
}
