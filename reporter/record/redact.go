package record

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
)

// What stands in the place of a value.
const (
	redacted       = "***"
	redactedBefore = "*** (before)"
	redactedAfter  = "*** (after)"
)

// lastApplied holds a whole object as a string, its secrets included.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// A redactor takes out values: the data of Secrets, wherever one is embedded;
// last-applied annotations; and fields of the given names at any depth. In
// doubt it takes out more: a record that says less does no harm.
type redactor struct {
	secret bool                // the object itself is a Secret
	whole  bool                // it is created or deleted: not even the keys of its data
	names  map[string]struct{} // lower case
	inText []*regexp.Regexp    // the names, as a key within a text
	asName []*regexp.Regexp    // the names, as that of an item within a text
}

func newRedactor(e *Entry) redactor {
	request := e.Spec.Request
	r := redactor{
		secret: isSecretKind(request.Kind) || request.Group == "" && strings.EqualFold(request.Resource, "secrets"),
		whole:  request.Operation == operationCreate || request.Operation == operationDelete,
		names:  map[string]struct{}{},
	}
	for _, name := range e.Redact {
		r.names[strings.ToLower(name)] = struct{}{}
		quoted := regexp.QuoteMeta(name)
		r.inText = append(r.inText, regexp.MustCompile(`(?i)(^|[^\w-])`+quoted+`[\\"']*\s*[:=]`))
		r.asName = append(r.asName, regexp.MustCompile(`(?i)name[\\"']*\s*[:=]\s*[\\"']*`+quoted+`([^\w-]|$)`))
	}
	return r
}

// change redacts one change. What differs and is not shown says at least which
// side was which.
func (r redactor) change(c Change) Change {
	path, hidden := r.path(c.Path)
	c.Path = path
	if hidden {
		c.From, c.To = hide(c.From, c.To, c.HasFrom && c.HasTo)
		return c
	}
	inside := r.secret && (path == "" || path == ".")
	if c.HasFrom && c.HasTo {
		c.From, c.To = r.pair(c.From, c.To, inside)
		return c
	}
	c.From, c.To = r.value(c.From, inside), r.value(c.To, inside)
	return c
}

func hide(from, to any, both bool) (any, any) {
	if both && !reflect.DeepEqual(from, to) {
		return redactedBefore, redactedAfter
	}
	return redacted, redacted
}

// pair walks two sides together, as far as they have the same shape.
func (r redactor) pair(from, to any, secret bool) (any, any) {
	a, isA := from.(map[string]any)
	b, isB := to.(map[string]any)
	if isA && isB {
		return r.pairOfMaps(a, b, secret || isSecret(a) || isSecret(b))
	}
	x, y := r.value(from, secret), r.value(to, secret)
	if x == redacted && y == redacted {
		return hide(from, to, true)
	}
	return x, y
}

func (r redactor) pairOfMaps(a, b map[string]any, secret bool) (any, any) {
	x, y := make(map[string]any, len(a)), make(map[string]any, len(b))
	named := r.named(a) || r.named(b)
	for key, from := range a {
		to, both := b[key]
		switch {
		case r.hides(key, secret, named):
			x[key], _ = hide(from, to, both)
		case both:
			x[key], _ = r.pair(from, to, secret)
		default:
			x[key] = r.value(from, secret)
		}
	}
	for key, to := range b {
		from, both := a[key]
		switch {
		case r.hides(key, secret, named):
			_, y[key] = hide(from, to, both)
		case both:
			_, y[key] = r.pair(from, to, secret)
		default:
			y[key] = r.value(to, secret)
		}
	}
	return x, y
}

// value redacts a copy of v. secret says that v is a Secret or part of one.
func (r redactor) value(v any, secret bool) any {
	switch v := v.(type) {
	case map[string]any:
		secret = secret || isSecret(v)
		named := r.named(v)
		out := make(map[string]any, len(v))
		for key, item := range v {
			if r.hides(key, secret, named) {
				out[key] = redacted
				continue
			}
			out[key] = r.value(item, secret)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = r.value(item, secret)
		}
		return out
	case string:
		if r.inString(v) {
			return redacted
		}
		return v
	case nil, bool, int64, float64, int, int32, uint64, json.Number:
		return v
	}
	return r.other(v, secret)
}

// other brings a typed value into the shape that JSON gives it.
func (r redactor) other(v any, secret bool) any {
	raw, err := json.Marshal(v)
	if err != nil {
		return redacted
	}
	var plain any
	if err := json.Unmarshal(raw, &plain); err != nil {
		return redacted
	}
	return r.value(plain, secret)
}

// hides tells whether the value under a key is left out. stringData is a word
// of Secrets alone, so it needs no kind beside it. named says that the name beside
// the key is one of those listed.
func (r redactor) hides(key string, secret, named bool) bool {
	if key == lastApplied || strings.EqualFold(key, "stringData") || secret && strings.EqualFold(key, "data") ||
		named && strings.EqualFold(key, "value") {
		return true
	}
	_, listed := r.names[strings.ToLower(key)]
	return listed
}

// named tells an item whose name is listed, such as an environment variable's.
func (r redactor) named(item map[string]any) bool {
	for key, value := range item {
		if name, ok := value.(string); ok && strings.EqualFold(key, "name") {
			if _, listed := r.names[strings.ToLower(name)]; listed {
				return true
			}
		}
	}
	return false
}

func isSecret(object map[string]any) bool {
	for key, value := range object {
		kind, _ := value.(string)
		if strings.EqualFold(key, "kind") && isSecretKind(kind) {
			return true
		}
	}
	return false
}

func isSecretKind(kind string) bool {
	return strings.EqualFold(kind, "Secret") || strings.EqualFold(kind, "SecretList")
}
