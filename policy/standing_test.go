package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const entryOfSeveralKinds = `{
	"f:metadata": {"f:finalizers": {".": {}, "v:\"secret.example/a\"": {}}, "f:labels": {"f:app": {}}},
	"f:spec": {
		"f:replicas": {},
		"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:image": {}}, "k:{\"name\":\"log\"}": {".": {}}}}}
	}
}`

func TestTheFieldsOfAnEntryAreToldAsPathsWithoutValues(t *testing.T) {
	want := []string{
		".metadata.finalizers",
		".metadata.labels.app",
		".spec.replicas",
		`.spec.template.spec.containers[name="log"]`,
		`.spec.template.spec.containers[name="web"].image`,
	}
	if diff := cmp.Diff(want, FieldPaths(object(entryOfSeveralKinds))); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

func TestAnEntryIsShownAsTheObjectThatItWouldHaveWritten(t *testing.T) {
	something := []any{map[string]any{}}
	containers := func(shown map[string]any, name string) any {
		list, _ := resolve(shown, []step{{field: "spec"}, {field: "template"}, {field: "spec"}, {field: "containers"}})
		item, _ := (&step{kind: keyStep, keys: map[string]any{"name": name}}).in(list)
		return item
	}
	old, shown := ShownAsWritten(object(entryOfSeveralKinds))
	for name, want := range map[string][2]map[string]any{
		"web": {{"name": "web"}, {"name": "web", "image": something}}, "log": {{"name": "log"}, {"name": "log"}},
	} {
		if diff := cmp.Diff([2]any{want[0], want[1]}, [2]any{containers(old, name), containers(shown, name)}); diff != "" {
			t.Errorf("container %s before and after (-want +got):\n%s", name, diff)
		}
	}
	delete(child(old, "spec"), "template")
	delete(child(shown, "spec"), "template")
	want := [2]map[string]any{
		{"metadata": map[string]any{"finalizers": []any{}, "labels": map[string]any{}}, "spec": map[string]any{}},
		{
			"metadata": map[string]any{"finalizers": []any{"secret.example/a"}, "labels": map[string]any{"app": something}},
			"spec":     map[string]any{"replicas": something},
		},
	}
	if diff := cmp.Diff(want, [2]map[string]any{old, shown}); diff != "" {
		t.Errorf("the rest, before and after (-want +got):\n%s", diff)
	}
}

func TestAPolicyKnowsWhenItWasMade(t *testing.T) {
	in := &v1alpha1.ChangePolicy{Spec: *newScene().spec}
	in.CreationTimestamp.Time = noon()
	p, errs := Compile(in)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if !p.Created.Equal(noon()) {
		t.Errorf("created %s, want %s", p.Created, noon())
	}
}
