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
	silent  []string // versions of groups that did not say which kinds they have
	place   removalPlace
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
	if c.place, err = s.removalPlace(config); err != nil {
		return nil, err
	}
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
	if partial != nil {
		for gv := range partial.Groups {
			c.silent = append(c.silent, gv.String())
		}
		slices.Sort(c.silent)
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
		if names(b.RoleRef, b.Labels) && b.Namespace != c.place.Namespace {
			found = append(found, "rolebinding."+rbacGroup+"/"+b.Name+" -n "+b.Namespace)
		}
	}
	return found, nil
}
