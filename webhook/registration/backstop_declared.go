package registration

import (
	"fmt"
	"slices"

	"github.com/gitlatch/gitlatch/policy"
)

/*
What git declared, by managedFields. The API server takes a path from the entry of whoever
owned it when somebody else writes it, so a write that leaves every entry of the sync
identities as it was touches nothing that git declared. The one exception is [openKey]. A value that another webhook
changed under the same entry is not seen here, and is the webhook's to see.
*/

// maxEntries bounds the entries of sync identities that are compared with each other.
const maxEntries = 64

// syncEntries are those of these field managers, but on the status.
func (b *backstop) syncEntries(side string, managers []string) string {
	return b.let(side+"Declared"+b.managersIndex(managers), fmt.Sprintf(`%s.filter(e, type(e) == map && %s && %s != "status")`,
		list(b.child(side, "metadata"), "managedFields"), b.managed("e", managers), text("e", "subresource")))
}

// managersIndex tells sets of managers apart, for the names of variables.
func (b *backstop) managersIndex(managers []string) string {
	key := fmt.Sprintf("%q", managers)
	at := slices.Index(b.managers, key)
	if at < 0 {
		at = len(b.managers)
		b.managers = append(b.managers, key)
	}
	return fmt.Sprint(at)
}

// declared: git declared the old object. Of one with more entries than are looked at it
// can't be told.
func (b *backstop) declared(managers []string) string {
	return "(size(" + b.syncEntries("was", managers) + ") > 0)"
}

// kept: the entries of git's carriers hold what they held. Whoever brings more of them than
// are compared has not kept them; of an old object with so many it can't be told.
func (b *backstop) kept(managers []string) string {
	was, now := b.syncEntries("was", managersOf(b.policies...)), b.syncEntries("now", managersOf(b.policies...))
	return b.let("kept"+b.managersIndex(managers), fmt.Sprintf("(size(%[1]s) > %[3]d || (size(%[2]s) <= %[3]d && %[4]s.all(e, e in %[5]s)))",
		was, now, maxEntries, b.syncEntries("was", managers), b.stayed(was, now)))
}

// stayed are the old entries that hold what they held, of all sync identities: compared
// once, whatever the number of policies.
func (b *backstop) stayed(was, now string) string {
	var alike []string
	for _, field := range []string{"manager", "operation", "apiVersion", "subresource"} {
		alike = append(alike, "("+text("o", field)+" == "+text("e", field)+")")
	}
	alike = append(alike, sameOwned("e", "o"))
	return b.let("stayed", fmt.Sprintf("size(%[1]s) <= %[3]d && size(%[2]s) <= %[3]d ? %[1]s.filter(e, %[4]s || %[2]s.exists(o, %[5]s)) : dyn([])",
		was, now, maxEntries, nothingOwned("e"), allOf(alike...)))
}

// below is [backstop.child] of a value in a loop, which can't be a variable.
func below(in, key string) string {
	return fmt.Sprintf(`(%[1]s in %[2]s && type(%[2]s[%[1]s]) == map ? %[2]s[%[1]s] : dyn({}))`, quote(key), in)
}

// openKey: labels or annotations that git wrote as an empty map. It declares none of their
// keys, and its entry loses the path when somebody else sets one (policy/walk.go).
func openKey(metadata, key string) string {
	return fmt.Sprintf(`(%[2]s in ["f:labels", "f:annotations"] && %[1]s[%[2]s] == {})`, metadata, key)
}

// nothingOwned: an entry of nothing but open maps, which goes with them.
func nothingOwned(entry string) string {
	fields := below(entry, "fieldsV1")
	metadata := below(fields, "f:metadata")
	return allOf(`"fieldsV1" in `+entry, "(size("+fields+") == 1)", "(size("+metadata+") > 0)",
		metadata+".all(k, "+openKey(metadata, "k")+")")
}

// sameOwned: one entry holds what another held, but for open maps.
func sameOwned(was, now string) string {
	whole := allOf(`"fieldsV1" in `+was, `"fieldsV1" in `+now)
	before, after := below(was, "fieldsV1"), below(now, "fieldsV1")
	metaBefore, metaAfter := below(before, "f:metadata"), below(after, "f:metadata")
	return allOf(whole, anyOf("("+was+".fieldsV1 == "+now+".fieldsV1)", allOf(
		fmt.Sprintf(`%[1]s.all(k, k == "f:metadata" || (k in %[2]s && %[2]s[k] == %[1]s[k]))`, before, after),
		fmt.Sprintf(`%[2]s.all(k, k in %[1]s)`, before, after),
		fmt.Sprintf(`%[1]s.all(k, %[3]s || (k in %[2]s && %[2]s[k] == %[1]s[k]))`, metaBefore, metaAfter, openKey(metaBefore, "k")),
		fmt.Sprintf(`%[2]s.all(k, k in %[1]s)`, metaBefore, metaAfter),
	)))
}

func managersOf(policies ...*policy.Policy) []string {
	var out []string
	for _, p := range policies {
		for i := range p.Spec.Sync {
			out = append(out, p.Spec.Sync[i].FieldManagers...)
		}
	}
	return sorted(out)
}
