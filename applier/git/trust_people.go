package git

import (
	"slices"
	"strings"
)

// people tells persons apart: marks (a key, a name) that belong to one person lead to
// the same root. The trust roots say which belong together: whoever holds a key is one
// person under however many principals, and whoever has a principal is one person with
// however many keys. So nobody counts twice by having two names, or SSH and OpenPGP.
type people map[string]string

func keyMark(fingerprint string) string { return "key " + fingerprint }

// nameMark ignores case: nobody has two mailboxes that differ in it only.
func nameMark(name string) string { return "name " + strings.ToLower(strings.TrimSpace(name)) }

func (p people) root(mark string) string {
	for {
		next, ok := p[mark]
		if !ok {
			return mark
		}
		mark = next
	}
}

func (p people) join(a, b string) {
	if a, b = p.root(a), p.root(b); a != b {
		p[a] = b
	}
}

// among tells the persons apart who made these signatures. A key for a wildcard signs
// under many names: whatever such a key links is one person here, so that its holder
// never counts for two.
func (p people) among(signers ...[]signer) func(signer) string {
	linked := people{}
	for _, who := range slices.Concat(signers...) {
		if who.key != "" {
			linked.join(p.root(keyMark(who.key)), p.root(nameMark(who.name)))
		}
	}
	return func(who signer) string { return linked.root(p.root(nameMark(who.name))) }
}

// others are those persons among them who are none of the authors, each by one name,
// sorted.
func (p people) others(them, authors []signer) []string {
	person := p.among(them, authors)
	seen := map[string]bool{}
	for _, author := range authors {
		seen[person(author)] = true
	}
	names := []string{}
	for _, who := range slices.SortedFunc(slices.Values(them), byName) {
		if id := person(who); !seen[id] {
			seen[id] = true
			names = append(names, who.name)
		}
	}
	return names
}

func byName(a, b signer) int { return strings.Compare(a.name, b.name) }
