package live

import (
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/gitlatch/gitlatch/policy"
)

// maxDifferences that are told of one object.
const maxDifferences = 1000

// Differences lists where a live object is not as it is declared, from what is live to
// what is declared; what git does not declare, and what it leaves to others, is not
// compared. A nil live object differs in everything. In doubt a field differs: an apply
// that changes nothing writes nothing, so the API server has the last word. Values are
// as they are: who shows them redacts them.
func Differences(o *Object, live map[string]any) []policy.Change {
	declared, err := o.content()
	if err != nil {
		return []policy.Change{{Path: ".", From: nil, To: err.Error(), HasTo: true}}
	}
	if live == nil {
		changes, _ := policy.Diff(nil, declared, maxDifferences)
		return changes
	}
	for _, p := range o.ignored {
		declared = p.edit(declared, nil, false).(map[string]any)
	}
	delete(declared, "apiVersion") // the same object in another version is the same
	v := overlay{builtIn: builtIn(o.Group)}
	should := v.maps(declared, live, hintsOf(live), "")
	changes, _ := policy.Diff(live, should, maxDifferences)
	return changes
}

// overlay lays what is declared over what is live; where both mean the same, the live
// value stands.
type overlay struct{ builtIn bool }

// builtIn kinds drop empty values and normalise quantities; those of custom resources
// stand as they are.
func builtIn(group string) bool {
	return !strings.Contains(group, ".") || group == "rbac.authorization.k8s.io" || group == crdGroup ||
		strings.HasSuffix(group, ".k8s.io") && strings.Count(group, ".") == 2
}

func (v overlay) value(declared, live any, there bool, hints []map[string]any, name string) any {
	switch d := declared.(type) {
	case map[string]any:
		if l, ok := live.(map[string]any); ok {
			return v.maps(d, l, hints, name)
		}
	case []any:
		if l, ok := live.([]any); ok {
			return v.lists(d, l, hints, name)
		}
	}
	if there && (sameScalar(declared, live) || v.builtIn && sameQuantity(declared, live, name)) {
		return live
	}
	return declared
}

func (v overlay) maps(declared, live map[string]any, hints []map[string]any, name string) map[string]any {
	out := maps.Clone(live)
	if len(declared) > 0 && whole(hints) { // atomic: what is not declared is not meant to be there
		for key := range out {
			if _, ok := declared[key]; !ok && !defaulted[key] {
				delete(out, key)
			}
		}
	}
	for key, d := range declared {
		l, there := live[key]
		if !there && v.nothing(d) {
			continue
		}
		within := key
		if quantities[name] { // limits: {cpu: 1}
			within = name
		}
		out[key] = v.value(d, l, there, under(hints, "f:"+key), within)
	}
	return out
}

// defaulted are the fields that the API server adds to maps that are owned as a whole:
// of a fieldRef, a roleRef, a resourceFieldRef.
var defaulted = map[string]bool{"apiVersion": true, "apiGroup": true, "divisor": true}

// nothing: a declared value that the API server does not keep.
func (v overlay) nothing(declared any) bool {
	switch d := declared.(type) {
	case nil:
		return true
	case map[string]any:
		for _, below := range d {
			if !v.nothing(below) {
				return false
			}
		}
		return v.builtIn
	case []any:
		return len(d) == 0 && v.builtIn
	case string:
		return d == "" && v.builtIn
	case bool:
		return !d && v.builtIn
	}
	n, isNumber := number(declared)
	return isNumber && n == 0 && v.builtIn
}

// quantities are the fields of built-in kinds that hold quantities, or maps of them
// (resource.Quantity in k8s.io/api).
var quantities = map[string]bool{
	"limits": true, "requests": true, "capacity": true, "hard": true, "default": true, "defaultRequest": true,
	"max": true, "min": true, "maxLimitRequestRatio": true, "podFixed": true, "allocatable": true,
	"sizeLimit": true, "divisor": true, "averageValue": true, "storage": true,
}

func sameQuantity(a, b any, name string) bool {
	if !quantities[name] {
		return false
	}
	x, err := resource.ParseQuantity(strings.Trim(jsonText(a), `"`))
	if err != nil {
		return false
	}
	y, err := resource.ParseQuantity(strings.Trim(jsonText(b), `"`))
	return err == nil && x.Cmp(y) == 0
}
