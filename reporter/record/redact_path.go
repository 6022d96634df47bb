package record

import (
	"encoding/json"
	"strings"
)

// Paths are judged as text: a name counts as a step wherever it could be one, as
// .name, as ["name"], and as the value of a list's key.

// path tells whether the values at a path are left out, and cuts off what of the path
// itself could be a value: the keys of a list's items. What it shows ends with a
// whole step, so that it can be read back.
func (r redactor) path(path string) (shown string, hidden bool) {
	if end := strings.Index(path, lastApplied); end >= 0 {
		end += len(lastApplied)
		if strings.HasPrefix(path[end:], `"]`) {
			end += len(`"]`)
		}
		return path[:end], true
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
		return wholeSteps(path, cut), true
	}
	if path, hidden = r.keysOf(path); hidden {
		return path, true
	}
	return path, r.ofNamedItem(path)
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
	if inside, ok := strings.CutPrefix(rest, `["`); ok {
		if end := secretKeyEnd(inside); strings.HasPrefix(inside[end:], `"]`) {
			return field + rest[:end+len(`[""]`)]
		}
		return field
	}
	return field + rest[:secretKeyEnd(rest)]
}

// secretKeyEnd is where the letters that a key of a Secret may have end.
func secretKeyEnd(s string) int {
	end := strings.IndexFunc(s, func(c rune) bool {
		return !strings.ContainsRune("-._", c) && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	})
	if end < 0 {
		return len(s)
	}
	return end
}

// stepEnd is where the first step of that name ends in the path, or -1.
func stepEnd(path, name string) int {
	lower, name := strings.ToLower(path), strings.ToLower(name)
	end := -1
	if raw, err := json.Marshal(name); err == nil {
		step := "[" + string(raw) + "]"
		if at := strings.Index(lower, step); at >= 0 {
			end = at + len(step)
		}
	}
	step := "." + name
	for from := 0; ; {
		at := strings.Index(lower[from:], step)
		if at < 0 {
			break
		}
		from += at + len(step)
		if startsStep(lower[from:]) {
			end = first(end, from)
			break
		}
	}
	return min(end, len(path))
}

func startsStep(rest string) bool { return rest == "" || rest[0] == '.' || rest[0] == '[' }

// wholeSteps cuts a path at end, or before the bracket that is open there: what is
// in it may go on.
func wholeSteps(path string, end int) string {
	open, quoted := -1, false
	for i := 0; i < end; i++ {
		switch c := path[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[':
			open = i
		case c == ']':
			open = -1
		}
	}
	if open >= 0 {
		return path[:open]
	}
	return path[:end]
}

// keysOf hides a path whose list keys or set members carry what is left out.
func (r redactor) keysOf(path string) (string, bool) {
	at := strings.IndexByte(path, '[')
	if at < 0 {
		return path, false
	}
	lower := strings.ToLower(path)
	for name := range r.names {
		raw := string(jsonOf(name))
		if strings.Contains(lower, "["+name+"=") || strings.Contains(lower, ","+name+"=") || strings.Contains(lower, raw+"=") {
			return path[:at], true
		}
	}
	if r.inKeys(path[at:]) {
		return path[:at], true
	}
	return path, false
}

// ofNamedItem tells a path within an item that bears a listed name, such as
// .env[name="DB_PASSWORD"].value.
func (r redactor) ofNamedItem(path string) bool {
	if !strings.Contains(path, "=") {
		return false
	}
	lower := strings.ToLower(path)
	for name := range r.names {
		raw, err := json.Marshal(name)
		if err != nil || strings.Contains(lower, "="+string(raw)) {
			return true
		}
	}
	return false
}
