package heartbeat

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

func namespace(name, uid string, labels map[string]string) metav1.PartialObjectMetadata {
	at := metav1.NewTime(noon)
	return metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(uid), Labels: labels,
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl-label", Time: &at}, {Manager: "controller", Time: &at, Subresource: "status"}}}}
}

func selective(t *testing.T, label string, exclude ...string) *Expected {
	t.Helper()
	in := &v1alpha1.ChangePolicy{ObjectMeta: metav1.ObjectMeta{Name: "guarded"}}
	in.Spec.Mode = v1alpha1.ModeEnforce
	in.Spec.Sync = []v1alpha1.SyncIdentity{{Subject: v1alpha1.Subject{User: "git"}, FieldManagers: []string{"git"}}}
	in.Spec.Match.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{label: "yes"}}
	in.Spec.Match.ExcludeNamespaces = exclude
	p, errs := policy.Compile(in)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return &Expected{Policies: []*policy.Policy{p}}
}

func TestANamespaceThatLeavesAPolicy(t *testing.T) {
	yes, no := map[string]string{"guarded": "yes"}, map[string]string{}
	hidden := []Fault{{Cause: CauseNamespaceHidden, Namespace: "shop", Manager: "kubectl-label",
		Detail: `namespace shop left the namespaceSelector of ChangePolicy guarded, and no sync and no record accounts for that, last written by field manager "kubectl-label" at 2026-03-02T12:00:00Z`}}
	never := func(*policy.Policy, *metav1.PartialObjectMetadata, time.Time) (bool, error) { return false, nil }
	always := func(*policy.Policy, *metav1.PartialObjectMetadata, time.Time) (bool, error) { return true, nil }
	for name, tc := range map[string]struct {
		next       *Expected
		namespaces []metav1.PartialObjectMetadata
		excused    excuse
		want       []Fault
	}{
		"it stays":                             {selective(t, "guarded"), []metav1.PartialObjectMetadata{namespace("shop", "1", yes)}, never, nil},
		"it loses the label":                   {selective(t, "guarded"), []metav1.PartialObjectMetadata{namespace("shop", "1", no)}, never, hidden},
		"git takes the label, or a record has": {selective(t, "guarded"), []metav1.PartialObjectMetadata{namespace("shop", "1", no)}, always, nil},
		"it is deleted":                        {selective(t, "guarded"), nil, never, nil},
		"another of that name is made":         {selective(t, "guarded"), []metav1.PartialObjectMetadata{namespace("shop", "2", no)}, never, nil},
		"one that never was in it":             {selective(t, "guarded"), []metav1.PartialObjectMetadata{namespace("shop", "1", yes), namespace("play", "3", no)}, never, nil},
		"the policy selects by another label":  {selective(t, "gate"), []metav1.PartialObjectMetadata{namespace("shop", "1", yes)}, never, nil},
		"the policy leaves it out by name":     {selective(t, "guarded", "shop"), []metav1.PartialObjectMetadata{namespace("shop", "1", no)}, never, nil},
		"the policy is gone":                   {&Expected{}, []metav1.PartialObjectMetadata{namespace("shop", "1", no)}, never, nil},
	} {
		t.Run(name, func(t *testing.T) {
			before, faults, err := sights(nil).left(selective(t, "guarded"), []metav1.PartialObjectMetadata{namespace("shop", "1", yes)}, never, second(-10))
			if err != nil || faults != nil {
				t.Fatal(faults, err)
			}
			before = readMemory(memory{Governed: before}.text()).Governed // as after a restart
			after, got, err := before.left(tc.next, tc.namespaces, tc.excused, noon)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			_, again, err := after.left(tc.next, tc.namespaces, tc.excused, second(10))
			if diff := cmp.Diff(tc.want, again); diff != "" || err != nil {
				t.Errorf("the beat after says otherwise (-want +got):\n%s%v", diff, err)
			}
		})
	}
}

// TestWhatCannotBeLookedUpIsLookedUpAgain: nothing is forgotten when the records can't be read.
func TestWhatCannotBeLookedUpIsLookedUpAgain(t *testing.T) {
	before := sights{"guarded": {Selector: selectorText(selective(t, "guarded").Policies[0]), Namespaces: map[string]string{"shop": "1"}}}
	failing := func(*policy.Policy, *metav1.PartialObjectMetadata, time.Time) (bool, error) {
		return false, errors.New("no")
	}
	after, faults, err := before.left(selective(t, "guarded"), []metav1.PartialObjectMetadata{namespace("shop", "1", nil)}, failing, noon)
	if err == nil || faults != nil {
		t.Fatalf("%v %v", faults, err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// TestALabelThatALiveSelectorSkips: what a platform adds to the selector is taken as it is, but not that a namespace is
// hidden by it.
func TestALabelThatALiveSelectorSkips(t *testing.T) {
	l := live{gate: gateOf("aks", "gate.gitlatch.dev"), final: finalOf()}
	l.gate.Webhooks[0].NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: "control-plane", Operator: metav1.LabelSelectorOpDoesNotExist}}}
	e := expecting("gate.gitlatch.dev")
	if !needsNamespaces(l, e) || needsNamespaces(live{gate: gateOf("", "gate.gitlatch.dev")}, e) {
		t.Error("namespaces are read where they needn't be, or not where they must")
	}
	got := l.skipped(e, []metav1.PartialObjectMetadata{
		namespace("shop", "1", map[string]string{"control-plane": "yes"}), namespace("play", "2", nil),
	})
	want := []Fault{{Cause: CauseNamespaceHidden, Namespace: "shop", Manager: "kubectl-label",
		Detail: "the live namespaceSelector of gate.gitlatch.dev leaves out namespace shop by its labels"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestWhatIsKnownOfWhoHidANamespace: who took a label away leaves no entry, and one from before is not theirs; since when
// it is hidden is kept.
func TestWhatIsKnownOfWhoHidANamespace(t *testing.T) {
	var asked []time.Time
	never := func(_ *policy.Policy, _ *metav1.PartialObjectMetadata, since time.Time) (bool, error) {
		asked = append(asked, since)
		return false, nil
	}
	e := selective(t, "guarded")
	seen, _, err := sights(nil).left(e, []metav1.PartialObjectMetadata{namespace("shop", "1", map[string]string{"guarded": "yes"})}, never, second(10))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		var got []Fault
		if seen, got, err = seen.left(e, []metav1.PartialObjectMetadata{namespace("shop", "1", nil)}, never, second(20+i)); err != nil {
			t.Fatal(err)
		}
		want := []Fault{{Cause: CauseNamespaceHidden, Namespace: "shop",
			Detail: "namespace shop left the namespaceSelector of ChangePolicy guarded, and no sync and no record accounts for that"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff([]time.Time{second(10), second(10)}, asked); diff != "" {
		t.Errorf("asked since (-want +got):\n%s", diff)
	}
}
