package desired

import (
	"errors"
	"reflect"
	"regexp"
)

// gate is the last check of what was rendered: every non-empty leaf of a Secret has to
// come from a value that is encrypted in git. It also sets Decrypted of the objects.
//
// again renders once more, exactly as before, from another source: one in which every
// decrypted value is replaced by another of its shape. It is called only where that
// tells anything, and must not call gate. What stays as it was does not come from an
// encrypted value. Schemas are not to be validated then: a made-up value may not fit.
func gate(src *source, objects []Object, again func(*source) ([]Object, error)) error {
	if err := src.problems(); err != nil {
		return err
	}
	var others map[string]*twin
	if src.anyEncrypted() {
		rendered, err := again(src.marked())
		if err != nil {
			rendered = nil // its error would show made-up values; no leaf can be traced
		}
		others = twins(rendered)
	}
	var wrong []error
	for i := range objects {
		o := &objects[i]
		other := others[identity(o)]
		same := other != nil && alike(o.Object, other.object)
		o.Decrypted = others != nil && !same || src.encrypted(o.Source)
		for _, leaf := range secretLeaves(o.Object) {
			if err := judgeRendered(src, leaf, others, other); err != nil {
				err.File = o.Source
				wrong = append(wrong, err)
			}
		}
	}
	return errors.Join(wrong...)
}

// judgeRendered says what is wrong with a rendered leaf. One that the other rendering
// does not have can't be told: it is refused.
func judgeRendered(src *source, leaf secretLeaf, others map[string]*twin, other *twin) *Error {
	// The hash in a generated name is one of the values: no need to show it.
	wrong := &Error{Reason: ReasonPlaintext, Object: contentHash.ReplaceAllString(leaf.object, ""), Key: leaf.key, Err: errPlaintext}
	if isCipherText(leaf.value) && !src.structure {
		wrong.Reason, wrong.Err = ReasonDecryption, errStrayCipherText
		return wrong
	}
	if others == nil {
		return wrong // nothing at all is encrypted
	}
	if other == nil {
		wrong.Err = errUntraced
		return wrong
	}
	values := other.leaves[leafID(leaf)]
	for _, value := range values {
		if reflect.DeepEqual(value, leaf.value) {
			return wrong
		}
	}
	if len(values) == 0 {
		wrong.Err = errUntraced
		return wrong
	}
	return nil
}

// twin is an object of the rendering with made-up values.
type twin struct {
	object map[string]any
	leaves map[string][]any // by leafID: what is no key of a Secret shares one
}

func twins(objects []Object) map[string]*twin {
	all := make(map[string]*twin, len(objects))
	for i := range objects {
		o := &objects[i]
		one := &twin{object: o.Object, leaves: map[string][]any{}}
		for _, leaf := range secretLeaves(o.Object) {
			id := leafID(leaf)
			one.leaves[id] = append(one.leaves[id], leaf.value)
		}
		all[identity(o)] = one
	}
	return all
}

// contentHash is what Kustomize appends to the names of what it generates. It differs
// between the two renderings.
var contentHash = regexp.MustCompile(`-[2456789bcdfghkmt]{10}$`)

func withoutHash(name string) string { return contentHash.ReplaceAllString(name, "-#") }

func identity(o *Object) string {
	return o.GroupVersionKind().GroupKind().String() + " " + o.GetNamespace() + "/" + withoutHash(o.GetName())
}

func leafID(leaf secretLeaf) string { return withoutHash(leaf.object) + " " + leaf.key }

// alike tells whether two renderings of an object are the same, but for the names of
// what Kustomize generated.
func alike(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for key, value := range a {
			other, ok := b[key]
			if !ok || !alike(value, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !alike(a[i], b[i]) {
				return false
			}
		}
		return true
	case string:
		b, ok := b.(string)
		return ok && withoutHash(a) == withoutHash(b)
	}
	return reflect.DeepEqual(a, b)
}
