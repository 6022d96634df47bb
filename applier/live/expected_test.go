package live

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// expectedOf is the object without the API server's bookkeeping.
func expectedOf(t *testing.T, c *Cluster, o *Object, found *unstructured.Unstructured) map[string]any {
	t.Helper()
	before := found.DeepCopy()
	got, err := c.Expected(o, found)
	must(t, err)
	if diff := cmp.Diff(before.Object, found.Object); diff != "" {
		t.Errorf("the live object was changed (-want +got):\n%s", diff)
	}
	return got
}

func TestWhatIsAppliedIsExpected(t *testing.T) {
	c, _ := newCluster(t)
	space := newSpace(t)
	for _, text := range []string{configMap, deployment, service, cronJob, secret, job, statefulSet, claim, binding, everything, policyText, ingress, autoscaler, quota} {
		o := prepare(t, c, space, text)
		apply(t, c, o, nil)
		found := get(t, c, o)
		if diff := cmp.Diff(found.Object, expectedOf(t, c, o, found)); diff != "" {
			t.Errorf("%s (-live +expected):\n%s", o.Key, diff)
		}
	}
}

// TestExpectedIsWhatAnApplyLeaves: fields that left git, items of lists, what a person
// added, and what a controller did.
func TestExpectedIsWhatAnApplyLeaves(t *testing.T) {
	c, _ := newCluster(t)
	space := newSpace(t)
	const before = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {old: "1"}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {gone: "1"}}
    spec:
      containers: [{name: web, image: web}, {name: side, image: side, env: [{name: A, value: a}]}]
`
	const after = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "web:2"}]
`
	apply(t, c, prepare(t, c, space, before), nil)
	o := prepare(t, c, space, after)
	want := expectedOf(t, c, o, get(t, c, o))
	apply(t, c, o, nil)
	left := []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"}
	trim := func(object map[string]any) map[string]any {
		for _, name := range left {
			unstructured.RemoveNestedField(object, "metadata", name)
		}
		unstructured.RemoveNestedField(object, "metadata", "annotations", v1alpha1.AnnotationCommit)
		unstructured.RemoveNestedField(object, "metadata", "annotations", "deployment.kubernetes.io/revision")
		delete(object, "status")
		return object
	}
	if diff := cmp.Diff(trim(get(t, c, o).Object), trim(want)); diff != "" {
		t.Errorf("after the apply (-live +expected):\n%s", diff)
	}
}
