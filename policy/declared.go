package policy

import "slices"

/*
What git declared is read from managedFields: an entry of a sync identity's
field manager, other than one on the status subresource. Labels and annotations
are copied by controllers (Deployment to ReplicaSet, Service to EndpointSlice);
managedFields are not. No OpenAPI schema is loaded: paths are walked by their own
keys (f:, k:, v:, i:), which say what kind of step each is.

Format: sigs.k8s.io/structured-merge-diff/v6/fieldpath, serialize.go and
serialize-pe.go; the FieldsV1 documentation of apimachinery's meta/v1.
*/

// entry is one element of metadata.managedFields.
type entry struct {
	manager, operation, apiVersion, subresource string
	fields                                      map[string]any // nil: can't be read
}

func managedFields(obj map[string]any) []any { return list(meta(obj), "managedFields") }

func readEntry(v any) (entry, bool) {
	m, ok := v.(map[string]any)
	if !ok {
		return entry{}, false
	}
	e := entry{
		manager: text(m, "manager"), operation: text(m, "operation"),
		apiVersion: text(m, "apiVersion"), subresource: text(m, "subresource"),
	}
	if text(m, "fieldsType") == "FieldsV1" {
		e.fields, _ = m["fieldsV1"].(map[string]any)
	}
	return e, true
}

func (e *entry) same(o *entry) bool {
	return e.manager == o.manager && e.operation == o.operation &&
		e.apiVersion == o.apiVersion && e.subresource == o.subresource
}

// declares: the entry is a sync identity's, and not one on status.
func (p *Policy) declares(e *entry) bool {
	return e.subresource != "status" && p.syncManager(e.manager)
}

// declaredObject says whether git declared the object.
func (p *Policy) declaredObject(obj map[string]any) bool {
	for _, v := range managedFields(obj) {
		if e, ok := readEntry(v); ok && p.declares(&e) {
			return true
		}
	}
	return false
}

// findEntry returns the entry of obj that has the same manager, operation,
// version and subresource; its fields are nil where there is none.
func findEntry(obj map[string]any, want *entry) entry {
	for _, v := range managedFields(obj) {
		if e, ok := readEntry(v); ok && e.same(want) {
			return e
		}
	}
	return entry{}
}

// touch is what a write does to declared fields.
type touch struct {
	paths    []string // declared paths that it changes
	fields   int      // how many of them, from the first, managedFields name
	forged   string   // a sync manager's entry that it writes or drops dishonestly
	declared bool     // the old object is declared
}

// MaxTouched is how many declared paths that a write touches are told; where there
// are so many, there may be more.
const MaxTouched = 256

// inspect compares what git declared on the old object with the new one. It asks
// where the two differ if anything was declared.
func (p *Policy) inspect(r *Request, f *Facts, differences func() *places) touch {
	var t touch
	var w walker
	var walked []entry // whose new entries hold no path that the old ones do not
	for _, v := range managedFields(r.Old) {
		e, ok := readEntry(v)
		if !ok || !p.declares(&e) {
			continue
		}
		t.declared = true
		if e.fields == nil { // declared, and we can't tell what
			w.hit(frame{})
			continue
		}
		kept := findEntry(r.Object, &e)
		w.foreign = e.apiVersion != "" && e.apiVersion != r.apiVersion()
		if w.compare(r, e.fields, kept.fields, differences) {
			walked = append(walked, e)
		}
	}
	slices.Sort(w.touched) // the walk goes in the order of maps
	t.paths, t.fields, t.forged = w.touched, len(w.touched), w.dropped
	if s := p.added(r, walked); s != "" {
		t.forged = s
	}
	if t.declared {
		t.paths = append(t.paths, identityFields(r)...)
	}
	t.paths = append(t.paths, p.guardedChanges(r, f)...)
	return t
}

// apiVersion of the objects in the request.
func (r *Request) apiVersion() string {
	if v := text(r.Object, "apiVersion"); v != "" {
		return v
	}
	return text(r.Old, "apiVersion")
}

// added finds a path that a sync manager's entry holds in the new object and
// not in the old: only the manager itself could have written it.
func (p *Policy) added(r *Request, walked []entry) string {
	for _, v := range managedFields(r.Object) {
		e, ok := readEntry(v)
		if !ok || !p.syncManager(e.manager) {
			continue
		}
		if i := slices.IndexFunc(walked, func(w entry) bool { return w.same(&e) }); i >= 0 && e.fields != nil {
			walked = slices.Delete(walked, i, i+1) // a second entry of the same name was not walked
			continue
		}
		before := findEntry(r.Old, &e)
		if e.fields == nil {
			if before.manager == "" {
				return e.manager
			}
			continue
		}
		if !within(e.fields, before.fields) {
			return e.manager
		}
	}
	return ""
}

// within says whether every path of the inner tree is in the outer one. An
// empty node is a whole value and holds everything below it.
func within(inner, outer map[string]any) bool {
	for k, v := range inner {
		o, ok := outer[k]
		if !ok {
			return false
		}
		vm, _ := v.(map[string]any)
		om, _ := o.(map[string]any)
		if len(om) > 0 && !within(vm, om) {
			return false
		}
	}
	return true
}

// identityFields: ownerReferences and finalizers of a declared object are
// declared as well. An owner that does not exist makes the garbage collector
// delete the object within seconds.
func identityFields(r *Request) []string {
	var paths []string
	for _, name := range []string{"ownerReferences", "finalizers"} {
		was, is := list(meta(r.Old), name), list(meta(r.Object), name)
		if len(was) != len(is) || !equalLists(was, is) {
			paths = append(paths, ".metadata."+name)
		}
	}
	return paths
}

// guardedChanges: declared paths of unresolved records, which the sync no longer
// owns since somebody else wrote them, and which it will own again: then they are
// guarded as its own, and its own alone.
func (p *Policy) guardedChanges(r *Request, f *Facts) []string {
	var paths []string
	for _, g := range f.Guarded {
		path, err := parsePath(g)
		if err != nil {
			paths = append(paths, g) // not to be read: touched
			continue
		}
		was, a := resolve(r.Old, path)
		is, b := resolve(r.Object, path)
		if (a != b || a && !equal(was, is)) && !p.ownedAgain(r.Old, path) {
			paths = append(paths, g)
		}
	}
	return paths
}

// ownedAgain says that a sync identity's entry holds the path, something below it,
// or a whole value above it.
func (p *Policy) ownedAgain(obj map[string]any, path []step) bool {
	for _, v := range managedFields(obj) {
		if e, ok := readEntry(v); ok && p.declares(&e) && holds(e.fields, path) {
			return true
		}
	}
	return false
}

func holds(node map[string]any, path []step) bool {
	for i, s := range path {
		below, ok := s.node(node)
		if !ok {
			return false
		}
		if len(below) == 0 && i < len(path)-1 {
			// Of labels and annotations that git wrote empty it declared none.
			return i != 1 || path[0].field != "metadata" || s.field != "labels" && s.field != "annotations"
		}
		node = below
	}
	return true
}

// node finds the step among the keys of a managedFields tree.
func (s *step) node(fields map[string]any) (below map[string]any, ok bool) {
	if s.kind == fieldStep {
		below, ok = fields["f:"+s.field].(map[string]any)
		return below, ok
	}
	for key, v := range fields {
		if at, readable := readKey(key); readable && sameStep(*s, at) {
			below, ok = v.(map[string]any)
			return below, ok
		}
	}
	return nil, false
}
