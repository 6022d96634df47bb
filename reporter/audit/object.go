package audit

import (
	"maps"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"
)

// decode reads a JSON object the way unstructured objects are read, with whole
// numbers as int64; nil when it is none.
func decode(raw []byte) map[string]any {
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil
	}
	return object
}

// field returns what is at a path, nil when nothing is.
func field(object map[string]any, path ...string) any {
	var value any = object
	for _, name := range path {
		fields, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = fields[name]
	}
	return value
}

func text(object map[string]any, path ...string) string {
	value, _ := field(object, path...).(string)
	return value
}

// differs says whether two values that are both known differ.
func differs(a, b string) bool { return a != "" && b != "" && a != b }

func contains(list any, want string) bool {
	items, _ := list.([]any)
	for _, item := range items {
		if item == want {
			return true
		}
	}
	return false
}

func kindIn(object map[string]any) schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(text(object, "apiVersion"), text(object, "kind"))
}

// labels returns an object's labels, never nil.
func labels(object map[string]any) map[string]string {
	found := map[string]string{}
	entries, _ := field(object, "metadata", "labels").(map[string]any)
	for name, value := range entries {
		if value, ok := value.(string); ok {
			found[name] = value
		}
	}
	return found
}

// undeleted returns the object of a deletion's answer as it was before: the
// deletion itself set the time of it.
func undeleted(deleted map[string]any) map[string]any {
	metadata, ok := field(deleted, "metadata").(map[string]any)
	if !ok {
		return nil
	}
	metadata = maps.Clone(metadata)
	delete(metadata, "deletionTimestamp")
	delete(metadata, "deletionGracePeriodSeconds")
	object := maps.Clone(deleted)
	object["metadata"] = metadata
	return object
}

// scaleOf returns the Scale of an object as admission shows it in the
// validating call, without managedFields.
func scaleOf(parent map[string]any) map[string]any {
	metadata := map[string]any{}
	for _, name := range []string{"name", "namespace", "uid", "resourceVersion", "creationTimestamp"} {
		if value := field(parent, "metadata", name); value != nil {
			metadata[name] = value
		}
	}
	spec := map[string]any{}
	if replicas := field(parent, "spec", "replicas"); replicas != nil {
		spec["replicas"] = replicas
	}
	return map[string]any{"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata, "spec": spec}
}
