package registration

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func backstops() []client.Object {
	named := metav1.ObjectMeta{Name: Name}
	return []client.Object{
		&admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: named},
		&admissionv1.ValidatingAdmissionPolicy{ObjectMeta: named},
	}
}

// standing is each as it is: its uid and generation, or that there is none.
func standing(t *testing.T, c client.Client) []string {
	t.Helper()
	var out []string
	for _, o := range backstops() {
		err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o)
		if ignoreGone(err) != nil {
			t.Fatal(err)
		}
		if err != nil {
			out = append(out, "none")
			continue
		}
		out = append(out, fmt.Sprint(o.GetUID(), " ", o.GetGeneration()))
	}
	return out
}

// The API server takes the backstop and stores what was compiled, so that a second look
// writes nothing.
func TestTheAPIServerAcceptsTheBackstop(t *testing.T) {
	c := admin(t)
	for _, n := range []struct {
		name string
		in   []*v1alpha1.ChangePolicy
	}{
		{"no policy", nil}, {"one", []*v1alpha1.ChangePolicy{changePolicy("cluster", nil)}},
		{"three", threePolicies()}, {"a hundred", manyPolicies(100)}, {"a hundred that trust five each", trustingPolicies(100, 5)},
		{"one that says much", []*v1alpha1.ChangePolicy{longPolicies()["resources"]}}, {"one that selects by much", []*v1alpha1.ChangePolicy{longPolicies()["selectors"]}},
	} {
		t.Run(n.name, func(t *testing.T) {
			t.Cleanup(func() { wipe(t, c) })
			create(t, c, n.in...)
			told := &heard{}
			run(t, newReconciler(c, told))
			before := standing(t, c)
			again := newReconciler(c, told)
			run(t, again)
			run(t, again)
			if diff := cmp.Diff(before, standing(t, c)); diff != "" {
				t.Errorf("an unchanged backstop was written: %s", diff)
			}
			if len(told.all) > 0 {
				t.Errorf("tampering by nobody: %+v", told.all)
			}
			var p admissionv1.ValidatingAdmissionPolicy
			if err := c.Get(t.Context(), client.ObjectKey{Name: Name}, &p); err != nil {
				t.Fatal(err)
			}
			if p.Status.TypeChecking != nil && len(p.Status.TypeChecking.ExpressionWarnings) > 0 {
				t.Errorf("warnings: %+v", p.Status.TypeChecking.ExpressionWarnings)
			}
		})
	}
}

// What somebody does to the backstop is undone, and told of.
func TestATamperedBackstopIsRestored(t *testing.T) {
	for _, n := range []struct {
		name   string
		tamper func(t *testing.T, c client.Client) error
		want   Tampering
	}{
		{"its binding is deleted", func(t *testing.T, c client.Client) error { return c.Delete(t.Context(), backstops()[0]) },
			Tampering{Kind: "ValidatingAdmissionPolicyBinding", Name: Name, What: "deleted", Deleted: true}},
		{"its policy is deleted", func(t *testing.T, c client.Client) error { return c.Delete(t.Context(), backstops()[1]) },
			Tampering{Kind: "ValidatingAdmissionPolicy", Name: Name, What: "deleted", Deleted: true}},
		{"its binding only warns", func(t *testing.T, c client.Client) error {
			return c.Patch(t.Context(), backstops()[0], client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"validationActions":["Audit","Warn"]}}`)), client.FieldOwner("evil"))
		}, Tampering{Kind: "ValidatingAdmissionPolicyBinding", Name: Name, What: "spec", Manager: "evil"}},
		{"its policy asks about nothing", func(t *testing.T, c client.Client) error {
			return c.Patch(t.Context(), backstops()[1], client.RawPatch("application/merge-patch+json",
				[]byte(`{"spec":{"matchConditions":[{"name":"never","expression":"false"}]}}`)), client.FieldOwner("evil"))
		}, Tampering{Kind: "ValidatingAdmissionPolicy", Name: Name, What: "matchConditions", Manager: "evil"}},
	} {
		t.Run(n.name, func(t *testing.T) {
			c := admin(t)
			create(t, c, changePolicy("cluster", nil))
			told := &heard{}
			r := newReconciler(c, told)
			run(t, r)
			want := specsOf(t, c)
			if err := n.tamper(t, c); err != nil {
				t.Fatal(err)
			}
			run(t, r)
			if diff := cmp.Diff(want, specsOf(t, c)); diff != "" {
				t.Errorf("not restored: %s", diff)
			}
			if len(told.all) != 1 {
				t.Fatalf("told %+v", told.all)
			}
			got := told.all[0]
			got.Time = n.want.Time
			if diff := cmp.Diff(n.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func specsOf(t *testing.T, c client.Client) []any {
	t.Helper()
	var out []any
	for _, o := range backstops() {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			t.Fatal(err)
		}
		spec, _ := backstopSpec(o)
		out = append(out, spec)
	}
	return out
}

// The off switch takes the binding away and keeps it away, also where somebody set it by
// hand and left the binding; on lets it come back.
func TestTheOffSwitchTakesTheBackstopAway(t *testing.T) {
	c := admin(t)
	create(t, c, changePolicy("cluster", nil))
	told := &heard{}
	r := newReconciler(c, told)
	run(t, r)
	before := standing(t, c)
	gate := configurations()[0]
	if err := c.Patch(t.Context(), gate, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"gitlatch.dev/off":"INC-42: drill"}},"webhooks":[]}`))); err != nil {
		t.Fatal(err)
	}
	run(t, r)
	run(t, newReconciler(c, &heard{}))
	if diff := cmp.Diff([]string{"none", before[1]}, standing(t, c)); diff != "" {
		t.Errorf("while off: %s", diff)
	}
	if err := c.Patch(t.Context(), gate, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"gitlatch.dev/off":null}}}`))); err != nil {
		t.Fatal(err)
	}
	run(t, r)
	if got := standing(t, c); got[0] == "none" || got[1] != before[1] {
		t.Errorf("on again: %v", got)
	}
	if len(told.all) != 1 || !told.all[0].Off {
		t.Errorf("told %+v", told.all)
	}
}
