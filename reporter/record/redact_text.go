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
	for _, name := range r.asName {
		if name.MatchString(text) {
			return true
		}
	}
	return r.inKeys(text)
}

// inKeys asks the same of the keys of a list, where the name of an item hides only
// what is in it.
func (r redactor) inKeys(text string) bool {
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
		named := r.named(v)
		for key, item := range v {
			if r.hides(key, secret, named) || r.within(item, secret) {
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
