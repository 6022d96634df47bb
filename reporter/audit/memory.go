package audit

import (
	"container/list"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// key names an object whatever the version in which it is written.
type key struct{ group, resource, namespace, name string }

// remembered is an object as the log showed it last, in one version.
type remembered struct {
	key     key
	version string
	raw     []byte
}

// cost counts the bytes of an object, and roughly those of keeping it.
func (r *remembered) cost() int {
	return len(r.raw) + len(r.key.group) + len(r.key.resource) + len(r.key.namespace) + len(r.key.name) + 256
}

// memory holds the last states of objects, the least recently used dropped
// first when they exceed a number of bytes.
type memory struct {
	budget, used int
	order        *list.List // of *remembered, the most recently used first
	entries      map[key]*list.Element
}

func newMemory(budget int) *memory {
	return &memory{budget: budget, order: list.New(), entries: map[key]*list.Element{}}
}

// put remembers a state. raw is kept, not copied.
func (m *memory) put(k key, version string, raw []byte) {
	m.forget(k)
	entry := &remembered{key: k, version: version, raw: raw}
	if entry.cost() > m.budget {
		return
	}
	m.entries[k] = m.order.PushFront(entry)
	m.used += entry.cost()
	for m.used > m.budget {
		m.forget(m.order.Back().Value.(*remembered).key)
	}
}

// get returns the state in any version, or nil.
func (m *memory) get(k key) *remembered {
	element := m.entries[k]
	if element == nil {
		return nil
	}
	m.order.MoveToFront(element)
	return element.Value.(*remembered)
}

func (m *memory) forget(k key) {
	element := m.entries[k]
	if element == nil {
		return
	}
	m.used -= m.order.Remove(element).(*remembered).cost()
	delete(m.entries, k)
}

// kinds learns from the objects in the log which kind a resource is of, for
// events that show no object.
type kinds map[schema.GroupVersionResource]schema.GroupVersionKind

// maxKinds bounds what a log of nonsense could make us learn.
const maxKinds = 10_000

func (k kinds) learn(resource schema.GroupVersionResource, kind schema.GroupVersionKind) {
	if kind.Kind != "" && len(k) < maxKinds {
		k[resource] = kind
	}
}
