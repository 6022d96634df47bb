package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const admissionGroup = "admissionregistration.k8s.io"

// installed are the kinds that the manifests and the processes are made of. No other is
// ever taken by its label, which an overlay puts on whatever is beside us: deploy keys, or
// the volume with an archive.
func installed() []schema.GroupResource {
	return append(operators(), []schema.GroupResource{
		{Resource: "namespaces"}, {Resource: "serviceaccounts"}, {Resource: "services"},
		{Group: "apps", Resource: "deployments"},
		{Group: "networking.k8s.io", Resource: "networkpolicies"},
		{Group: "policy", Resource: "poddisruptionbudgets"},
		{Group: "scheduling.k8s.io", Resource: "priorityclasses"},
		{Group: "flowcontrol.apiserver.k8s.io", Resource: "flowschemas"},
		{Group: "flowcontrol.apiserver.k8s.io", Resource: "prioritylevelconfigurations"},
		{Group: rbacGroup, Resource: "clusterroles"}, {Group: rbacGroup, Resource: "clusterrolebindings"},
		{Group: rbacGroup, Resource: "roles"}, {Group: rbacGroup, Resource: "rolebindings"},
		{Group: admissionGroup, Resource: "mutatingwebhookconfigurations"},
		{Group: admissionGroup, Resource: "validatingwebhookconfigurations"},
		{Group: admissionGroup, Resource: "validatingadmissionpolicies"},
		{Group: admissionGroup, Resource: "validatingadmissionpolicybindings"},
		{Group: "apiextensions.k8s.io", Resource: crdResource},
		{Group: v1alpha1.Group, Resource: "gitsyncs"},
	}...)
}

// operators' kinds are in the manifests for those who have that operator. One that can't be
// listed keeps nobody from uninstalling.
func operators() []schema.GroupResource {
	return []schema.GroupResource{
		{Group: "cert-manager.io", Resource: "issuers"}, {Group: "cert-manager.io", Resource: "certificates"},
		{Group: "monitoring.coreos.com", Resource: "podmonitors"}, {Group: "monitoring.coreos.com", Resource: "prometheusrules"},
	}
}

// ours is what Gitlatch is made of: the GitSyncs, its CRDs, what it registered, and what
// the manifests installed, by kind, name and label.
func (r *removal) ours(ctx context.Context) ([]removed, error) {
	var all []removed
	for i := range r.cluster.kinds {
		k := &r.cluster.kinds[i]
		if !slices.Contains(installed(), k.GroupResource()) {
			continue
		}
		selector := partOf
		switch {
		case k.Group == v1alpha1.Group || k.Resource == crdResource:
			selector = ""
		case k.Group == admissionGroup:
			selector = owned
		}
		err := r.cluster.each(ctx, k, metav1.ListOptions{LabelSelector: selector}, func(o *metav1.PartialObjectMetadata) error {
			if t := (removed{*k, o.Namespace, o.Name}); isOurs(t, r.Place.Namespace) && metav1.GetControllerOf(o) == nil {
				all = append(all, t)
			}
			return nil
		})
		if serverSaid(err) && slices.Contains(operators(), k.GroupResource()) {
			r.note("whether %s are Gitlatch's is not known, and they stay: %s", k.GroupResource(), line(err.Error()))
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// serverSaid: the API server is there, and said no, or that it can't. It can be asked for the
// rest.
func serverSaid(err error) bool {
	status := apierrors.APIStatus(nil)
	return errors.As(err, &status)
}

// isOurs: of what was selected. Policies and records go with their CRDs.
func isOurs(t removed, namespace string) bool {
	switch {
	case !slices.Contains(installed(), t.kind.GroupResource()):
		return false
	case t.kind.Group == v1alpha1.Group:
		return true
	case t.kind.Resource == crdResource:
		return strings.HasSuffix(t.name, "."+v1alpha1.Group)
	case t.kind.Group == "" && t.kind.Resource == "namespaces":
		return t.name == namespace
	case t.namespace == "":
		return ourName(t.name) || strings.HasPrefix(t.name, ownPrefix+":")
	}
	return t.namespace == namespace && ourName(t.name)
}

// ourName: everything in the manifests begins with it.
func ourName(name string) bool {
	return name == ownPrefix || strings.HasPrefix(name, ownPrefix+"-")
}

// served: the objects of its CRDs can be seen. Where they can't, records would be lost that
// nobody counted, and syncs would hang.
func (u *uninstall) served(c *removalCluster, ours []removed) error {
	for _, t := range ours {
		resource, is := strings.CutSuffix(t.name, "."+v1alpha1.Group)
		if t.kind.Resource != crdResource || !is || c.kind(v1alpha1.Group, resource) != nil {
			continue
		}
		if resource == "gitsyncs" || resource == "changerecords" && !u.keep && !u.discard {
			return fmt.Errorf("%s is there, and the API server does not serve it, so that nobody knows what it holds: its status says why", t)
		}
	}
	return nil
}
