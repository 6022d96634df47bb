package live

import (
	"encoding/json"
	"slices"
	"strings"
)

// hintsOf returns the trees of managedFields, which say by which keys the items of a
// list are told apart.
func hintsOf(live map[string]any) []map[string]any {
	meta, _ := live["metadata"].(map[string]any)
	entries, _ := meta["managedFields"].([]any)
	var out []map[string]any
	for _, v := range entries {
		entry, _ := v.(map[string]any)
		if fields, ok := entry["fieldsV1"].(map[string]any); ok {
			out = append(out, fields)
		}
	}
	return out
}

func under(hints []map[string]any, key string) []map[string]any {
	var out []map[string]any
	for _, h := range hints {
		if below, ok := h[key].(map[string]any); ok {
			out = append(out, below)
		}
	}
	return out
}

// whole: managers own the value as one, not by its parts.
func whole(hints []map[string]any) bool {
	return len(hints) > 0 && !slices.ContainsFunc(hints, func(h map[string]any) bool { return len(h) > 0 })
}

func (v overlay) lists(declared, live []any, hints []map[string]any, name string) any {
	if slices.ContainsFunc(hints, func(h map[string]any) bool { return hasPrefix(h, "v:") }) {
		return v.sets(declared, live)
	}
	keys := keysFrom(hints)
	if keys == nil && !whole(hints) && named(declared) && named(live) {
		keys = []string{"name"}
	}
	if keys != nil {
		return v.keyed(declared, live, hints, keys, name)
	}
	if len(declared) != len(live) {
		return declared
	}
	out := make([]any, len(live))
	for i := range live {
		out[i] = v.value(declared[i], live[i], true, nil, name)
	}
	return out
}

// sets: the declared items are there, in any order.
func (v overlay) sets(declared, live []any) []any {
	out := slices.Clone(live)
	for _, d := range declared {
		if !slices.ContainsFunc(live, func(l any) bool { return sameScalar(d, l) }) {
			out = append(out, d)
		}
	}
	return out
}

// keyed: the declared items are there, in any order, and as they are declared. A key
// that a declared item leaves out has a default.
func (v overlay) keyed(declared, live []any, hints []map[string]any, keys []string, name string) []any {
	out := slices.Clone(live)
	taken := make([]bool, len(live))
	for _, d := range declared {
		at := indexOf(live, taken, d, keys)
		if at < 0 {
			out = append(out, d)
			continue
		}
		taken[at] = true
		out[at] = v.value(d, live[at], true, itemHints(hints, live[at]), name)
	}
	return out
}

// indexOf finds the live item that has the keys of the declared one; -1: none.
func indexOf(live []any, taken []bool, declared any, keys []string) int {
	item, _ := declared.(map[string]any)
	want := map[string]any{}
	for _, k := range keys {
		if value, ok := item[k]; ok {
			want[k] = value
		} else if k == "protocol" { // of ports; the only key in Kubernetes' own kinds that has a default
			want[k] = "TCP"
		}
	}
	for i := range live {
		if len(want) > 0 && !taken[i] && hasKeys(live[i], want) {
			return i
		}
	}
	return -1
}

// itemHints goes down to the item in the trees.
func itemHints(hints []map[string]any, item any) []map[string]any {
	var out []map[string]any
	for _, h := range hints {
		for key, below := range h {
			if keys := keysIn(key); keys != nil && hasKeys(item, keys) {
				if tree, ok := below.(map[string]any); ok {
					out = append(out, tree)
				}
			}
		}
	}
	return out
}

func keysFrom(hints []map[string]any) []string {
	for _, h := range hints {
		for key := range h {
			if keys := keysIn(key); keys != nil {
				var names []string
				for name := range keys {
					names = append(names, name)
				}
				return names
			}
		}
	}
	return nil
}

// keysIn reads k:{"name":"web"}.
func keysIn(key string) map[string]any {
	text, ok := strings.CutPrefix(key, "k:")
	if !ok {
		return nil
	}
	var keys map[string]any
	if json.Unmarshal([]byte(text), &keys) != nil || len(keys) == 0 {
		return nil
	}
	return keys
}

func hasPrefix(tree map[string]any, prefix string) bool {
	for key := range tree {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// named: every item has a name, and no two the same.
func named(items []any) bool {
	seen := map[string]bool{}
	for _, v := range items {
		item, _ := v.(map[string]any)
		name, ok := item["name"].(string)
		if !ok || seen[name] {
			return false
		}
		seen[name] = true
	}
	return len(items) > 0
}
