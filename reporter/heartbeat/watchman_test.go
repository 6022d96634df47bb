package heartbeat

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// seen are what beats see, at seconds after noon.
func good(at int) standing { return as(at, v1alpha1.GateEnforcing) }

func as(at int, expected v1alpha1.GateState) standing {
	return standing{at: second(at), until: second(at), known: true, state: expected, expected: expected}
}

func bad(at int, cause Cause) standing {
	return standing{at: second(at), until: second(at), known: true, state: cause.state(), expected: v1alpha1.GateEnforcing, fault: &Fault{Cause: cause, Detail: "it is"}}
}

func unsure(at int, cause Cause) standing {
	return standing{at: second(at), until: second(at), expected: v1alpha1.GateEnforcing, fault: &Fault{Cause: cause, Detail: "it is"}}
}

func second(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }

func TestGaps(t *testing.T) {
	for name, tc := range map[string]struct {
		beats []standing
		want  []string // "cause state since-end", open ones last
	}{
		"as it should be":                      {[]standing{good(0), good(10), good(20)}, nil},
		"since is when it was last seen shut":  {[]standing{good(0), good(10), bad(20, CauseNoAnswer), good(22)}, []string{"NoAnswer Failing 10-22"}},
		"one that lasts":                       {[]standing{good(0), bad(10, CauseNotAsked), bad(12, CauseNotAsked)}, []string{"NotAsked Failing 0-"}},
		"what never was shut, from its first":  {[]standing{bad(10, CauseConfigurationMissing), bad(12, CauseConfigurationMissing), good(14)}, []string{"ConfigurationMissing Failing 10-14"}},
		"a first policy that nobody enforces":  {[]standing{as(0, ""), bad(10, CauseNoAnswer)}, []string{"NoAnswer Failing 10-"}},
		"words that change tell one story":     {[]standing{good(0), bad(10, CauseNoAnswer), bad(12, CauseNotAsked), bad(14, CauseCertificateExpired), good(16)}, []string{"NoAnswer Failing 0-16"}},
		"another cause is another gap":         {[]standing{good(0), bad(10, CauseConfigurationMissing), bad(12, CauseSwitchedOff), good(14)}, []string{"ConfigurationMissing Failing 0-12", "SwitchedOff Off 12-14"}},
		"the last policy is deleted":           {[]standing{good(0), bad(10, CauseNoAnswer), as(12, "")}, []string{"NoAnswer Failing 0-12"}},
		"beats that see nothing, for a minute": {[]standing{good(0), unsure(10, CauseUnwatched), unsure(60, CauseUnwatched), good(61)}, []string{"Unwatched Failing 0-61"}},
		"for less than a minute they are none": {[]standing{good(0), unsure(10, CauseUnwatched), unsure(40, CauseOverloaded), good(50)}, nil},
		"more are, once it is a minute":        {[]standing{good(0), unsure(30, CauseOverloaded), unsure(61, CauseOverloaded), unsure(90, CauseUnwatched)}, []string{"Overloaded Failing 0-"}},
		"one that is open goes on unseen":      {[]standing{good(0), bad(10, CauseNoAnswer), unsure(20, CauseUnwatched), unsure(200, CauseUnwatched), good(210)}, []string{"NoAnswer Failing 0-210"}},
		"a reporter that was away":             {[]standing{good(0), good(3600)}, []string{"Unwatched Failing 0-3600"}},
		"and comes back to a gate that is off": {[]standing{good(0), bad(3600, CauseSwitchedOff)}, []string{"SwitchedOff Off 0-"}},
		"it was away while nothing was wanted": {[]standing{as(0, ""), good(3600)}, nil},
		"and nothing is any more":              {[]standing{good(0), as(3600, "")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := watchman{blind: blind}
			begun, ended := 0, 0
			for _, s := range tc.beats {
				b, e := w.see(s)
				if b != nil {
					begun++
				}
				if e != nil {
					ended++
				}
			}
			var got []string
			all := w.unwritten
			if w.open != nil {
				all = append(all, w.open)
			}
			for _, g := range all {
				spec, end := g.record.Spec.Gap, ""
				if !g.end.IsZero() {
					end = fmt.Sprint(int(g.end.Sub(noon).Seconds()))
				}
				got = append(got, fmt.Sprintf("%s %s %d-%s", spec.Cause, spec.State, int(g.since().Sub(noon).Seconds()), end))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if begun != len(all) || ended != len(w.unwritten) {
				t.Errorf("%d are told to begin and %d to end, of %d and %d", begun, ended, len(all), len(w.unwritten))
			}
		})
	}
}

// TestTheRecordOfAGap: what it says, and that whoever finds the same gap finds it recorded.
func TestTheRecordOfAGap(t *testing.T) {
	s := bad(10, CauseConfigurationMissing)
	s.fault.Detail, s.fault.Manager = "MutatingWebhookConfiguration gitlatch is gone", "kubectl-edit"
	got := record.OfGap(describe(noon, s))
	want := v1alpha1.ChangeRecordSpec{
		Outcome: v1alpha1.OutcomeTampered, Reason: v1alpha1.ReasonNotEnforcing,
		Request: v1alpha1.RecordedRequest{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations",
			Kind: "MutatingWebhookConfiguration", Name: "gitlatch", FieldManager: "kubectl-edit"},
		Evidence: v1alpha1.EvidenceWatch, Confidence: v1alpha1.ConfidenceProven,
		Gap: &v1alpha1.Gap{State: v1alpha1.GateFailing, Expected: v1alpha1.GateEnforcing, Since: metav1.NewMicroTime(noon), Cause: "ConfigurationMissing"},
		Message: "MutatingWebhookConfiguration gitlatch is gone. Next: a running webhook pod restores it within a second: look at deployment " +
			"gitlatch-webhook, and at who may write webhook configurations",
	}
	if diff := cmp.Diff(want, got.Spec); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Labels[v1alpha1.LabelGap] != record.GapOpen || got.Labels[v1alpha1.LabelOutcome] != "Tampered" {
		t.Errorf("labels %v", got.Labels)
	}
	if again := record.OfGap(describe(noon, s)); again.Name != got.Name {
		t.Errorf("the same gap is called %s and %s", got.Name, again.Name)
	}
	if other := record.OfGap(describe(second(1), s)); other.Name == got.Name {
		t.Errorf("two gaps are called %s", got.Name)
	}
}

// TestEveryCauseIsAccountedFor: each has a rank, a state and advice of its own.
func TestEveryCauseIsAccountedFor(t *testing.T) {
	advice := map[string]Cause{}
	for _, c := range Causes() {
		text := c.advice()
		if text == "" || advice[text] != "" && c.kind() != advice[text].kind() {
			t.Errorf("%s: advice %q", c, text)
		}
		advice[text] = c
		if s := bad(0, c); len(describe(noon, s).Message) > 1024 {
			t.Errorf("%s: the message is too long", c)
		}
	}
	if got := first([]Fault{{Cause: CauseNotAsked}, {Cause: CauseSwitchedOff}, {Cause: CauseConfigurationChanged}}); got.Cause != CauseSwitchedOff {
		t.Errorf("the first cause is %s", got.Cause)
	}
}
