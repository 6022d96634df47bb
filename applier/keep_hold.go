package applier

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gitlatch/gitlatch/applier/live"
)

// loose says that our claim on the object is not what it should be, though its values
// may be: from then on others could change them unseen. Measure is what the answer to
// our last apply showed, since the API server need not let us own all that we declare;
// where none is known it is what git declares, and one apply tells.
func (t *task) loose(found *unstructured.Unstructured) bool {
	t.own = live.ClaimOn(t.object, found)
	if t.taken.UID != "" && same(t.taken, t.now) {
		return false // to take hold of it again changed nothing
	}
	if t.claim == (live.Claim{}) {
		return !live.Whole(t.object, found)
	}
	return t.own != t.claim
}

// confirm asks the API server whether differences are such: where nobody took a
// declared field from us, a webhook or a default may have it otherwise than git says,
// and will again. What an apply does not change is no drift.
func (t *task) confirm(ctx context.Context, d *difference, found *unstructured.Unstructured) error {
	if d.gone || d.owned || len(d.changes) == 0 || d.loose && t.claim != (live.Claim{}) {
		return nil
	}
	would, err := t.cluster.Preview(ctx, t.object, live.ApplyOptions{Known: &t.now})
	if err != nil {
		return ctx.Err() // the apply itself says what is wrong
	}
	if equality.Semantic.DeepEqual(valuesOf(found), valuesOf(would)) {
		d.changes = nil
	}
	return nil
}

// valuesOf is an object without who owns what, and which version that makes.
func valuesOf(o *unstructured.Unstructured) map[string]any {
	object := runtime.DeepCopyJSON(o.Object)
	for _, field := range []string{"managedFields", "resourceVersion", "generation"} {
		unstructured.RemoveNestedField(object, "metadata", field)
	}
	return object
}
