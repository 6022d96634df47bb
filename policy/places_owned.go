package policy

import "strings"

// contrasting finds where the set that an entry held and the one that it still
// holds differ; what can't be read differs always. The names of its spots are
// keys. Where it notes nothing, every key is readable, and the items of one list
// are told apart by the same fields.
func contrasting(owned, kept map[string]any) *places {
	p := &places{}
	if !p.sets(owned, kept) {
		p.many = true
	}
	return p
}

// sets compares one node, and says whether its keys are of one form; if not, the
// node is looked at as a whole.
func (p *places) sets(owned, kept map[string]any) (regular bool) {
	same := 0
	var form keyForm
	var like shape
	for key, v := range owned {
		if p.many {
			return true
		}
		k, held := kept[key]
		if held {
			same++
		}
		sub, isMap := v.(map[string]any)
		keep, stays := k.(map[string]any)
		switch {
		case !form.takes(key):
			return false
		case isMap && stays && len(sub) == 0 && len(keep) == 0:
		case !isMap || !stays || len(sub) == 0 || len(keep) == 0:
			p.leaf(key, -1)
		case form.kind == 'k' && like.sameLeaves(sub, keep):
		default:
			at := p.open(key, -1)
			if p.sets(sub, keep) {
				p.close(at)
				if form.kind == 'k' && len(p.spots) == at {
					like.learn(sub)
				}
				continue
			}
			p.spots = p.spots[:at]
			p.leaf(key, -1)
			p.grown = true // it can't be told
		}
	}
	p.grown = p.grown || same < len(kept)
	return true
}

// keyForm is what the keys of one node have in common: their kind, and the names of
// the fields that tell the items of a list apart.
type keyForm struct {
	kind  byte
	names [4]string
	count int
}

// takes says whether the key is readable, and of the same form as those before it.
func (f *keyForm) takes(key string) bool {
	if key == "." {
		return true
	}
	if len(key) < 2 || key[1] != ':' || f.kind != 0 && f.kind != key[0] {
		return false
	}
	first := f.kind == 0
	f.kind = key[0]
	switch f.kind {
	case 'f':
		return true
	case 'k':
		return f.takesKeys(key[2:], first)
	}
	_, readable := readKey(key)
	return readable
}

// takesKeys reads {"containerPort":80,"protocol":"TCP"}, as the API server writes
// keys that need no escapes. Any other spelling is not taken, so that two keys of
// one form name the same item only if they are the same text.
func (f *keyForm) takesKeys(s string, first bool) bool {
	for i := 0; ; i++ {
		if i == len(f.names) || len(s) < 2 || s[0] != "{,"[min(i, 1)] || s[1] != '"' {
			return false
		}
		s = s[2:]
		if first {
			end := strings.IndexByte(s, '"')
			if end < 0 || !simpleString(s[:end]) || i > 0 && f.names[i-1] >= s[:end] {
				return false
			}
			f.names[i], f.count = s[:end], i+1
		}
		name := f.names[i]
		if len(s) < len(name)+2 || s[:len(name)] != name || s[len(name):len(name)+2] != `":` {
			return false
		}
		rest, ok := afterPlain(s[len(name)+2:])
		if !ok {
			return false
		}
		if rest == "}" {
			return i+1 == f.count
		}
		s = rest
	}
}

// afterPlain cuts a plain value off the front: a string without escapes, a whole
// number that a float holds exactly, or a truth value.
func afterPlain(s string) (rest string, ok bool) {
	switch {
	case s == "":
		return "", false
	case s[0] == '"':
		end := strings.IndexByte(s[1:], '"') + 1
		return s[end+1:], end > 0 && simpleString(s[1:end])
	case strings.HasPrefix(s, "true"):
		return s[len("true"):], true
	case strings.HasPrefix(s, "false"):
		return s[len("false"):], true
	}
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[n:], n == 1 || n > 1 && n <= plainDigits && s[0] != '0'
}

const plainDigits = 15

// formOf a node whose keys are of one form.
func formOf(owned map[string]any) (f keyForm) {
	for key := range owned {
		if key != "." {
			f.takes(key)
			break
		}
	}
	return f
}

// keys are the fields that tell the items of a list apart; nil where the node is
// not of a keyed list.
func (f *keyForm) keys() []string {
	if f.kind != 'k' {
		return nil
	}
	return f.names[:f.count]
}

// plainKeys: the item has all of the keys, with values that managedFields write in
// one way only.
func plainKeys(item any, names []string) bool {
	m, ok := item.(map[string]any)
	if !ok {
		return false
	}
	for _, n := range names {
		switch v := m[n].(type) {
		case string:
			if !simpleString(v) {
				return false
			}
		case int64:
			if v < 0 || v >= 1e15 {
				return false
			}
		case bool:
		default:
			return false
		}
	}
	return true
}
