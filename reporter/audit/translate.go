package audit

import (
	"net/url"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/gitlatch/gitlatch/policy"
)

// DefaultMemory is how many bytes of objects are remembered, unless told.
const DefaultMemory = 64 << 20

// Translator turns events, in the order of the log, into attempts. Use
// [NewTranslator].
type Translator struct {
	install    policy.Installation
	objects    *memory
	kinds      kinds
	namespaces map[string]map[string]string
}

// NewTranslator translates for an installation, and remembers at most so many
// bytes of objects; zero is [DefaultMemory].
func NewTranslator(install policy.Installation, remember int) *Translator {
	if remember == 0 {
		remember = DefaultMemory
	}
	return &Translator{
		install:    install,
		objects:    newMemory(remember),
		kinds:      kinds{},
		namespaces: map[string]map[string]string{},
	}
}

// Translate returns the attempts of one event, or why there are none. Then it
// remembers what the event says about its object.
func (t *Translator) Translate(entry Entry) ([]Attempt, Skip) {
	if reason := skip(entry.Event); reason != "" {
		return nil, reason
	}
	return t.translate(entry, newWrite(entry.Event))
}

// translate does the same with an event that is known to be a write, and is read.
func (t *Translator) translate(entry Entry, w *write) ([]Attempt, Skip) {
	var attempts []Attempt
	if w.listed {
		if len(w.items) == 0 {
			return nil, SkipNothing
		}
		for _, item := range w.items {
			attempts = append(attempts, t.attempt(entry, w.of(item)))
		}
	} else {
		attempts = append(attempts, t.attempt(entry, w))
	}
	if !attempts[0].Request.DryRun {
		t.remember(w)
	}
	return attempts, ""
}

func (t *Translator) attempt(entry Entry, w *write) Attempt {
	event := entry.Event
	resource := resourceOf(event)
	query := parseQuery(event.RequestURI)
	user, impersonator := requester(event)
	a := Attempt{
		Line:         entry.Line,
		Time:         received(event),
		Verb:         event.Verb,
		Level:        event.Level,
		Impersonator: impersonator,
		SourceIPs:    event.SourceIPs,
		UserAgent:    event.UserAgent,
		Request: policy.Request{
			UID:          event.AuditID,
			User:         user,
			Operation:    w.operation,
			Resource:     resource,
			Kind:         t.kindOf(w),
			Subresource:  event.ObjectRef.Subresource,
			Namespace:    w.namespace,
			Name:         w.name,
			FieldManager: query.Get("fieldManager"),
			DryRun:       slices.Contains(query["dryRun"], "All") || w.dryRun,
			Object:       w.object,
			Final:        true,
		},
	}
	t.addOld(&a, w)
	t.addFacts(&a, w)
	return a
}

// kindOf returns the kind of the object, else the one that the log showed for
// the resource before, else none.
func (t *Translator) kindOf(w *write) schema.GroupVersionKind {
	if w.operation == policy.Connect {
		return schema.GroupVersionKind{Version: "v1", Kind: connectKinds[w.resource.Resource+"/"+w.subresource]}
	}
	if w.kind.Kind != "" {
		return w.kind
	}
	if w.subresource != "" && !wholeObject(w.subresource) {
		return schema.GroupVersionKind{}
	}
	return t.kinds[w.resource]
}

// addOld fills in the object before the write, or says why it can't.
func (t *Translator) addOld(a *Attempt, w *write) {
	switch w.operation {
	case policy.Connect:
		return
	case policy.Create:
		if w.object == nil {
			a.Gaps = append(a.Gaps, GapObject)
		}
		return
	case policy.Update:
		if w.object == nil {
			a.Gaps = append(a.Gaps, GapObject)
		}
	}
	old := t.old(w)
	switch {
	case old == nil:
		a.Gaps = append(a.Gaps, GapOld)
	case w.subresource == "scale":
		a.Request.Old = scaleOf(old)
		a.Facts.Parent = map[string]any{"metadata": old["metadata"]}
	case field(old, "metadata", "managedFields") == nil:
		// Without them every object looks as if git had declared nothing in it.
		a.Gaps = append(a.Gaps, GapManagedFields)
	default:
		a.Request.Old = old
	}
}

// old returns the object as it was before the write; nil when that is not
// certain.
func (t *Translator) old(w *write) map[string]any {
	entry := t.objects.get(w.key())
	if entry == nil || entry.version != w.resource.Version {
		if w.operation == policy.Delete {
			return undeleted(w.deleted)
		}
		return nil
	}
	old := decode(entry.raw)
	if differs(text(old, "metadata", "uid"), text(w.object, "metadata", "uid")) {
		return nil // deleted and created again, unseen
	}
	if differs(w.basedOn, text(old, "metadata", "resourceVersion")) {
		return nil // written in between, unseen
	}
	return old
}

// addFacts says what the log knows about the request's surroundings. Windows
// are none: a replay asks what would be if nobody had broken glass.
func (t *Translator) addFacts(a *Attempt, w *write) {
	a.Facts.Now = a.Time
	a.Facts.Install = t.install
	a.Facts.WindowsLive = true
	a.Facts.NamespaceLabels = t.namespaces[w.namespace]
	if w.resource.Group == "" && w.resource.Resource == "pods" {
		if pod := t.objects.get(w.key()); pod != nil {
			account := text(decode(pod.raw), "spec", "serviceAccountName")
			a.Facts.Pod = &policy.PodFact{Found: true, ServiceAccount: account}
		}
	}
}

// remember keeps what the event says about the state of its object, and
// forgets what it makes out of date.
func (t *Translator) remember(w *write) {
	if w.operation == policy.Connect {
		return
	}
	for _, item := range w.items {
		t.remember(w.of(item))
	}
	if len(w.items) > 0 || w.name == "" {
		return
	}
	whole := w.subresource == "" || wholeObject(w.subresource)
	if !whole {
		// A scale, a binding, an eviction changes the object without showing it. A
		// token changes nothing.
		if w.subresource != "token" {
			t.objects.forget(w.key())
		}
		return
	}
	t.kinds.learn(w.resource, w.kind)
	state := w.state()
	if state == nil {
		t.objects.forget(w.key())
	} else {
		t.objects.put(w.key(), w.resource.Version, state)
	}
	t.rememberNamespace(w)
}

func (t *Translator) rememberNamespace(w *write) {
	if w.resource.Group != "" || w.resource.Resource != "namespaces" {
		return
	}
	if w.operation == policy.Delete {
		return // it goes on until it is empty; a new one of its name shows its labels
	}
	if w.object == nil {
		delete(t.namespaces, w.name) // relabelled, perhaps
		return
	}
	t.namespaces[w.name] = labels(w.object)
}

func received(event *auditv1.Event) time.Time {
	if !event.RequestReceivedTimestamp.IsZero() {
		return event.RequestReceivedTimestamp.Time
	}
	return event.StageTimestamp.Time
}

func parseQuery(uri string) url.Values {
	parsed, err := url.ParseRequestURI(uri)
	if err != nil {
		return url.Values{}
	}
	return parsed.Query()
}
