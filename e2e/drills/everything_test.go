//go:build drills

package drills

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
)

// everything is every object of every kind that the API server serves, by resource, namespace and name. Events are no
// part of a cluster's state, and leases of the control plane and of nodes come and go with them.
func everything(ctx context.Context) (map[string]bool, error) {
	config := here.Plane.Config("admin")
	served, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	objects, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	lists, err := served.ServerPreferredResources()
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, r := range list.APIResources {
			if r.Name == "events" || strings.Contains(r.Name, "/") || !slices.Contains(r.Verbs, "list") || r.Name == "componentstatuses" {
				continue
			}
			found, err := objects.Resource(gv.WithResource(r.Name)).List(ctx, metav1.ListOptions{})
			if err != nil {
				return nil, fmt.Errorf("listing %s of %s: %w", r.Name, gv, err)
			}
			for i := range found.Items {
				o := &found.Items[i]
				if r.Name == "leases" && (o.Namespace == "kube-system" || o.Namespace == "kube-node-lease") {
					continue
				}
				all[fmt.Sprintf("%s.%s %s/%s", r.Name, gv.Group, o.Namespace, o.Name)] = true
			}
		}
	}
	return all, nil
}
