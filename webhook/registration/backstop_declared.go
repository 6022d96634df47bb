package registration

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitlatch/gitlatch/policy"
)

/*
What git declared, by managedFields. The API server takes a path from the entry of whoever
owned it when somebody else writes it, so a write that leaves every entry of the sync
identities as it was touches nothing that git declared. A value that another webhook
changed under the same entry is not seen here, and is the webhook's to see.
*/

// maxEntries bounds the entries of sync identities that are compared with each other.
const maxEntries = 64

// syncEntries are those of these field managers, but on the status.
func (b *backstop) syncEntries(side string, managers []string) string {
	return b.let(side+"Declared"+b.managersIndex(managers), fmt.Sprintf(`%s.filter(e, type(e) == map && %s && %s != "status")`,
		list(b.child(side, "metadata"), "managedFields"), among(text("e", "manager"), managers), text("e", "subresource")))
}

// managersIndex tells sets of managers apart, for the names of variables.
func (b *backstop) managersIndex(managers []string) string {
	key := strings.Join(managers, "\n")
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

// kept: the entries of git's carriers are as they were. Whoever brings more of them than
// are compared has not kept them; of an old object with so many it can't be told.
func (b *backstop) kept(managers []string) string {
	was, now := b.syncEntries("was", managers), b.syncEntries("now", managers)
	var alike []string
	for _, field := range []string{"manager", "operation", "apiVersion", "subresource"} {
		alike = append(alike, "("+text("o", field)+" == "+text("e", field)+")")
	}
	alike = append(alike, `"fieldsV1" in o`, `"fieldsV1" in e`, "(o.fieldsV1 == e.fieldsV1)")
	return b.let("kept"+b.managersIndex(managers), fmt.Sprintf("(size(%[1]s) > %[3]d || (size(%[2]s) <= %[3]d && %[1]s.all(e, %[2]s.exists(o, %[4]s))))",
		was, now, maxEntries, allOf(alike...)))
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
