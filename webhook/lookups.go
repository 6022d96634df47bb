package webhook

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/policy"
)

// Cluster looks facts up in the API server. Nothing but the labels of namespaces
// comes from a cache: those of a pod or a parent would be too much to keep, and
// too old to trust.
type Cluster struct {
	// Namespaces reads a cache of namespaces, metadata only.
	Namespaces client.Reader
	// Metadata reads live, by resource: no discovery is needed for kinds that came
	// after the start.
	Metadata metadata.Interface
	// Pods reads pods live.
	Pods corev1client.PodsGetter
}

var _ Lookups = &Cluster{}

var namespaces = corev1.SchemeGroupVersion.WithResource("namespaces")

// NamespaceLabels asks the cache, and where it does not know the namespace, the
// API server: the namespace may be younger than the cache.
func (c *Cluster) NamespaceLabels(ctx context.Context, name string) (map[string]string, error) {
	ns := &metav1.PartialObjectMetadata{}
	ns.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	err := c.Namespaces.Get(ctx, client.ObjectKey{Name: name}, ns)
	if err != nil {
		if ns, err = c.Metadata.Resource(namespaces).Get(ctx, name, metav1.GetOptions{}); err != nil {
			return nil, fmt.Errorf("reading namespace %s: %w", name, err)
		}
	}
	if ns.Labels == nil {
		return map[string]string{}, nil
	}
	return ns.Labels, nil
}

// Pod asks the API server, since a pod may have been replaced a moment ago.
func (c *Cluster) Pod(ctx context.Context, namespace, name string) (*policy.PodFact, error) {
	pod, err := c.Pods.Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return &policy.PodFact{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading pod %s/%s: %w", namespace, name, err)
	}
	account := pod.Spec.ServiceAccountName
	if account == "" {
		account = "default"
	}
	return &policy.PodFact{Found: true, ServiceAccount: account}, nil
}

// Parent asks the API server for the metadata of what a subresource belongs to.
func (c *Cluster) Parent(ctx context.Context, req *policy.Request) (map[string]any, error) {
	var reader metadata.ResourceInterface = c.Metadata.Resource(req.Resource)
	if req.Namespace != "" {
		reader = c.Metadata.Resource(req.Resource).Namespace(req.Namespace)
	}
	parent, err := reader.Get(ctx, req.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading %s %s/%s: %w", req.Resource.GroupResource(), req.Namespace, req.Name, err)
	}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(parent)
	if err != nil {
		return nil, fmt.Errorf("converting the metadata of %s %s/%s: %w", req.Resource.GroupResource(), req.Namespace, req.Name, err)
	}
	return map[string]any{"metadata": object["metadata"]}, nil
}
