package live

import (
	"fmt"
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// ParseEntry reads an inventory's entry back. Neither a name nor a group nor a kind
// has a "_" (Kubernetes, "Object Names and IDs"); names of RBAC objects may hold a
// ":", which stands as "__".
func ParseEntry(entry v1alpha1.InventoryEntry) (Ref, error) {
	namespace, rest, _ := strings.Cut(entry.ID, "_")
	rest, kind := cutLast(rest) // from the end: an empty group leaves two "_" side by side
	name, group := cutLast(rest)
	if name == "" || kind == "" || entry.Version == "" {
		return Ref{}, fmt.Errorf("entry %q (version %q): not of the form <namespace>_<name>_<group>_<kind>", entry.ID, entry.Version)
	}
	name = strings.ReplaceAll(name, "__", ":")
	return Ref{Key: Key{Group: group, Kind: kind, Namespace: namespace, Name: name}, Version: entry.Version}, nil
}

func cutLast(s string) (before, after string) {
	at := strings.LastIndexByte(s, '_')
	if at < 0 {
		return "", s
	}
	return s[:at], s[at+1:]
}
