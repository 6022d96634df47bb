package git

import (
	"slices"
	"strings"
)

// patterns is a pattern-list of ssh_config(5), PATTERNS: '*' and '?' are wildcards, and
// a pattern that begins with '!' takes away what the others give.
type patterns []string

func (p patterns) String() string { return strings.Join(p, ",") }

// matches compares without case, as principals are compared throughout.
func (p patterns) matches(name string) bool { return p.match(name, true) }

func (p patterns) match(text string, fold bool) bool {
	if fold {
		text = strings.ToLower(text)
	}
	found := false
	for _, pattern := range p {
		pattern, negated := strings.CutPrefix(pattern, "!")
		if fold {
			pattern = strings.ToLower(pattern)
		}
		if wildcard(pattern, text) {
			if negated {
				return false
			}
			found = true
		}
	}
	return found
}

// literals are the names of the list that are no patterns.
func (p patterns) literals() (names []string) {
	for _, pattern := range p {
		if pattern != "" && !strings.HasPrefix(pattern, "!") && !strings.ContainsAny(pattern, "*?") {
			names = append(names, pattern)
		}
	}
	return names
}

// spelled is the name as the list spells it, or in lower case where only a wildcard
// gives it.
func (p patterns) spelled(name string) string {
	same := func(literal string) bool { return strings.EqualFold(literal, name) }
	if literals := p.literals(); slices.ContainsFunc(literals, same) {
		return literals[slices.IndexFunc(literals, same)]
	}
	return strings.ToLower(name)
}

// wildcard matches in time proportional to the product of both lengths at worst.
func wildcard(pattern, text string) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
