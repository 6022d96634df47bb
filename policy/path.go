package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

/*
Paths are written as managedFields means them, and unambiguously, so that a path
in a record can be read back:

	.spec.replicas                        fields
	.metadata.annotations["a.b/c"]        a field whose name is no plain word
	.containers[name="web"]               the item of a list with these keys
	.finalizers[="a.b/c"]                 the item of a set
	.args[0]                              the item at an index
	.webhooks[*].clientConfig             every item (in a pattern only)
*/

type stepKind byte

const (
	fieldStep stepKind = iota
	keyStep
	valueStep
	indexStep
	anyStep
)

// step is one element of a path.
type step struct {
	kind  stepKind
	field string
	keys  map[string]any // keyStep
	value any            // valueStep
	index int            // indexStep
}

type fieldPattern []step

var errEmptyPath = errors.New("an empty path")

// parsePattern reads a path of a policy; the leading dot may be left out.
func parsePattern(s string) (fieldPattern, error) {
	if s != "" && s[0] != '.' && s[0] != '[' {
		s = "." + s
	}
	return parsePath(s)
}

// parsePath reads a path.
func parsePath(s string) ([]step, error) {
	if s == "" {
		return nil, errEmptyPath
	}
	var steps []step
	for s != "" {
		st, rest, err := parseStep(s)
		if err != nil {
			return nil, err
		}
		steps, s = append(steps, st), rest
	}
	return steps, nil
}

func parseStep(s string) (step, string, error) {
	switch s[0] {
	case '.':
		end := strings.IndexAny(s[1:], ".[")
		if end < 0 {
			end = len(s) - 1
		}
		name := s[1 : 1+end]
		if name == "" {
			return step{}, "", fmt.Errorf("a field without a name before %q", s)
		}
		return step{kind: fieldStep, field: name}, s[1+end:], nil
	case '[':
		end := closing(s)
		if end < 0 {
			return step{}, "", fmt.Errorf("a bracket is not closed in %q", s)
		}
		st, err := parseBracket(s[1:end])
		return st, s[end+1:], err
	}
	return step{}, "", fmt.Errorf("expected a dot or a bracket at %q", s)
}

// closing finds the bracket that closes the one at 0, outside of strings.
func closing(s string) int {
	if i := endOf(s[1:], ']'); i >= 0 {
		return 1 + i
	}
	return -1
}

// endOf finds a byte outside of strings, lists and objects; -1 if it is not there.
func endOf(s string, what byte) int {
	quoted, depth := false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == what && depth == 0:
			return i
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		}
	}
	return -1
}

func parseBracket(s string) (step, error) {
	switch {
	case s == "*":
		return step{kind: anyStep}, nil
	case strings.HasPrefix(s, `"`) && endOf(s, '=') < 0:
		name, err := unquote(s)
		return step{kind: fieldStep, field: name}, err
	case strings.HasPrefix(s, "="):
		v, err := parseJSON(s[1:])
		return step{kind: valueStep, value: v}, err
	}
	if n, err := strconv.Atoi(s); err == nil && n >= 0 {
		return step{kind: indexStep, index: n}, nil
	}
	keys, err := parseKeys(s)
	return step{kind: keyStep, keys: keys}, err
}

func parseKeys(s string) (map[string]any, error) {
	keys := map[string]any{}
	for s != "" {
		eq := endOf(s, '=')
		if eq <= 0 {
			return nil, fmt.Errorf(`expected name="value" at %q`, s)
		}
		name, rest := s[:eq], s[eq+1:]
		if name[0] == '"' {
			var err error
			if name, err = unquote(name); err != nil {
				return nil, err
			}
		}
		end := endOf(rest, ',')
		if end < 0 {
			end = len(rest)
		}
		v, err := parseJSON(rest[:end])
		if err != nil {
			return nil, err
		}
		keys[name] = v
		s = strings.TrimPrefix(rest[end:], ",")
	}
	if len(keys) == 0 {
		return nil, errEmptyPath
	}
	return keys, nil
}

func unquote(s string) (string, error) {
	var name string
	if err := json.Unmarshal([]byte(s), &name); err != nil {
		return "", fmt.Errorf("reading the field name %s: %w", s, err)
	}
	return name, nil
}

func parseJSON(s string) (any, error) {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("reading the value %s: %w", s, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("reading the value %s: more follows it", s)
	}
	return plain(v), nil
}

// plain turns the numbers of a decoder into int64 where they are whole.
func plain(v any) any {
	switch x := v.(type) {
	case json.Number:
		if i, err := x.Int64(); err == nil {
			return i
		}
		f, _ := x.Float64()
		return f
	case map[string]any:
		for k := range x {
			x[k] = plain(x[k])
		}
	case []any:
		for i := range x {
			x[i] = plain(x[i])
		}
	}
	return v
}

// covers says whether what the path names is at or below the pattern.
func (p fieldPattern) covers(path []step) bool {
	if len(path) < len(p) {
		return false
	}
	for i, want := range p {
		got := path[i]
		if want.kind == anyStep {
			if got.kind == fieldStep {
				return false
			}
			continue
		}
		if !sameStep(want, got) {
			return false
		}
	}
	return true
}

func sameStep(a, b step) bool {
	return a.kind == b.kind && a.field == b.field && a.index == b.index &&
		equal(a.value, b.value) && equalMaps(a.keys, b.keys)
}

// resolve finds what a path names in a value.
func resolve(v any, path []step) (any, bool) {
	for _, s := range path {
		var ok bool
		if v, ok = s.in(v); !ok {
			return nil, false
		}
	}
	return v, true
}

func (s *step) in(v any) (any, bool) {
	if s.kind == fieldStep {
		m, _ := v.(map[string]any)
		out, ok := m[s.field]
		return out, ok
	}
	items, _ := v.([]any)
	switch s.kind {
	case indexStep:
		if s.index < len(items) {
			return items[s.index], true
		}
	case valueStep:
		if i := slices.IndexFunc(items, func(x any) bool { return equal(x, s.value) }); i >= 0 {
			return items[i], true
		}
	case keyStep:
		if i := slices.IndexFunc(items, func(x any) bool { return hasKeys(x, s.keys) }); i >= 0 {
			return items[i], true
		}
	}
	return nil, false
}

// all finds every item that a step by key or by value names: a list may hold one
// twice.
func (s *step) all(v any) []any {
	items, _ := v.([]any)
	var out []any
	for _, x := range items {
		if s.kind == keyStep && hasKeys(x, s.keys) || s.kind == valueStep && equal(x, s.value) {
			out = append(out, x)
		}
	}
	return out
}

func hasKeys(item any, keys map[string]any) bool {
	m, ok := item.(map[string]any)
	if !ok {
		return false
	}
	for k, want := range keys {
		got, ok := m[k]
		if !ok || !equal(got, want) {
			return false
		}
	}
	return true
}
