package policy

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// appendField writes a field step.
func appendField(b []byte, name string) []byte {
	if plainWord(name) {
		return append(append(b, '.'), name...)
	}
	b = append(b, '[')
	b = appendJSON(b, name)
	return append(b, ']')
}

// plainWord: the name needs no quotes in a path.
func plainWord(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '$') {
			return false
		}
	}
	return name != ""
}

func appendJSON(b []byte, v any) []byte {
	switch x := v.(type) {
	case string:
		if simpleString(x) {
			return append(append(append(b, '"'), x...), '"')
		}
	case int64:
		return strconv.AppendInt(b, x, 10)
	case bool:
		return strconv.AppendBool(b, x)
	}
	j, err := json.Marshal(v)
	if err != nil {
		return append(b, "null"...)
	}
	return append(b, j...)
}

func simpleString(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// appendKeys writes a key step.
func appendKeys(b []byte, keys map[string]any) []byte {
	names := make([]string, 0, len(keys))
	for k := range keys {
		names = append(names, k)
	}
	slices.Sort(names)
	b = append(b, '[')
	for i, n := range names {
		if i > 0 {
			b = append(b, ',')
		}
		if plainWord(n) {
			b = append(b, n...)
		} else {
			b = appendJSON(b, n)
		}
		b = append(b, '=')
		b = appendJSON(b, keys[n])
	}
	return append(b, ']')
}

func appendIndex(b []byte, i int) []byte {
	return append(strconv.AppendInt(append(b, '['), int64(i), 10), ']')
}

// pathOf writes a stack of managedFields keys (f:, k:, v:, i:) as a path. A key
// that is none of these stands as it is, in quotes.
func pathOf(stack []string) string {
	var b []byte
	for _, key := range stack {
		kind, rest, found := strings.Cut(key, ":")
		if !found {
			kind = ""
		}
		switch kind {
		case "f":
			b = appendField(b, rest)
			continue
		case "k":
			if v, err := parseJSON(rest); err == nil {
				if keys, ok := v.(map[string]any); ok && len(keys) > 0 {
					b = appendKeys(b, keys)
					continue
				}
			}
		case "v":
			if v, err := parseJSON(rest); err == nil {
				b = append(appendJSON(append(b, "[="...), v), ']')
				continue
			}
		case "i":
			if i, err := strconv.Atoi(rest); err == nil && i >= 0 {
				b = appendIndex(b, i)
				continue
			}
		}
		b = appendField(b, key)
	}
	return string(b)
}
