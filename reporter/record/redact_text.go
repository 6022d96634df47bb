package record

import (
	"encoding/json"
	"regexp"
	"strings"
)

// secretInText finds a Secret written out in a text, as YAML or as JSON, quoted
// any number of times; stringData needs no kind.
var secretInText = regexp.MustCompile(`(?i)kind[\\"']*\s*:\s*[\\"']*Secret|stringData`)

// inString tells whether a text carries what must not be stored: a manifest in
// a ConfigMap, an object in an annotation. All of it goes then; cutting pieces
// out of somebody else's format is no way to be sure.
func (r redactor) inString(text string) bool {
	if strings.Contains(text, lastApplied) || secretInText.MatchString(text) {
		return true
	}
	for _, name := range r.inText {
		if name.MatchString(text) {
			return true
		}
	}
	return r.inJSON(text)
}

// inJSON reads a text that is JSON, since JSON can spell a letter in more ways
// than an expression finds.
func (r redactor) inJSON(text string) bool {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" || !strings.ContainsAny(trimmed[:1], `{["`) || !strings.Contains(text, `\`) {
		return false
	}
	var plain any
	if err := json.Unmarshal([]byte(trimmed), &plain); err != nil {
		return false
	}
	return r.within(plain, false)
}

func (r redactor) within(v any, secret bool) bool {
	switch v := v.(type) {
	case map[string]any:
		secret = secret || isSecret(v)
		for key, item := range v {
			if r.hides(key, secret) || r.within(item, secret) {
				return true
			}
		}
	case []any:
		for _, item := range v {
			if r.within(item, secret) {
				return true
			}
		}
	case string:
		return r.inString(v)
	}
	return false
}

// Paths are written without escapes, so they are judged as text: a name counts
// as a step wherever it could be one.

// path tells whether the values at a path are left out, and cuts off what of the path
// itself could be a value: the keys of a list's items.
func (r redactor) path(path string) (shown string, hidden bool) {
	if end := strings.Index(path, lastApplied); end >= 0 {
		return path[:end+len(lastApplied)], true
	}
	if r.secret {
		for _, field := range []string{".data", ".stringData"} {
			if rest, ok := strings.CutPrefix(path, field); ok && startsStep(rest) {
				return r.secretPath(field, rest), true
			}
		}
	}
	cut := -1
	for name := range r.names {
		cut = first(cut, stepEnd(path, name))
	}
	cut = first(cut, stepEnd(path, "stringData"))
	// Below the root, data may be that of an embedded Secret whose kind is not in
	// sight here.
	if len(path) > 0 {
		if end := stepEnd(path[1:], "data"); end >= 0 {
			cut = first(cut, end+1)
		}
	}
	if cut >= 0 {
		return path[:cut], true
	}
	return r.keysOf(path)
}

// first is the smaller of two places; -1 is none.
func first(a, b int) int {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

// secretPath shows the key of a Secret's data that changed, and nothing below.
func (r redactor) secretPath(field, rest string) string {
	if r.whole {
		return field
	}
	end := strings.IndexFunc(rest, func(c rune) bool {
		return !strings.ContainsRune("-._", c) && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	})
	if end < 0 {
		end = len(rest)
	}
	return field + rest[:end]
}

// stepEnd is where the first step of that name ends in the path, or -1.
func stepEnd(path, name string) int {
	lower, step := strings.ToLower(path), "."+strings.ToLower(name)
	for from := 0; ; {
		at := strings.Index(lower[from:], step)
		if at < 0 {
			return -1
		}
		end := from + at + len(step)
		if startsStep(lower[end:]) {
			return min(end, len(path))
		}
		from = end
	}
}

func startsStep(rest string) bool { return rest == "" || rest[0] == '.' || rest[0] == '[' }

// keysOf hides a path whose list keys or set members carry what is left out.
func (r redactor) keysOf(path string) (string, bool) {
	at := strings.IndexByte(path, '[')
	if at < 0 {
		return path, false
	}
	lower := strings.ToLower(path)
	for name := range r.names {
		if strings.Contains(lower, "["+name+"=") || strings.Contains(lower, ","+name+"=") {
			return path[:at], true
		}
	}
	if r.inString(path[at:]) {
		return path[:at], true
	}
	return path, false
}
