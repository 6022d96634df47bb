package live

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gitlatch/gitlatch/policy"
)

func TestWhatOthersLoseIsToldBeforeAnythingIsWritten(t *testing.T) {
	c, _ := newCluster(t)
	space := newSpace(t)
	kubectl(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {colour: blue, extra: x}}`, "-n", space, "create", "-f", "-")
	o := prepare(t, c, space, configMap)
	patchAs(t, c, o, "kubectl-patch", `{"data":{"more":"y"}}`)
	patchAs(t, c, o, "operator", `{"data":{"size":"9"}}`)
	version := get(t, c, o).GetResourceVersion()
	full := errors.New("the disk is full")
	_, err := c.Apply(t.Context(), o, ApplyOptions{TookOver: func(context.Context, Takeover) error { return full }})
	if !errors.Is(err, full) || get(t, c, o).GetResourceVersion() != version {
		t.Errorf("got %v, and it was written", err)
	}
	k := taken{}
	must(t, second(c.Apply(t.Context(), o, ApplyOptions{TookOver: k.over})))
	want := []Takeover{
		{Manager: "kubectl-create", Operation: "Update", Fields: []string{".data.colour", ".data.extra"}, Changes: []policy.Change{
			{Path: ".data.colour", From: "blue", To: "green", HasFrom: true, HasTo: true}, {Path: ".data.extra", From: "x", HasFrom: true}}},
		{Manager: "kubectl-patch", Operation: "Update", Fields: []string{".data.more"}, Changes: []policy.Change{{Path: ".data.more", From: "y", HasFrom: true}}},
		{Manager: "operator", Operation: "Update", Fields: []string{".data.size"}, Changes: []policy.Change{
			{Path: ".data.size", From: "9", To: "1", HasFrom: true, HasTo: true}}},
	}
	if diff := cmp.Diff(want, k.list, cmpopts.IgnoreFields(Takeover{}, "At", "Ref", "State"), cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
		t.Error(diff)
	}
}
