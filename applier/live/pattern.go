package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

/*
pattern is a path to a field of an object, as people write it:

	spec.replicas                                    fields
	metadata.annotations["example.com/note"]         a field whose name is no plain word
	spec.template.spec.containers[name="web"].image  the item of a list with this key
	spec.template.spec.containers[0].image           the item at an index
	webhooks[*].clientConfig.caBundle                every item
*/
type pattern []step

type stepKind byte

const (
	fieldStep stepKind = iota
	keyStep
	indexStep
	anyStep
)

type step struct {
	kind  stepKind
	field string
	keys  map[string]any
	index int
}

var (
	errEmptyPath = errors.New("the path is empty")
	errNoText    = errors.New("the path is not in UTF-8")
)

func parsePattern(text string) (pattern, error) {
	if text == "" {
		return nil, errEmptyPath
	}
	if !utf8.ValidString(text) {
		return nil, errNoText
	}
	var p pattern
	for rest := text; rest != ""; {
		var s step
		var err error
		switch {
		case rest[0] == '[':
			s, rest, err = parseBracket(rest)
		case rest[0] == '.' || len(p) == 0:
			s, rest, err = parseField(strings.TrimPrefix(rest, "."))
		default:
			err = fmt.Errorf("expected a dot or a bracket at %q", rest)
		}
		if err != nil {
			return nil, err
		}
		p = append(p, s)
	}
	return p, nil
}

func parseField(s string) (step, string, error) {
	end := strings.IndexAny(s, ".[")
	if end < 0 {
		end = len(s)
	}
	if end == 0 {
		return step{}, "", fmt.Errorf("a field without a name before %q", s)
	}
	if strings.ContainsAny(s[:end], "]\"= ") {
		return step{}, "", fmt.Errorf(`%q is no plain name: write ["name"]`, s[:end])
	}
	return step{kind: fieldStep, field: s[:end]}, s[end:], nil
}

func parseBracket(s string) (step, string, error) {
	inside, rest, err := enclosed(s)
	if err != nil {
		return step{}, "", err
	}
	switch {
	case inside == "*":
		return step{kind: anyStep}, rest, nil
	case strings.HasPrefix(inside, `"`):
		var name string
		if err := json.Unmarshal([]byte(inside), &name); err != nil {
			return step{}, "", fmt.Errorf("reading the name %s: %w", inside, err)
		}
		return step{kind: fieldStep, field: name}, rest, nil
	case inside != "" && strings.Trim(inside, "0123456789") == "":
		n, err := strconv.Atoi(inside)
		if err != nil {
			return step{}, "", fmt.Errorf("reading the index %s: %w", inside, err)
		}
		return step{kind: indexStep, index: n}, rest, nil
	}
	keys, err := parseKeys(inside)
	return step{kind: keyStep, keys: keys}, rest, err
}

// enclosed returns what is between the bracket at 0 and the one that closes it.
func enclosed(s string) (inside, rest string, err error) {
	quoted := false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ']' && !quoted:
			return s[1:i], s[i+1:], nil
		}
	}
	return "", "", fmt.Errorf("a bracket is not closed in %q", s)
}

// parseKeys reads name="web" or containerPort=80,protocol="TCP".
func parseKeys(s string) (map[string]any, error) {
	keys := map[string]any{}
	for rest := s; ; {
		name, value, found := strings.Cut(rest, "=")
		if !found || name == "" || strings.ContainsAny(name, `" ,[]`) {
			return nil, fmt.Errorf(`expected an index, *, "name" or name="value" in [%s]`, s)
		}
		d := json.NewDecoder(strings.NewReader(value))
		var v any
		if err := d.Decode(&v); err != nil {
			return nil, fmt.Errorf("reading the value of %s in [%s]: %w", name, s, err)
		}
		switch v.(type) {
		case string, float64, bool:
		default:
			return nil, fmt.Errorf("the value of %s in [%s] is no text, number or truth", name, s)
		}
		keys[name] = v
		rest = value[d.InputOffset():]
		if rest == "" {
			return keys, nil
		}
		if !strings.HasPrefix(rest, ",") {
			return nil, fmt.Errorf("expected a comma at %q", rest)
		}
		rest = rest[1:]
	}
}

// String writes the pattern so that it reads back as the same.
func (p pattern) String() string {
	var b strings.Builder
	for _, s := range p {
		switch s.kind {
		case fieldStep:
			b.WriteString(fieldText(s.field))
		case anyStep:
			b.WriteString("[*]")
		case indexStep:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case keyStep:
			b.WriteString(keysText(s.keys))
		}
	}
	return b.String()
}

// hasKeys: the item has these values; numbers are compared as numbers.
func hasKeys(item any, keys map[string]any) bool {
	m, ok := item.(map[string]any)
	if !ok {
		return false
	}
	for k, want := range keys {
		if got, there := m[k]; !there || !sameScalar(got, want) {
			return false
		}
	}
	return true
}

func sameScalar(a, b any) bool {
	x, isNumber := number(a)
	y, also := number(b)
	if isNumber && also {
		return x == y
	}
	return reflect.DeepEqual(a, b)
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	case int:
		return float64(n), true
	}
	return 0, false
}
