package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const (
	partOf      = "app.kubernetes.io/part-of=gitlatch" // what the manifests put on everything
	owned       = v1alpha1.LabelOwner + "=" + registered
	ownPrefix   = "gitlatch"
	rbacGroup   = "rbac.authorization.k8s.io"
	crdResource = "customresourcedefinitions"
)

// removalCluster is the cluster, as metadata: nobody's values are read.
type removalCluster struct {
	objects metadata.Interface
	typed   kubernetes.Interface
	kinds   []removalKind
}

// removalKind is one resource that can be listed, in the version that the server prefers.
type removalKind struct {
	schema.GroupVersionResource
	Kind       string
	Namespaced bool
	verbs      []string
}

// removed is one object that goes.
type removed struct {
	kind            removalKind
	namespace, name string
}

// String is as kubectl has it: kind.group/name, and where it is.
func (t removed) String() string {
	kind := strings.ToLower(t.kind.Kind)
	if t.kind.Group != "" {
		kind += "." + t.kind.Group
	}
	if t.namespace != "" {
		return kind + "/" + t.name + " -n " + t.namespace
	}
	return kind + "/" + t.name
}

func (s *server) removalCluster(ctx context.Context) (*removalCluster, error) {
	config, err := s.config()
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.QPS = -1 // the API server has fair queues
	c := &removalCluster{}
	if c.objects, err = metadata.NewForConfig(config); err == nil {
		c.typed, err = kubernetes.NewForConfig(config)
	}
	if err != nil {
		return nil, badInput(fmt.Errorf("preparing a client: %w", err))
	}
	lists, err := c.typed.Discovery().ServerPreferredResources()
	var partial *discovery.ErrGroupDiscoveryFailed
	if err != nil && !errors.As(err, &partial) {
		return nil, fmt.Errorf("asking which kinds there are: %w", err)
	}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("asking which kinds there are: %w", err)
		}
		for _, r := range list.APIResources {
			if slices.Contains(r.Verbs, "list") && slices.Contains(r.Verbs, "delete") && !strings.Contains(r.Name, "/") {
				c.kinds = append(c.kinds, removalKind{gv.WithResource(r.Name), r.Kind, r.Namespaced, r.Verbs})
			}
		}
	}
	return c, ctx.Err()
}

// kind is the one of this name; nil where the server has none.
func (c *removalCluster) kind(group, resource string) *removalKind {
	at := slices.IndexFunc(c.kinds, func(k removalKind) bool { return k.Group == group && k.Resource == resource })
	if at < 0 {
		return nil
	}
	return &c.kinds[at]
}

// each calls do with every object of a kind that the options select, a page at a time. A
// kind that is not served, or not any more, has none.
func (c *removalCluster) each(ctx context.Context, k *removalKind, options metav1.ListOptions, do func(*metav1.PartialObjectMetadata) error) error {
	if k == nil {
		return nil
	}
	return c.eachIn(ctx, k, "", options, do)
}

func (c *removalCluster) eachIn(ctx context.Context, k *removalKind, namespace string, options metav1.ListOptions, do func(*metav1.PartialObjectMetadata) error) error {
	pages := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		return c.objects.Resource(k.GroupVersionResource).Namespace(namespace).List(ctx, options)
	})
	err := pages.EachListItem(ctx, options, func(o runtime.Object) error { return do(o.(*metav1.PartialObjectMetadata)) })
	if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing %s: %w", k.GroupResource(), err)
	}
	return nil
}

// ours is what Gitlatch is made of: the GitSyncs, its CRDs, what it registered, and what
// the manifests installed: by label, and by name where it is cluster-scoped.
func (c *removalCluster) ours(ctx context.Context) ([]removed, error) {
	var all []removed
	for i := range c.kinds {
		k := &c.kinds[i]
		selector := partOf
		switch {
		case k.Group == v1alpha1.Group || k.Resource == crdResource:
			selector = ""
		case k.Group == "admissionregistration.k8s.io":
			selector = owned
		case k.Resource == "events" || k.Resource == "componentstatuses":
			continue
		}
		err := c.each(ctx, k, metav1.ListOptions{LabelSelector: selector}, func(o *metav1.PartialObjectMetadata) error {
			if t := (removed{*k, o.Namespace, o.Name}); isOurs(t) && metav1.GetControllerOf(o) == nil {
				all = append(all, t)
			}
			return nil
		})
		if apierrors.IsForbidden(err) && !needed(k) {
			continue // nothing of ours is of that kind
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// isOurs: of what was selected. Policies and records go with their CRDs.
func isOurs(t removed) bool {
	switch {
	case t.kind.Group == v1alpha1.Group:
		return t.kind.Resource == "gitsyncs"
	case t.kind.Resource == crdResource:
		return strings.HasSuffix(t.name, "."+v1alpha1.Group)
	case t.kind.Group == "" && t.kind.Resource == "namespaces":
		return t.name == syncNamespace
	case t.namespace == "":
		return t.name == ownPrefix || strings.HasPrefix(t.name, ownPrefix+"-") || strings.HasPrefix(t.name, ownPrefix+":")
	}
	return t.namespace == syncNamespace
}

// needed: the manifests have objects of this kind.
func needed(k *removalKind) bool {
	return slices.Contains([]string{
		"", "apps", "networking.k8s.io", "policy", "scheduling.k8s.io", "flowcontrol.apiserver.k8s.io", rbacGroup,
		"admissionregistration.k8s.io", "apiextensions.k8s.io", v1alpha1.Group,
	}, k.Group)
}

// bindings are those of others that name a role of Gitlatch's.
func (c *removalCluster) bindings(ctx context.Context) ([]string, error) {
	names := func(ref rbacv1.RoleRef, labels map[string]string) bool {
		return strings.HasPrefix(ref.Name, ownPrefix+"-") && labels["app.kubernetes.io/part-of"] != ownPrefix
	}
	var found []string
	cluster, err := c.typed.RbacV1().ClusterRoleBindings().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing clusterrolebindings: %w", err)
	}
	for _, b := range cluster.Items {
		if names(b.RoleRef, b.Labels) {
			found = append(found, "clusterrolebinding."+rbacGroup+"/"+b.Name)
		}
	}
	inOne, err := c.typed.RbacV1().RoleBindings("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing rolebindings: %w", err)
	}
	for _, b := range inOne.Items {
		if names(b.RoleRef, b.Labels) && b.Namespace != syncNamespace {
			found = append(found, "rolebinding."+rbacGroup+"/"+b.Name+" -n "+b.Namespace)
		}
	}
	return found, nil
}
