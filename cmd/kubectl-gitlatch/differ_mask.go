package main

import (
	"encoding/base64"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
	"github.com/gitlatch/gitlatch/policy"
)

// What stands in the place of a value.
const (
	masked       = "***"
	maskedBefore = "*** (before)"
	maskedAfter  = "*** (after)"
)

// maxChanges of one object that are listed.
const maxChanges = 1000

// differenceOf returns nil when both sides are the same, but for what nobody declares: the
// API server's bookkeeping, the status, and Gitlatch's own marks.
func differenceOf(before, after map[string]any, o *live.Object) *difference {
	d := &difference{Action: actionChange, Object: o.Key.String(), File: o.Source}
	switch {
	case before == nil:
		d.Action = actionCreate
	case after == nil:
		d.Action = actionPrune
	}
	if owner := labelOf(before, v1alpha1.LabelSync); owner != "" && owner != o.Sync && o.Sync != "" {
		d.Owner = owner
	}
	before, after = shown(before), shown(after)
	if reflect.DeepEqual(before, after) && d.Owner == "" {
		return nil
	}
	d.before, d.after = mask(before, after, o.Secret || isSecret(before) || isSecret(after))
	changes, _ := policy.Diff(d.before, d.after, maxChanges)
	for _, c := range changes {
		d.Changes = append(d.Changes, valueChange{Path: c.Path, From: c.From, To: c.To})
	}
	return d
}

// shown is a copy without what is not compared.
func shown(object map[string]any) map[string]any {
	if object == nil {
		return nil
	}
	object = runtime.DeepCopyJSON(object)
	delete(object, "status")
	metadata, _ := object["metadata"].(map[string]any)
	for _, name := range []string{"managedFields", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "uid", "generation", "selfLink"} {
		delete(metadata, name)
	}
	drop(metadata, "labels", v1alpha1.LabelSync)
	drop(metadata, "annotations", v1alpha1.AnnotationSource, v1alpha1.AnnotationCommit, v1alpha1.AnnotationRequestedAt,
		v1alpha1.AnnotationBreakGlass, v1alpha1.AnnotationBreakGlassFor, v1alpha1.AnnotationBreakGlassBy,
		v1alpha1.AnnotationBreakGlassUntil, v1alpha1.AnnotationBreakGlassRecord,
		"kubectl.kubernetes.io/last-applied-configuration") // the whole object once more
	return object
}

func drop(metadata map[string]any, field string, keys ...string) {
	texts, _ := metadata[field].(map[string]any)
	for _, key := range keys {
		delete(texts, key)
	}
	if len(texts) == 0 {
		delete(metadata, field)
	}
}

func labelOf(object map[string]any, key string) string {
	metadata, _ := object["metadata"].(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	value, _ := labels[key].(string)
	return value
}

func isSecret(object map[string]any) bool { return object["kind"] == "Secret" }

// mask takes the values of Secrets out of both sides, wherever one is embedded. Of an
// object with secrets that is itself no Secret, which values are secret is not known: none
// is shown but those that name it. Where a value differs, the two sides still do.
func mask(before, after map[string]any, secret bool) (was, is map[string]any) {
	m := masker{whole: secret && !isSecret(before) && !isSecret(after)}
	a, b := m.pair(orNil(before), orNil(after), "")
	was, _ = a.(map[string]any)
	is, _ = b.(map[string]any)
	return was, is
}

func orNil(object map[string]any) any {
	if object == nil {
		return nil
	}
	return object
}

type masker struct{ whole bool }

// naming are the fields that say which object it is.
func naming(path string) bool {
	return slices.Contains([]string{".apiVersion", ".kind", ".metadata.name", ".metadata.namespace"}, path)
}

func (m masker) pair(a, b any, path string) (any, any) {
	x, isMap := a.(map[string]any)
	y, alsoMap := b.(map[string]any)
	if isMap || alsoMap {
		secret := isSecret(x) || isSecret(y)
		was, is := make(map[string]any, len(x)), make(map[string]any, len(y))
		keys := maps.Clone(x)
		if keys == nil {
			keys = map[string]any{}
		}
		maps.Copy(keys, y)
		for key := range keys {
			v, inX := x[key]
			w, inY := y[key]
			switch {
			case secret && (key == "data" || key == "stringData"):
				v, w = hidden(v, w)
			case secret && key == "metadata":
				v, w = hideAnnotations(m.pair(v, w, path+"."+key))
			default:
				v, w = m.pair(v, w, path+"."+key)
			}
			put(was, key, v, inX)
			put(is, key, w, inY)
		}
		return m.side(a, was, isMap), m.side(b, is, alsoMap)
	}
	p, isList := a.([]any)
	q, alsoList := b.([]any)
	if isList || alsoList {
		was, is := make([]any, len(p)), make([]any, len(q))
		for i := range max(len(p), len(q)) {
			v, w := m.pair(item(p, i), item(q, i), path+"[]")
			if i < len(p) {
				was[i] = v
			}
			if i < len(q) {
				is[i] = w
			}
		}
		return m.side(a, was, isList), m.side(b, is, alsoList)
	}
	if m.whole && !naming(path) {
		return hidden(a, b)
	}
	return a, b
}

// side is the masked copy where the value was of its shape, else what it was.
func (m masker) side(value, copied any, shaped bool) any {
	switch {
	case shaped:
		return copied
	case m.whole && value != nil:
		return masked
	}
	return value
}

// hideAnnotations of a Secret, which may be encrypted in git like the rest of it. Both
// sides are copies.
func hideAnnotations(a, b any) (any, any) {
	x, _ := a.(map[string]any)
	y, _ := b.(map[string]any)
	was, is := hidden(x["annotations"], y["annotations"])
	if was != nil {
		x["annotations"] = was
	}
	if is != nil {
		y["annotations"] = is
	}
	return a, b
}

func put(into map[string]any, key string, value any, there bool) {
	if there {
		into[key] = value
	}
}

func item(items []any, i int) any {
	if i < len(items) {
		return items[i]
	}
	return nil
}

// hidden hides all values of both sides, and shows which differ.
func hidden(a, b any) (any, any) {
	x, isMap := a.(map[string]any)
	y, alsoMap := b.(map[string]any)
	if !isMap && !alsoMap {
		switch {
		case a != nil && b != nil && !reflect.DeepEqual(a, b):
			return maskedBefore, maskedAfter
		default:
			return maskOne(a), maskOne(b)
		}
	}
	was, is := map[string]any{}, map[string]any{}
	for key, v := range x {
		was[key], _ = hidden(v, y[key])
	}
	for key, w := range y {
		_, is[key] = hidden(x[key], w)
	}
	left, right := maskOne(a), maskOne(b)
	if isMap {
		left = was
	}
	if alsoMap {
		right = is
	}
	return left, right
}

func maskOne(v any) any {
	if v == nil {
		return nil
	}
	return masked
}

// encrypted says whether a value that SOPS encrypted is in an object.
func encrypted(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, inner := range v {
			if encrypted(inner) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, encrypted)
	case string:
		if strings.HasPrefix(v, "ENC[AES256_GCM,") {
			return true
		}
		plain, err := base64.StdEncoding.DecodeString(v)
		return err == nil && strings.HasPrefix(string(plain), "ENC[AES256_GCM,")
	}
	return false
}
