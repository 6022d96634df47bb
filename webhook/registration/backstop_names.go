package registration

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

/*
However many policies and names there are, no expression grows with all of them: what is
many is kept in variables, each far below the 100,000 characters that are compiled. A
backstop that is too long would be refused, and the one before it would stay, denying
what newer policies allow.
*/

// maxText bounds the text of a variable that holds many.
const maxText = 32 << 10

// union is an alternative of many terms.
func (b *backstop) union(name string, terms []string) string {
	if all := anyOf(terms...); all == "true" || all == "false" {
		return all
	}
	var names []string
	for i, part := range parts(terms) {
		names = append(names, b.let(numbered(name, i), anyOf(part...)))
	}
	return anyOf(names...)
}

// set keeps names in maps, of which is asked in one step however many they hold: a loop
// over subjects can't use up what an expression may cost. It returns the test whether a
// value is one of them.
func (b *backstop) set(name string, members []string) func(value string) string {
	var entries, names []string
	for _, m := range sorted(slices.Clone(members)) {
		entries = append(entries, quote(m)+": true")
	}
	for i, part := range parts(entries) {
		names = append(names, b.let(numbered(name, i), "{"+strings.Join(part, ", ")+"}"))
	}
	return func(value string) string {
		var terms []string
		for _, n := range names {
			terms = append(terms, "("+value+" in "+n+")")
		}
		return anyOf(terms...)
	}
}

// parts cuts a list where its text grows too long.
func parts(list []string) [][]string {
	var out [][]string
	size := 0
	for _, s := range list {
		if len(out) == 0 || size+len(s) > maxText {
			out, size = append(out, nil), 0
		}
		out[len(out)-1] = append(out[len(out)-1], s)
		size += len(s)
	}
	return out
}

func numbered(name string, i int) string {
	if i == 0 {
		return name
	}
	return fmt.Sprintf("%s_%d", name, i)
}

// of names a variable of one policy.
func (b *backstop) of(name string, p *policy.Policy) string {
	return fmt.Sprintf("%s%d", name, slices.Index(b.policies, p))
}

// untrusted: an account that these entries judge as a person.
func (b *backstop) untrusted(name string, accounts []v1alpha1.AccountMatch) string {
	var terms []string
	for _, a := range accounts {
		terms = append(terms, isUntrusted([]v1alpha1.AccountMatch{a}))
	}
	return b.union(name, terms)
}

// member: the requester is in one of the groups.
func (b *backstop) member(groups []string) string {
	groups = sorted(slices.Clone(groups))
	var terms []string
	for _, g := range groups {
		terms = append(terms, inGroup(g))
	}
	key := strings.Join(groups, "\n")
	at := slices.Index(b.glasses, key)
	if at < 0 {
		at = len(b.glasses)
		b.glasses = append(b.glasses, key)
	}
	return b.union(fmt.Sprintf("member%d", at), terms)
}
