package heartbeat

import (
	"slices"
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

// A gate that flaps makes one gap and not one for each time: after so many ends of a kind
// within a time, the next end is one only once it has been calm for another.
const (
	flaps      = 8
	flapsIn    = 5 * time.Minute
	calmAtFlap = 2 * time.Minute
)

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
	// calm is since when the open gap would have ended, but for a gate that flaps. The
	// zero time: it has not.
	calm time.Time
	// ends are the latest, by the kind of cause.
	ends map[string][]time.Time
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
		if w.calm.IsZero() && w.flapping(s.at) {
			w.calm = s.until
		}
		if w.calm.IsZero() || s.until.Sub(w.calm) >= calmAtFlap {
			ended = w.close(s.until)
		}
		w.good, w.expected = s.at, s.expected
	case w.open == nil:
		since := w.good
		if since.IsZero() || w.expected == "" {
			since = s.at // it never was as expected
		}
		begun = w.begin(since, s)
	case w.open.cause().kind() != s.fault.Cause.kind():
		since := s.at
		if !w.calm.IsZero() {
			since = w.good // the one was over
		}
		ended = w.close(s.at)
		begun = w.begin(since, s)
	default:
		w.calm = time.Time{}
	}
	return begun, ended
}

// flapping: the open gap is one of many of its kind.
func (w *watchman) flapping(now time.Time) bool {
	if w.open == nil {
		return false
	}
	kind := w.open.cause().kind()
	recent := slices.DeleteFunc(w.ends[kind], func(end time.Time) bool { return now.Sub(end) > flapsIn })
	if w.ends == nil {
		w.ends = map[string][]time.Time{}
	}
	w.ends[kind] = recent
	return len(recent) >= flaps
}

// earlier of two times; the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
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
	g.end, w.open, w.calm = earlier(w.calm, at), nil, time.Time{}
	if w.ends == nil {
		w.ends = map[string][]time.Time{}
	}
	kind := g.cause().kind()
	w.ends[kind] = append(w.ends[kind], g.end)
	w.ends[kind] = w.ends[kind][max(0, len(w.ends[kind])-flaps):]
	w.unwritten = append(w.unwritten, g)
	return g
}

// describe says what a gap is, in the words of a record. Its target is the configuration
// that asks the gate, the policy that was weakened, or the namespace that is hidden.
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
	if f.Policy != "" {
		spec.Request = v1alpha1.RecordedRequest{
			Group: v1alpha1.Group, Version: v1alpha1.GroupVersion.Version, Resource: "changepolicies", Kind: "ChangePolicy", Name: f.Policy, FieldManager: f.Manager,
		}
	}
	if f.Namespace != "" {
		spec.Request = v1alpha1.RecordedRequest{
			Version: "v1", Resource: "namespaces", Kind: "Namespace", Namespace: f.Namespace, Name: f.Namespace, FieldManager: f.Manager,
		}
	}
	return spec
}
