package webhook

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitlatch/gitlatch/policy"
)

// CheckStamps says, in the validating call, whether the final object carries the
// marks that it must: those of an open window on it, or none where the annotation
// went. Another webhook may have changed them since [Grants.Stamps]. The pause of
// Flux is left out: without it the emergency may be undone, and nobody gets in by
// it. So is an object whose window this very call opens, because the mutating one
// never came: nobody could mark it, and the record is the authority. The error
// names the object, the key and both values.
func (g *Grants) CheckStamps(req *policy.Request, d *policy.Decision) error {
	if req.DryRun || d.Action == policy.Deny || d.Opens != nil || !carriesObject(req) {
		return nil
	}
	for _, w := range g.index.on(requestTarget(req), g.Clock.Now()) {
		if carries(req.Object, openStamps(req, w)) == nil {
			return nil // a second window on the same object took the marks over
		}
	}
	if err := carries(req.Object, g.wantStamps(req, d, "")); err != nil {
		return fmt.Errorf("checking the break-glass marks of %s %s/%s: %w",
			req.Resource.Resource, req.Namespace, req.Name, err)
	}
	return nil
}

// carries says which of our own keys is not as wanted.
func carries(object map[string]any, want map[string]*string) error {
	for _, key := range stampKeys {
		wanted, concerned := want[key]
		if !concerned {
			continue
		}
		found, there := metaMap(object, "annotations")[key]
		switch {
		case wanted == nil && there:
			return fmt.Errorf("%s is still there", key)
		case wanted != nil && !there:
			return fmt.Errorf("%s is missing and should be %q", key, *wanted)
		case wanted != nil && found != any(*wanted):
			return fmt.Errorf("%s is %q and should be %q", key, fmt.Sprint(found), *wanted)
		}
	}
	return nil
}

// annotationPatch is the JSON patch that gives the object the wanted annotations,
// in the order of their keys. What is as wanted is not touched.
func annotationPatch(object map[string]any, want map[string]*string) []PatchOp {
	have := metaMap(object, "annotations")
	var ops []PatchOp
	missing := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		value, there := have[key]
		switch wanted := want[key]; {
		case wanted == nil && there:
			ops = append(ops, PatchOp{Op: "remove", Path: annotationPath(key)})
		case wanted != nil && value != any(*wanted):
			ops = append(ops, PatchOp{Op: "add", Path: annotationPath(key), Value: *wanted})
			missing[key] = *wanted
		}
	}
	if have == nil && len(missing) > 0 {
		// There is no map to add to.
		return []PatchOp{{Op: "add", Path: "/metadata/annotations", Value: missing}}
	}
	return ops
}

// pointerEscape is the escaping of a JSON pointer's segment (RFC 6901).
var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

func annotationPath(key string) string {
	return "/metadata/annotations/" + pointerEscape.Replace(key)
}

func annotation(object map[string]any, key string) string {
	value, _ := metaMap(object, "annotations")[key].(string)
	return value
}

// metaMap is a map in an object's metadata; nil where there is none.
func metaMap(object map[string]any, field string) map[string]any {
	meta, _ := object["metadata"].(map[string]any)
	m, _ := meta[field].(map[string]any)
	return m
}

// applied says that somebody server-side-applied this annotation, which is what
// Flux does with what git declares. What the gate adds belongs to whoever's request
// it was added to, and never as applied.
func applied(object map[string]any, key string) bool {
	meta, _ := object["metadata"].(map[string]any)
	entries, _ := meta["managedFields"].([]any)
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		if entry["operation"] != "Apply" {
			continue
		}
		fields, _ := entry["fieldsV1"].(map[string]any)
		fields, _ = fields["f:metadata"].(map[string]any)
		fields, _ = fields["f:annotations"].(map[string]any)
		if _, owned := fields["f:"+key]; owned {
			return true
		}
	}
	return false
}
