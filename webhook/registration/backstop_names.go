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

// maxInline bounds the text that is said in place. What is longer becomes a variable, so that an expression that says much
// of one policy stays as far from the limit as one that says little of many.
const maxInline = 2 << 10

// brief is an expression, or the variable that holds it.
func (b *backstop) brief(expression string) string {
	if len(expression) <= maxInline {
		return expression
	}
	expression = b.short.Replace(expression)
	for _, v := range b.variables {
		if v.Expression == expression {
			return "variables." + v.Name
		}
	}
	return b.let(fmt.Sprintf("long%d", len(b.variables)), expression)
}

// briefly joins terms, as many as there may be.
func (b *backstop) briefly(join func(...string) string, terms []string) string {
	if all := join(terms...); len(all) <= maxInline {
		return all
	}
	var out []string
	for _, part := range parts(terms) {
		out = append(out, b.brief(join(part...)))
	}
	return join(out...)
}

// anyRule is [anyRule], however many rules there are.
func (b *backstop) anyRule(rules []v1alpha1.ResourceRule) string {
	return b.anyRuleOf(celGroup, celResource, rules)
}

func (b *backstop) anyRuleOf(group, resource string, rules []v1alpha1.ResourceRule) string {
	var terms []string
	for _, r := range rules {
		terms = append(terms, anyRuleOf(group, resource, []v1alpha1.ResourceRule{r}))
	}
	return b.briefly(anyOf, terms)
}

// managed: the entry of managedFields is one of these field managers'.
func (b *backstop) managed(entry string, managers []string) string {
	name := text(entry, "manager")
	if test := among(name, managers); len(test) <= maxInline {
		return test
	}
	return b.set("managers"+b.managersIndex(managers)+"_", managers)(name)
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
	key := fmt.Sprintf("%q", groups)
	at := slices.Index(b.glasses, key)
	if at < 0 {
		at = len(b.glasses)
		b.glasses = append(b.glasses, key)
	}
	return b.union(fmt.Sprintf("member%d", at), terms)
}
