package registration

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

/*
What a request shows, as variables: "now" is its object and "was" its old one, each an
empty map where there is none, and so is every map below that is absent or no map. So
nothing that is asked of them can fail.
*/

// child is the map at a path below "now" or "was".
func (b *backstop) child(side string, path ...string) string {
	if len(path) == 0 {
		root := map[string]string{"now": "object", "was": "oldObject"}[side]
		return b.let(side, root+" != null ? dyn("+root+") : dyn({})")
	}
	parent, key := b.child(side, path[:len(path)-1]...), path[len(path)-1]
	name := side
	for _, k := range path {
		name += strings.ToUpper(k[:1]) + k[1:]
	}
	return b.let(name, fmt.Sprintf("%[1]s in %[2]s && type(%[2]s[%[1]s]) == map ? %[2]s[%[1]s] : dyn({})", quote(key), parent))
}

// text is a string in a map; "" where there is none.
func text(in, key string) string {
	return fmt.Sprintf(`(%[1]s in %[2]s && type(%[2]s[%[1]s]) == string ? string(%[2]s[%[1]s]) : "")`, quote(key), in)
}

// list is a list in a map, of so many items at most; an empty one where there is none.
func list(in, key string) string {
	return fmt.Sprintf(`(%[1]s in %[2]s && type(%[2]s[%[1]s]) == list && size(%[2]s[%[1]s]) <= %[3]d ? %[2]s[%[1]s] : dyn([]))`,
		quote(key), in, maxKeys)
}

// name is the target's, as the webhook has it: the request's, else the object's, else
// the old object's, else what a name will be made of. A proxy's is without scheme and port
// (policy.Proxied).
func (b *backstop) name() string {
	now, was := b.child("now", "metadata"), b.child("was", "metadata")
	prefix := text(now, "generateName")
	given := b.let("given", fmt.Sprintf(`has(request.name) && request.name != "" ? request.name : %[1]s != "" ? %[1]s : %[2]s != "" ? %[2]s : %[3]s != "" ? %[3]s + "*" : ""`,
		text(now, "name"), text(was, "name"), prefix))
	pieces := given + `.split(":")`
	return b.let("name", fmt.Sprintf(`!%[1]s ? %[2]s : size(%[3]s) == 2 && %[3]s[0] != "" ? %[3]s[0] : `+
		`size(%[3]s) == 3 && %[3]s[0] in ["", "http", "https"] && %[3]s[1] != "" ? %[3]s[1] : %[2]s`,
		allOf(among(celKind, []string{"/pods", "/services", "/nodes"}), "("+b.sub()+` == "proxy")`), given, pieces))
}

// namespace is the target's; a namespace is in itself.
func (b *backstop) namespace() string {
	return b.let("place", isKind("", "namespaces")+" ? "+b.name()+" : "+celNamespace)
}

func (b *backstop) sub() string { return "variables.sub" }

func (b *backstop) operation(op string) string { return "(" + celOperation + " == " + quote(op) + ")" }

// carries: the request shows the governed object itself, not a Scale, an Eviction or
// options.
func (b *backstop) carries() string {
	return b.let("carries", allOf("("+celOperation+` != "CONNECT")`,
		among(b.sub(), []string{"", "status", "finalize", "ephemeralcontainers", "resize", "approval"})))
}

// update: both objects are there to be compared.
func (b *backstop) update() string {
	return b.let("update", allOf(b.operation("UPDATE"), "object != null", "oldObject != null", b.carries()))
}

// apart is a tree of fields that a comparison leaves out, each leaf with all below it.
type apart map[string]apart

// but is what the API server keeps by itself, and these paths.
func but(paths ...[]string) apart {
	t := apart{"metadata": {"managedFields": nil, "resourceVersion": nil, "generation": nil}}
	for _, path := range paths {
		node := t
		for _, k := range path[:len(path)-1] {
			if node[k] == nil {
				node[k] = apart{}
			}
			node = node[k]
		}
		node[path[len(path)-1]] = nil
	}
	return t
}

// same: an update in which nothing differs but what is left out. Where something below a
// map is left out, an absent map and an empty one are the same.
func (b *backstop) same(name string, left apart) string {
	return b.let(name, allOf(b.update(), b.covered(left)))
}

func (b *backstop) covered(left apart, path ...string) string {
	was, now := b.child("was", path...), b.child("now", path...)
	var keys, terms []string
	for k := range left {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, side := range []string{was, now} {
		terms = append(terms, fmt.Sprintf("(size(%s) <= %d)", side, maxKeys))
	}
	terms = append(terms,
		fmt.Sprintf("%[1]s.all(k, %[3]s || (k in %[2]s && %[2]s[k] == %[1]s[k]))", was, now, among("k", keys)),
		fmt.Sprintf("%[2]s.all(k, %[3]s || k in %[1]s)", was, now, among("k", keys)))
	for _, k := range keys {
		if left[k] == nil {
			continue
		}
		for _, side := range []string{was, now} {
			terms = append(terms, fmt.Sprintf("(!(%[1]s in %[2]s) || type(%[2]s[%[1]s]) == map)", quote(k), side))
		}
		terms = append(terms, b.covered(left[k], append(slices.Clone(path), k)...))
	}
	return allOf(terms...)
}

// glassTouched: an annotation of break-glass is set, changed or removed.
func (b *backstop) glassTouched() string {
	was, now := b.child("was", "metadata", "annotations"), b.child("now", "metadata", "annotations")
	keys := []string{
		v1alpha1.AnnotationBreakGlass, v1alpha1.AnnotationBreakGlassFor, v1alpha1.AnnotationBreakGlassBy,
		v1alpha1.AnnotationBreakGlassUntil, v1alpha1.AnnotationBreakGlassRecord,
	}
	for i := range keys {
		keys[i] = quote(keys[i])
	}
	return b.let("glassTouched", allOf(b.carries(), not(b.operation("DELETE")),
		fmt.Sprintf("[%s].exists(k, (k in %[2]s) != (k in %[3]s) || (k in %[2]s && k in %[3]s && %[2]s[k] != %[3]s[k]))", strings.Join(keys, ", "), was, now)))
}
