package access

import (
	"context"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// Served says what the API server serves; discovery clients do.
type Served interface {
	ServerGroupsAndResources() ([]*metav1.APIGroup, []*metav1.APIResourceList, error)
}

const pageSize = 500

// Read reads what [Find] judges. It needs list on roles, clusterroles, rolebindings and
// clusterrolebindings of rbac.authorization.k8s.io and on changepolicies; without list on
// namespaces the answer takes every namespace for governed. The reader must read past any
// cache.
func Read(ctx context.Context, reader client.Reader, served Served, install policy.Installation) (*Objects, error) {
	o, err := ReadRights(ctx, reader, served, install, func(_ string, err error) error { return err })
	if err != nil {
		return nil, err
	}
	err = Pages(ctx, reader, &v1alpha1.ChangePolicyList{}, func(l *v1alpha1.ChangePolicyList) { o.Policies = append(o.Policies, l.Items...) })
	if err != nil {
		return nil, fmt.Errorf("reading who may do what: %w", err)
	}
	return o, nil
}

// ReadRights is [Read] without the policies, for a cluster that has none yet. What can't
// be read is told to missing, which has it go on without that kind by returning no error.
func ReadRights(ctx context.Context, reader client.Reader, served Served, install policy.Installation, missing func(what string, err error) error) (*Objects, error) {
	o := &Objects{Install: install}
	for _, step := range []struct {
		what string
		read func() error
	}{
		{"clusterroles", func() error {
			return Pages(ctx, reader, &rbacv1.ClusterRoleList{}, func(l *rbacv1.ClusterRoleList) { o.ClusterRoles = append(o.ClusterRoles, l.Items...) })
		}},
		{"roles", func() error {
			return Pages(ctx, reader, &rbacv1.RoleList{}, func(l *rbacv1.RoleList) { o.Roles = append(o.Roles, l.Items...) })
		}},
		{"clusterrolebindings", func() error {
			return Pages(ctx, reader, &rbacv1.ClusterRoleBindingList{}, func(l *rbacv1.ClusterRoleBindingList) {
				o.ClusterRoleBindings = append(o.ClusterRoleBindings, l.Items...)
			})
		}},
		{"rolebindings", func() error {
			return Pages(ctx, reader, &rbacv1.RoleBindingList{}, func(l *rbacv1.RoleBindingList) { o.RoleBindings = append(o.RoleBindings, l.Items...) })
		}},
		{"kinds", func() (err error) { o.Kinds, err = Kinds(served); return err }},
	} {
		err := step.read()
		if err != nil {
			err = missing(step.what, err)
		}
		if err != nil {
			return nil, fmt.Errorf("reading who may do what: %w", err)
		}
	}
	var err error
	if o.Namespaces, err = Namespaces(ctx, reader); err != nil {
		o.Namespaces = nil // every one, then
	}
	return o, ctx.Err()
}

// Namespaces lists those that are there.
func Namespaces(ctx context.Context, reader client.Reader) ([]Namespace, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "NamespaceList"})
	out := []Namespace{}
	err := Pages(ctx, reader, list, func(l *metav1.PartialObjectMetadataList) {
		for i := range l.Items {
			out = append(out, Namespace{Name: l.Items[i].Name, Labels: l.Items[i].Labels})
		}
	})
	return out, err
}

// Pages reads a list page by page, each into a list of its own, so that what one holds
// may be kept.
func Pages[L client.ObjectList](ctx context.Context, reader client.Reader, empty L, each func(L), options ...client.ListOption) error {
	next := ""
	for {
		list, ok := empty.DeepCopyObject().(L)
		if !ok {
			return fmt.Errorf("copying a %T", empty)
		}
		if err := reader.List(ctx, list, append(slices.Clone(options), client.Limit(pageSize), client.Continue(next))...); err != nil {
			return err
		}
		each(list)
		if next = list.GetContinue(); next == "" {
			return nil
		}
	}
}

// Kinds lists what the API server serves, each once in one of its versions. A group
// whose own server does not answer is left out.
func Kinds(served Served) ([]Kind, error) {
	_, lists, err := served.ServerGroupsAndResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, fmt.Errorf("asking what the API server serves: %w", err)
	}
	var out []Kind
	seen := map[string]bool{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("asking what the API server serves: %w", err)
		}
		for i := range list.APIResources {
			r := &list.APIResources[i]
			resource, subresource, _ := strings.Cut(r.Name, "/")
			key := resourceName(gv.Group, resource, subresource)
			if !seen[key] {
				seen[key] = true
				out = append(out, Kind{Group: gv.Group, Resource: resource, Subresource: subresource, Namespaced: r.Namespaced, Verbs: r.Verbs})
			}
		}
	}
	return out, nil
}
