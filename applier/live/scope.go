package live

import (
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/applier/desired"
)

const (
	crdGroup = "apiextensions.k8s.io"
	crdKind  = "CustomResourceDefinition"
)

// scopes tells which kinds are namespaced: from the definitions in the set, which are
// applied first, else from the API server, once for each kind.
type scopes struct {
	cluster  *Cluster
	declared map[schema.GroupVersionKind]bool
	asked    map[schema.GroupVersionKind]scopeOrError
}

type scopeOrError struct {
	namespaced bool
	err        error
}

func (s *scopes) namespaced(gvk schema.GroupVersionKind) (bool, error) {
	if namespaced, ok := s.declared[gvk]; ok {
		return namespaced, nil
	}
	known, ok := s.asked[gvk]
	if !ok {
		m, err := s.cluster.mapping(gvk)
		known = scopeOrError{err == nil && m.Scope.Name() == meta.RESTScopeNameNamespace, err}
		s.asked[gvk] = known
	}
	return known.namespaced, known.err
}

// declaredScopes reads the definitions in the set.
func declaredScopes(objects []desired.Object) map[schema.GroupVersionKind]bool {
	scopes := map[schema.GroupVersionKind]bool{}
	for _, o := range objects {
		if gvk := o.GroupVersionKind(); gvk.Group != crdGroup || gvk.Kind != crdKind {
			continue
		}
		d := definitionOf(o.Object)
		for _, version := range d.served {
			scopes[schema.GroupVersionKind{Group: d.group, Version: version, Kind: d.kind}] = d.namespaced
		}
	}
	return scopes
}

// definition is what we read of a CustomResourceDefinition.
type definition struct {
	group, kind string
	namespaced  bool
	served      []string
}

func definitionOf(crd map[string]any) definition {
	var d definition
	d.group, _, _ = unstructured.NestedString(crd, "spec", "group")
	d.kind, _, _ = unstructured.NestedString(crd, "spec", "names", "kind")
	scope, _, _ := unstructured.NestedString(crd, "spec", "scope")
	d.namespaced = scope == "Namespaced"
	versions, _, _ := unstructured.NestedFieldNoCopy(crd, "spec", "versions")
	list, _ := versions.([]any)
	for _, v := range list {
		version, _ := v.(map[string]any)
		name, _ := version["name"].(string)
		if served, _ := version["served"].(bool); served && name != "" {
			d.served = append(d.served, name)
		}
	}
	return d
}
