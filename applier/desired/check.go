package desired

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// check judges what was rendered, whatever it was rendered from.
func check(objects []Object) error {
	type key struct{ group, kind, namespace, name string }
	declared := make(map[key]string, len(objects))
	var wrong []error
	for _, o := range objects {
		kind := o.GroupVersionKind()
		k := key{kind.Group, kind.Kind, o.GetNamespace(), o.GetName()}
		first, twice := declared[k]
		if !twice {
			declared[k] = o.Source
			continue
		}
		also := "is declared in " + first + " too"
		if first == o.Source {
			also = "is declared twice in this file"
		}
		wrong = append(wrong, &Error{Reason: ReasonDuplicate, File: o.Source, Object: title(o.Unstructured), Err: errors.New(also)})
	}
	return errors.Join(wrong...)
}

// title names an object: "apps/Deployment prod/web", "Namespace prod".
func title(o *unstructured.Unstructured) string {
	kind := o.GroupVersionKind()
	text := kind.Kind
	if kind.Group != "" {
		text = kind.Group + "/" + text
	}
	name := o.GetName()
	if o.GetNamespace() != "" {
		name = o.GetNamespace() + "/" + name
	}
	return strings.TrimSpace(text + " " + name)
}

// object makes an object of a document, which has to be one as far as anybody can tell
// without its schema.
func object(content map[string]any) (*unstructured.Unstructured, error) {
	version, kind, err := typeOf(content)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(version, "kustomize.config.k8s.io/") {
		return nil, fmt.Errorf("is a %s, which no cluster knows: Kustomize reads it from a file named kustomization.yaml", kind)
	}
	metadata, ok := content["metadata"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("is a %s without metadata", kind)
	}
	for _, field := range []string{"name", "generateName", "namespace"} {
		if value, ok := metadata[field]; ok && value != nil {
			if _, ok := value.(string); !ok {
				return nil, fmt.Errorf("is a %s whose metadata.%s is not text: put it in quotes", kind, field)
			}
		}
	}
	o := &unstructured.Unstructured{Object: content}
	if o.GetName() == "" {
		if o.GetGenerateName() != "" {
			return nil, fmt.Errorf("is a %s with generateName and no name: each sync would create another one", kind)
		}
		return nil, fmt.Errorf("is a %s without metadata.name", kind)
	}
	for _, field := range []string{"labels", "annotations"} {
		if err := texts(metadata, field); err != nil {
			return nil, fmt.Errorf("(%s) %w", title(o), err)
		}
	}
	return o, nil
}

func typeOf(content map[string]any) (version, kind string, err error) {
	version, _ = content["apiVersion"].(string)
	kind, _ = content["kind"].(string)
	switch {
	case version == "" && kind == "":
		return "", "", errors.New("is not a Kubernetes object: it has no apiVersion and no kind")
	case version == "":
		return "", "", errors.New("is not a Kubernetes object: it has no apiVersion")
	case kind == "":
		return "", "", errors.New("is not a Kubernetes object: it has no kind")
	}
	if _, err := schema.ParseGroupVersion(version); err != nil {
		return "", "", fmt.Errorf("is a %s whose apiVersion is not <group>/<version>", kind)
	}
	return version, kind, nil
}

// texts checks that a map of labels or annotations holds text alone: else
// the accessors of client libraries see none of it.
func texts(metadata map[string]any, field string) error {
	value, ok := metadata[field]
	if !ok || value == nil {
		return nil
	}
	values, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("has metadata.%s that are not keys and values", field)
	}
	for key, value := range values {
		if _, ok := value.(string); !ok {
			return fmt.Errorf("has metadata.%s[%q] that is not text: put it in quotes", field, key)
		}
	}
	return nil
}

// unpack returns the objects of a document: itself, or what a List of any kind holds.
func unpack(content map[string]any, depth int) ([]*unstructured.Unstructured, error) {
	kind, _ := content["kind"].(string)
	items, ok := content["items"].([]any)
	if empty, has := content["items"]; has && empty == nil {
		ok = true
	}
	if !strings.HasSuffix(kind, "List") || !ok {
		o, err := object(content)
		if err != nil {
			return nil, err
		}
		return []*unstructured.Unstructured{o}, nil
	}
	if depth > 8 {
		return nil, errors.New("is a list in a list in a list, and so on")
	}
	var objects []*unstructured.Unstructured
	for i, item := range items {
		one, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("is a %s whose item %d is not a Kubernetes object", kind, i+1)
		}
		inherit(one, content["apiVersion"], strings.TrimSuffix(kind, "List"))
		inner, err := unpack(one, depth+1)
		if err != nil {
			return nil, fmt.Errorf("is a %s whose item %d %w", kind, i+1, err)
		}
		objects = append(objects, inner...)
	}
	return objects, nil
}

// inherit gives an item of a typed list (ConfigMapList) the type that it leaves out, as
// the API server's own lists do.
func inherit(item map[string]any, version any, kind string) {
	_, hasVersion := item["apiVersion"]
	_, hasKind := item["kind"]
	if kind != "" && !hasVersion && !hasKind {
		item["apiVersion"], item["kind"] = version, kind
	}
}
