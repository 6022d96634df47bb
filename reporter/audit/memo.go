package audit

import (
	"bytes"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// memo is what a line says about the state of its object, for the translator to
// remember, where nothing else is asked of the line.
type memo struct {
	key      key
	resource schema.GroupVersionResource
	kind     schema.GroupVersionKind
	// raw is the state; nil: gone, or not shown.
	raw []byte
}

// memo reads what is to be remembered; ok is false where that is nothing, and whole
// says that the line must be decoded for it.
func (h *head) memo() (m memo, ok, whole bool) {
	if h.isDryRun() || h.code >= 400 || h.operation() == "CONNECT" || h.subresource == "token" {
		return m, false, false
	}
	if is(h.verb, "deletecollection") || h.group == "" && h.resource == "namespaces" {
		return m, false, true
	}
	m.resource = schema.GroupVersionResource{Group: h.group, Version: h.version, Resource: h.resource}
	m.key = key{group: h.group, resource: h.resource, namespace: h.namespace, name: h.name}
	if h.subresource != "" && !wholeObject(h.subresource) {
		return m, m.key.name != "", false
	}
	object := h.object()
	if m.key.name == "" {
		m.key.name = object.name
	}
	if m.key.namespace == "" {
		m.key.namespace = object.namespace
	}
	m.kind = schema.FromAPIVersionAndKind(object.apiVersion, object.kind)
	if object.whole && (h.operation() != "DELETE" || object.deleting) {
		m.raw = bytes.Clone(h.answered)
	}
	return m, m.key.name != "", false
}

// shown is the little that is read of the answer's object.
type shown struct {
	apiVersion, kind, namespace, name string
	deleting, whole                   bool
}

func (h *head) object() shown {
	var s shown
	_, ok := members(h.answered, func(key, value []byte) bool {
		switch {
		case is(key, "apiVersion"):
			s.apiVersion = unquote(value)
		case is(key, "kind"):
			s.kind = unquote(value)
		case is(key, "metadata"):
			members(value, func(key, value []byte) bool {
				switch {
				case is(key, "name"):
					s.name = unquote(value)
				case is(key, "namespace"):
					s.namespace = unquote(value)
				case is(key, "deletionTimestamp"):
					s.deleting = unquote(value) != ""
				}
				return true
			})
		}
		return true
	})
	if !ok || s.kind == "Status" && s.apiVersion == "v1" {
		return shown{}
	}
	s.whole = true
	return s
}

// isDryRun says that nothing was stored.
func (h *head) isDryRun() bool {
	if bytes.Contains(h.uri, []byte("dryRun")) {
		for _, v := range parseQuery(unquote(h.uri))["dryRun"] {
			if v == "All" {
				return true
			}
		}
	}
	dry := false
	if is(h.verb, "delete") || is(h.verb, "deletecollection") || strings.HasSuffix(h.subresource, "eviction") {
		if bytes.Contains(h.sent, []byte("dryRun")) {
			sent := decode(h.sent)
			dry = contains(sent["dryRun"], "All") || contains(field(sent, "deleteOptions", "dryRun"), "All")
		}
	}
	return dry
}

// learn remembers what a memo says.
func (t *Translator) learn(m *memo) {
	t.kinds.learn(m.resource, m.kind)
	if m.raw == nil {
		t.objects.forget(m.key)
	} else {
		t.objects.put(m.key, m.resource.Version, m.raw)
	}
}
