package live

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Established waits until the definitions among the refs are established and their
// kinds are served, and forgets what it knew of kinds. Other refs are left out.
func (c *Cluster) Established(ctx context.Context, crds []Ref, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var kinds []schema.GroupVersionKind
	for _, ref := range crds {
		if ref.Group != crdGroup || ref.Kind != crdKind {
			continue
		}
		d, err := c.established(ctx, ref)
		if err != nil {
			return err
		}
		for _, version := range d.served {
			kinds = append(kinds, schema.GroupVersionKind{Group: d.group, Version: version, Kind: d.kind})
		}
	}
	if len(kinds) == 0 {
		return nil
	}
	if err := c.forget(); err != nil {
		return err
	}
	for _, gvk := range kinds {
		err := c.poll(ctx, func() (bool, error) {
			_, err := c.mapping(gvk)
			return err == nil, err
		})
		if err != nil {
			return fmt.Errorf("waiting for %s to be served: %w", gvk, err)
		}
	}
	return nil
}

func (c *Cluster) established(ctx context.Context, ref Ref) (definition, error) {
	var d definition
	said := "no condition yet"
	err := c.poll(ctx, func() (bool, error) {
		crd, err := c.Get(ctx, ref)
		if err != nil {
			return false, err
		}
		d = definitionOf(crd.Object)
		established, message := condition(crd, "Established")
		accepted, why := condition(crd, "NamesAccepted")
		said = message
		if accepted == "False" {
			said = why
		}
		return established == "True" && accepted == "True", nil
	})
	if err != nil {
		return d, fmt.Errorf("waiting for %s to be established (%s): %w", ref.Key, said, err)
	}
	return d, nil
}

// condition returns the status and the message of a condition.
func condition(obj *unstructured.Unstructured, name string) (status, message string) {
	list, _, _ := unstructured.NestedFieldNoCopy(obj.Object, "status", "conditions")
	items, _ := list.([]any)
	for _, v := range items {
		if c, _ := v.(map[string]any); c["type"] == name {
			status, _ = c["status"].(string)
			message, _ = c["message"].(string)
		}
	}
	return status, message
}

// poll asks until the answer is yes or the context ends, and then says why it was not.
func (c *Cluster) poll(ctx context.Context, ask func() (bool, error)) error {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		yes, err := ask()
		if yes {
			return nil
		}
		select {
		case <-ctx.Done():
			if err != nil {
				return err
			}
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
