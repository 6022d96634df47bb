package access

import (
	"slices"
	"strings"
)

// merged joins rights that differ in one thing only, and writes "*" for all that an
// act asks about.
func (j *judge) merged(f *Finding, asked []question) []Right {
	rights := join(f.Rights, func(r *Right) *[]string { return &r.Verbs })
	rights = join(rights, func(r *Right) *[]string { return &r.Namespaces })
	rights = join(rights, func(r *Right) *[]string { return &r.Resources })
	if f.Act != ActWrite && f.Act != ActBreakGlass {
		return rights
	}
	// All that can be written so, from where the binding is.
	every := map[string]bool{}
	for i := range asked {
		q := &asked[i]
		if q.act != f.Act || f.Namespace != "" && !q.anywhere && !q.itself {
			continue
		}
		if a := q.answer(f.Namespace); a.governed && (f.Act != ActWrite || a.held == f.Held) {
			every[resourceName(q.group, q.resource, q.subresource)] = true
		}
	}
	named := map[string]bool{}
	verbs := []string{}
	for _, r := range rights {
		if r.Names != nil && !slices.Equal(r.Names, []string{f.Namespace}) {
			return rights
		}
		for _, resource := range r.Resources {
			named[resource] = true
		}
		verbs = append(verbs, r.Verbs...)
	}
	if len(named) < len(every) {
		return rights
	}
	slices.SortFunc(verbs, byVerb)
	return []Right{{Verbs: slices.Compact(verbs), Resources: []string{"*"}}}
}

// join joins rights that are alike but for one of their lists.
func join(rights []Right, list func(*Right) *[]string) []Right {
	var out []Right
	at := map[string]int{}
	for _, r := range rights {
		rest := Right{Verbs: r.Verbs, Resources: r.Resources, Namespaces: r.Namespaces, Names: r.Names}
		*list(&rest) = nil
		key := rest.key()
		i, known := at[key]
		if !known {
			at[key] = len(out)
			out = append(out, Right{
				Verbs: slices.Clone(r.Verbs), Resources: slices.Clone(r.Resources), Namespaces: slices.Clone(r.Namespaces), Names: r.Names,
			})
			continue
		}
		joined := list(&out[i])
		*joined = append(*joined, *list(&r)...)
	}
	for i := range out {
		r := &out[i]
		slices.SortFunc(r.Verbs, byVerb)
		slices.Sort(r.Resources)
		slices.Sort(r.Namespaces)
		r.Verbs, r.Resources, r.Namespaces = slices.Compact(r.Verbs), slices.Compact(r.Resources), slices.Compact(r.Namespaces)
	}
	return out
}

// key tells rights apart. A right for any name is not one for none.
func (r *Right) key() string {
	named := "any"
	if r.Names != nil {
		named = "names " + strings.Join(r.Names, "\x00")
	}
	return strings.Join([]string{
		strings.Join(r.Verbs, " "), strings.Join(r.Resources, " "), strings.Join(r.Namespaces, " "), named,
	}, "\x01")
}

// byVerb keeps verbs in the order in which people say them.
func byVerb(a, b string) int {
	at := func(verb string) int {
		if i := slices.Index(append([]string{"get"}, writeVerbs()...), verb); i >= 0 {
			return i
		}
		return len(writeVerbs()) + 1
	}
	if at(a) != at(b) {
		return at(a) - at(b)
	}
	return strings.Compare(a, b)
}

// String says a right in one line: create, get of pods/exec in gitops.
func (r *Right) String() string {
	text := strings.Join(r.Verbs, ",") + " " + some(r.Resources, "resources")
	if len(r.Names) > 0 {
		text += " (only " + some(r.Names, "names") + ")"
	}
	if len(r.Namespaces) > 0 {
		text += " in " + some(r.Namespaces, "namespaces")
	}
	return text
}

const someMany = 4

// some lists a few, and counts the rest.
func some(list []string, what string) string {
	if len(list) <= someMany {
		return strings.Join(list, ", ")
	}
	return strings.Join(list[:someMany-1], ", ") + " and " + count(len(list)-someMany+1, "more "+what)
}
