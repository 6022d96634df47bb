package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// believed is for how long what the API server said of its kinds is taken for what it
// would say now, before something is taken to be gone for ever.
const believed = time.Second

// anywhere says where objects of a kind are served now: in the version that is asked
// for, or, when that is served no more, in another. The object is the same in each, so
// one whose version went with an upgrade is not gone. Only when [unserved] holds for the
// error is there no such kind.
func (c *Cluster) anywhere(gvk schema.GroupVersionKind) (*meta.RESTMapping, error) {
	m, err := c.anyVersion(gvk)
	if !unserved(err) {
		return m, err
	}
	c.mu.RLock()
	old := time.Since(c.learnt) > believed
	c.mu.RUnlock()
	if !old {
		return m, err
	}
	if err := c.forget(); err != nil {
		return nil, err
	}
	return c.anyVersion(gvk)
}

func (c *Cluster) anyVersion(gvk schema.GroupVersionKind) (*meta.RESTMapping, error) {
	m, err := c.mapping(gvk)
	if !unserved(err) {
		return m, err
	}
	c.mu.RLock()
	mapper := c.mapper
	c.mu.RUnlock()
	m, err = mapper.RESTMapping(gvk.GroupKind())
	var partly *apiutil.ErrResourceDiscoveryFailed
	switch {
	case errors.As(err, &partly): // a version of the group does not answer, and may have it
		return nil, fmt.Errorf("looking for where %s is served: %v", gvk, err)
	case err != nil:
		return nil, fmt.Errorf("looking for where %s is served: %w", gvk, err)
	}
	return m, nil
}

// where calls do with where an object is served, and once more when its kind has moved
// since that was learnt.
func (c *Cluster) where(ref Ref, do func(*meta.RESTMapping) error) error {
	m, err := c.anywhere(ref.GVK())
	if err != nil {
		return err
	}
	if err = do(m); !misplaced(err) {
		return err
	}
	if err := c.forget(); err != nil {
		return err
	}
	if m, err = c.anywhere(ref.GVK()); err != nil {
		return err
	}
	if err = do(m); misplaced(err) {
		// Not %w: it must not be taken for an object that is not there.
		return fmt.Errorf("%s is said to be served as %s, and is not: %v", ref.GVK(), m.Resource.GroupVersion(), err)
	}
	return err
}

// misplaced says that a 404 is about the resource, not about an object: it is no
// status of the API server, or names nothing.
func misplaced(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details == nil || details.Name == "" || apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// Get returns the whole object, in another version than the ref's when that is not
// served any more. [apierrors.IsNotFound] holds for the error when it is not there.
func (c *Cluster) Get(ctx context.Context, ref Ref) (*unstructured.Unstructured, error) {
	var found *unstructured.Unstructured
	err := c.where(ref, func(m *meta.RESTMapping) (err error) {
		var client dynamic.ResourceInterface = c.dynamic.Resource(m.Resource)
		if m.Scope.Name() != meta.RESTScopeNameRoot {
			client = c.dynamic.Resource(m.Resource).Namespace(ref.Namespace)
		}
		found, err = client.Get(ctx, ref.Name, metav1.GetOptions{})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("getting %s: %w", ref.Key, err)
	}
	return found, nil
}

// Look returns what the object's metadata say, and the zero State when it is not
// there.
func (c *Cluster) Look(ctx context.Context, ref Ref) (State, error) {
	found, err := c.look(ctx, ref)
	if found == nil || err != nil {
		return State{}, err
	}
	return c.state(found), nil
}

// look returns the object's metadata; nil when it, or its kind in any version, is not
// there.
func (c *Cluster) look(ctx context.Context, ref Ref) (*metav1.PartialObjectMetadata, error) {
	var found *metav1.PartialObjectMetadata
	err := c.where(ref, func(m *meta.RESTMapping) (err error) {
		found, err = c.metadataOf(m, ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		return err
	})
	switch {
	case unserved(err), apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("looking at %s: %w", ref.Key, err)
	}
	return found, nil
}
