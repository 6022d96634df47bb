package signals

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// registration is the name of the gate's two configurations.
const registration = "gitlatch"

// gate is what the API server knows of the gate.
type gate struct {
	off  string   // the reason that stands on a configuration; "": it is not off
	gone []string // configurations that are not there, or empty
}

func (f *found) readGate(ctx context.Context) error {
	mutating, validating := &admissionv1.MutatingWebhookConfiguration{}, &admissionv1.ValidatingWebhookConfiguration{}
	for _, c := range []struct {
		object client.Object
		what   string
		count  func() int
	}{
		{mutating, "MutatingWebhookConfiguration", func() int { return len(mutating.Webhooks) }},
		{validating, "ValidatingWebhookConfiguration", func() int { return len(validating.Webhooks) }},
	} {
		err := f.Reader.Get(ctx, client.ObjectKey{Name: registration}, c.object)
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		f.gate.off = cmp.Or(f.gate.off, c.object.GetAnnotations()[v1alpha1.AnnotationOff])
		if err != nil || c.count() == 0 {
			f.gate.gone = append(f.gate.gone, c.what+" "+registration)
		}
	}
	return nil
}

// enforcement is the state of the gate: what switches it off outweighs what fails, and
// that what it was told to do.
func (f *found) enforcement() Enforcement {
	e := Enforcement{State: StateUnknown, Why: "neither the gate's configurations nor the policies may be read", Policies: []Policy{}}
	mode, modeWhy := f.modes(&e)
	if f.known[listRecords] {
		e.Gap, e.Last = f.records.gap, f.records.last
	}
	gated, named := f.known[getWebhooks], f.known[listPolicies]
	switch {
	case f.gate.off != "":
		e.State, e.Why = string(v1alpha1.GateOff), "somebody switched it off: "+f.gate.off
	case gated && len(f.gate.gone) > 0:
		e.State, e.Why = string(v1alpha1.GateFailing), strings.Join(f.gate.gone, " and ")+" is not there, or empty: nothing is asked"
	case e.Gap != nil && e.Gap.State != v1alpha1.GateEnforcing && (e.Gap.State != v1alpha1.GateAuditing || mode == string(v1alpha1.GateEnforcing)):
		e.State = string(e.Gap.State)
		e.Why = fmt.Sprintf("the heartbeat found it so since %s (%s), record %s", e.Gap.Since.UTC().Format("2006-01-02 15:04:05"), cmp.Or(e.Gap.Cause, "no cause known"), e.Gap.Record)
	case gated && named:
		e.State, e.Why = mode, modeWhy
	case named:
		e.Why = modeWhy + "; whether the gate is registered may not be read"
	}
	return e
}

// modes is what the policies ask for.
func (f *found) modes(e *Enforcement) (state, why string) {
	count := map[v1alpha1.Mode]int{}
	for i := range f.policies {
		p := &f.policies[i]
		out := Policy{Name: p.Name, Mode: p.Spec.Mode, Ready: meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionReady)}
		if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady); c != nil && c.Status != metav1.ConditionTrue {
			out.Message = c.Reason + ": " + c.Message
		}
		if p.Spec.BreakGlass != nil {
			out.BreakGlass = p.Spec.BreakGlass.AllowedGroups
		}
		if out.Ready {
			count[p.Spec.Mode]++
		}
		e.Policies = append(e.Policies, out)
	}
	slices.SortFunc(e.Policies, func(a, b Policy) int { return strings.Compare(a.Name, b.Name) })
	switch {
	case count[v1alpha1.ModeEnforce] > 0:
		return string(v1alpha1.GateEnforcing), plural(count[v1alpha1.ModeEnforce], "policy enforces", "policies enforce")
	case count[v1alpha1.ModeWarn]+count[v1alpha1.ModeAudit] > 0:
		return string(v1alpha1.GateAuditing), "no policy enforces: what is around git is admitted and recorded"
	case len(f.policies) > 0:
		return string(v1alpha1.GateFailing), "no policy is in force: " + cmp.Or(e.Policies[0].Message, "the gate has not said that it took them")
	}
	return StateNone, "there is no policy: nothing is governed"
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
