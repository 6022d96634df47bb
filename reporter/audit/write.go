package audit

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/gitlatch/gitlatch/policy"
)

// write is what one event tells about one object.
type write struct {
	operation   policy.Operation
	resource    schema.GroupVersionResource
	subresource string
	namespace   string
	name        string
	kind        schema.GroupVersionKind
	// object is the new state, nil where the log does not show it, and for a
	// deletion.
	object map[string]any
	// raw is the new state as the response showed it, for remembering.
	raw []byte
	// deleted is what the response to a deletion showed.
	deleted map[string]any
	// items are the objects that a deletecollection deleted; listed says that the
	// log shows which.
	items  []map[string]any
	listed bool
	// basedOn is the resourceVersion that an update was made from, if it said so.
	basedOn string
	// dryRun as asked for in the body; the query is another place for it.
	dryRun bool
}

// wholeObject says whether a subresource is written as the whole object.
func wholeObject(subresource string) bool {
	switch subresource {
	case "status", "finalize", "approval", "resize", "ephemeralcontainers":
		return true
	}
	return false
}

func newWrite(event *auditv1.Event) *write {
	ref := event.ObjectRef
	w := &write{
		resource:    resourceOf(event),
		subresource: ref.Subresource,
		namespace:   ref.Namespace,
		name:        policy.Proxied(ref.APIGroup, ref.Resource, ref.Subresource, ref.Name),
	}
	w.operation, _ = operation(event)
	sent, answered := decodeUnknown(event.RequestObject), decodeUnknown(event.ResponseObject)
	if text(answered, "kind") == "Status" && text(answered, "apiVersion") == "v1" {
		answered = nil
	}
	switch w.operation {
	case policy.Create, policy.Update:
		w.written(event, sent, answered)
	case policy.Delete:
		w.removed(event, sent, answered)
	}
	if w.resource.Group == "" && w.resource.Resource == "namespaces" {
		w.namespace = w.name
	}
	return w
}

// written reads a create or an update. The answer is the object as stored,
// what was sent is a second best, and a patch is no object at all.
func (w *write) written(event *auditv1.Event, sent, answered map[string]any) {
	isPatch := event.Verb == "patch"
	showsObject := w.subresource == "" || wholeObject(w.subresource) || w.subresource == "scale"
	switch {
	case answered != nil && showsObject:
		w.object, w.raw = answered, event.ResponseObject.Raw
	case sent != nil && !isPatch:
		w.object = sent
	}
	if !isPatch && w.operation == policy.Update {
		w.basedOn = text(sent, "metadata", "resourceVersion")
	}
	w.dryRun = contains(field(sent, "deleteOptions", "dryRun"), "All")
	w.kind = kindIn(w.object)
	w.complete(w.object)
}

// removed reads a delete or a deletecollection: what is sent are options, the
// answer is the object, a list of objects, or a status.
func (w *write) removed(event *auditv1.Event, sent, answered map[string]any) {
	w.dryRun = text(sent, "kind") == "DeleteOptions" && contains(sent["dryRun"], "All")
	if answered == nil {
		return
	}
	if event.Verb == "deletecollection" {
		list := kindIn(answered)
		list.Kind = strings.TrimSuffix(list.Kind, "List")
		items, isList := answered["items"].([]any)
		w.listed = isList
		for _, item := range items {
			if object, ok := item.(map[string]any); ok {
				w.items = append(w.items, object)
			}
		}
		w.kind = list
		return
	}
	w.deleted, w.raw = answered, event.ResponseObject.Raw
	w.kind = kindIn(answered)
	w.complete(answered)
}

// of returns the deletion of one object of a collection.
func (w *write) of(item map[string]any) *write {
	one := *w
	one.items, one.raw, one.listed = nil, nil, false
	one.deleted = item
	one.namespace, one.name = "", ""
	one.complete(item)
	return &one
}

// complete takes the name and the namespace from an object, where the
// reference does not have them.
func (w *write) complete(object map[string]any) {
	if w.name == "" {
		w.name = text(object, "metadata", "name")
	}
	if prefix := text(object, "metadata", "generateName"); w.name == "" && prefix != "" {
		w.name = prefix + "*"
	}
	if w.namespace == "" {
		w.namespace = text(object, "metadata", "namespace")
	}
}

func (w *write) key() key {
	namespace := w.namespace
	if w.resource.Group == "" && w.resource.Resource == "namespaces" {
		namespace = ""
	}
	return key{group: w.resource.Group, resource: w.resource.Resource, namespace: namespace, name: w.name}
}

// state returns the state of the object behind the write; nil when it is gone
// or unknown. An object that waits for its finalizers is still there.
func (w *write) state() []byte {
	if w.operation != policy.Delete {
		return w.raw
	}
	if text(w.deleted, "metadata", "deletionTimestamp") == "" {
		return nil
	}
	return w.raw
}

func decodeUnknown(unknown *runtime.Unknown) map[string]any {
	if unknown == nil {
		return nil
	}
	return decode(unknown.Raw)
}
