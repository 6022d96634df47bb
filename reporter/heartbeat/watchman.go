package heartbeat

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// gap is one gap and how much of it is written down.
type gap struct {
	record *v1alpha1.ChangeRecord
	// created says that the record is there.
	created bool
	// end is when the gate was seen as expected again. The zero time: it is open.
	end time.Time
}

func (g *gap) cause() Cause     { return Cause(g.record.Spec.Gap.Cause) }
func (g *gap) since() time.Time { return g.record.Spec.Gap.Since.Time }

// watchman makes gaps of what the beats see. It knows no clock and no cluster.
type watchman struct {
	// blind is how long nobody may have looked before that is a gap of its own.
	blind time.Duration

	// good is when the gate was last seen as expected, and expected as what. The zero
	// time: never.
	good     time.Time
	expected v1alpha1.GateState
	// open is the gap that is; nil: there is none.
	open *gap
	// unwritten are those whose end is not written down yet.
	unwritten []*gap
}

// see takes what a beat saw. It returns the gaps that begin and end with it.
func (w *watchman) see(s standing) (begun, ended *gap) {
	switch {
	case !s.known:
		if w.open == nil && w.missed(s.at) {
			begun = w.begin(w.good, s)
		}
	case s.fault == nil:
		if w.open == nil && s.expected != "" && w.missed(s.at) {
			begun = w.begin(w.good, standing{at: s.at, expected: w.expected,
				fault: &Fault{Cause: CauseUnwatched, Detail: "nobody looked in that time"}})
		}
		ended = w.close(s.until)
		w.good, w.expected = s.at, s.expected
	case w.open == nil:
		since := w.good
		if since.IsZero() || w.expected == "" {
			since = s.at // it never was as expected
		}
		begun = w.begin(since, s)
	case w.open.cause().kind() != s.fault.Cause.kind():
		ended = w.close(s.at)
		begun = w.begin(s.at, s)
	}
	return begun, ended
}

// missed: something was expected when last it was seen, and that is too long ago.
func (w *watchman) missed(now time.Time) bool {
	return w.expected != "" && !w.good.IsZero() && now.Sub(w.good) > w.blind
}

func (w *watchman) begin(since time.Time, s standing) *gap {
	w.open = &gap{record: record.OfGap(describe(since, s))}
	return w.open
}

func (w *watchman) close(at time.Time) *gap {
	g := w.open
	if g == nil {
		return nil
	}
	g.end, w.open = at, nil
	w.unwritten = append(w.unwritten, g)
	return g
}

// describe says what a gap is, in the words of a record. Its target is the configuration
// that asks the gate, or the namespace that is hidden.
func describe(since time.Time, s standing) v1alpha1.ChangeRecordSpec {
	f := s.fault
	spec := v1alpha1.ChangeRecordSpec{
		Outcome: v1alpha1.OutcomeTampered,
		Reason:  v1alpha1.ReasonNotEnforcing,
		Request: v1alpha1.RecordedRequest{
			Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations",
			Kind: "MutatingWebhookConfiguration", Name: configurationName, FieldManager: f.Manager,
		},
		Evidence:   v1alpha1.EvidenceWatch,
		Confidence: v1alpha1.ConfidenceProven,
		Gap: &v1alpha1.Gap{
			State: f.Cause.state(), Expected: s.expected, Since: metav1.NewMicroTime(since), Cause: string(f.Cause),
		},
		Message: f.Detail + ". Next: " + f.Cause.advice(),
	}
	if f.Namespace != "" {
		spec.Request = v1alpha1.RecordedRequest{
			Version: "v1", Resource: "namespaces", Kind: "Namespace", Namespace: f.Namespace, Name: f.Namespace, FieldManager: f.Manager,
		}
	}
	return spec
}
