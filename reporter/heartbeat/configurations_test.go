package heartbeat

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// gateOf is a configuration with these entries, written last by somebody.
func gateOf(manager string, names ...string) *admissionv1.MutatingWebhookConfiguration {
	c := &admissionv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: configurationName}}
	for _, n := range names {
		c.Webhooks = append(c.Webhooks, admissionv1.MutatingWebhook{Name: n, NamespaceSelector: &metav1.LabelSelector{}})
	}
	if manager != "" {
		at := metav1.NewTime(noon)
		c.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: manager, Time: &at}}
	}
	return c
}

func finalOf() *admissionv1.ValidatingWebhookConfiguration {
	return &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: configurationName}}
}

func expecting(names ...string) *Expected {
	return &Expected{Gate: gateOf("", names...), Final: finalOf()}
}

// byName compares the names of entries, which is all that these have.
func byName(live, want client.Object) []string {
	have, ok := live.(*admissionv1.MutatingWebhookConfiguration)
	if !ok {
		return nil
	}
	var out []string
	for _, w := range want.(*admissionv1.MutatingWebhookConfiguration).Webhooks {
		if !slices.ContainsFunc(have.Webhooks, func(h admissionv1.MutatingWebhook) bool { return h.Name == w.Name }) {
			out = append(out, w.Name+" removed")
		}
	}
	for _, h := range have.Webhooks {
		if !slices.ContainsFunc(want.(*admissionv1.MutatingWebhookConfiguration).Webhooks, func(w admissionv1.MutatingWebhook) bool { return h.Name == w.Name }) {
			out = append(out, h.Name+" added")
		}
	}
	return out
}

func TestTheConfigurationsAreCompared(t *testing.T) {
	missing := Fault{Cause: CauseConfigurationMissing, Detail: "MutatingWebhookConfiguration gitlatch is gone"}
	edited := Fault{Cause: CauseConfigurationChanged, Manager: "kubectl-edit",
		Detail: `MutatingWebhookConfiguration gitlatch is not as the policies want it: b removed, last written by field manager "kubectl-edit" at 2026-03-02T12:00:00Z`}
	silent := Fault{Cause: CauseConfigurationChanged, Detail: "MutatingWebhookConfiguration gitlatch is not as the policies want it: b removed"}
	for name, tc := range map[string]struct {
		before []*Expected // a second apart, the last at noon
		live   live
		after  time.Duration
		want   []Fault
	}{
		"both as they should be":                        {[]*Expected{expecting("a", "b")}, live{gateOf(registrar, "a", "b"), finalOf()}, time.Minute, nil},
		"one is gone":                                   {[]*Expected{expecting("a", "b")}, live{nil, finalOf()}, time.Minute, []Fault{missing}},
		"one is gone just after a policy changed":       {[]*Expected{expecting("a"), expecting("a", "b")}, live{nil, finalOf()}, 0, []Fault{missing}},
		"one was edited":                                {[]*Expected{expecting("a", "b")}, live{gateOf("kubectl-edit", "a"), finalOf()}, time.Minute, []Fault{edited}},
		"one was edited just after a policy changed":    {[]*Expected{expecting("c"), expecting("a", "b")}, live{gateOf("kubectl-edit", "a"), finalOf()}, time.Second, []Fault{edited}},
		"one stands as it did before a policy changed":  {[]*Expected{expecting("a"), expecting("c"), expecting("a", "b")}, live{gateOf("kubectl-edit", "a"), finalOf()}, time.Second, nil},
		"the gate is between two policies":              {[]*Expected{expecting("a"), expecting("a", "b")}, live{gateOf(registrar, "a", "c"), finalOf()}, time.Second, nil},
		"the gate did not follow":                       {[]*Expected{expecting("a"), expecting("a", "b")}, live{gateOf(registrar, "a"), finalOf()}, settle, []Fault{silent}},
		"a policy that was set back":                    {[]*Expected{expecting("a", "b"), expecting("a"), expecting("a", "b")}, live{gateOf(registrar, "a", "b"), finalOf()}, 0, nil},
		"the same policies once more give no more time": {[]*Expected{expecting("a", "b"), expecting("a", "b")}, live{gateOf(registrar, "a"), finalOf()}, settle - time.Second, []Fault{silent}},
	} {
		t.Run(name, func(t *testing.T) {
			c := comparison{differences: byName}
			for i, e := range tc.before {
				c.expect(e, second(i-len(tc.before)+1))
			}
			if diff := cmp.Diff(tc.want, c.faults(tc.live, noon.Add(tc.after))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheOffSwitch(t *testing.T) {
	final := finalOf()
	final.Annotations = map[string]string{v1alpha1.AnnotationOff: "INC-42: it denies everything"}
	at := metav1.NewTime(noon)
	final.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl-annotate", Time: &at}}
	got, set := live{nil, final}.off()
	want := Fault{Cause: CauseSwitchedOff, Manager: "kubectl-annotate",
		Detail: `ValidatingWebhookConfiguration says gitlatch.dev/off: "INC-42: it denies everything", last written by field manager "kubectl-annotate" at 2026-03-02T12:00:00Z`}
	if diff := cmp.Diff(want, got); diff != "" || !set {
		t.Errorf("set %t (-want +got):\n%s", set, diff)
	}
	if _, set := (live{gateOf("x"), finalOf()}).off(); set {
		t.Error("it is set where nobody set it")
	}
}

// TestWhatAWatchTells replaces the one configuration that it tells of.
func TestWhatAWatchTells(t *testing.T) {
	both := live{gateOf("", "a"), finalOf()}
	other := gateOf("", "b")
	for name, tc := range map[string]struct {
		told *changed
		want live
	}{
		"nothing":    {nil, both},
		"a change":   {&changed{object: other}, live{other, both.final}},
		"a deletion": {&changed{object: finalOf(), gone: true}, live{both.gate, nil}},
	} {
		if got := both.with(tc.told); got != tc.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
