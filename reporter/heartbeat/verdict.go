package heartbeat

import (
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// Expected is how the gate should be.
type Expected struct {
	// Policies that are in force.
	Policies []*policy.Policy
	// Gate and Final are the configurations that they compile to.
	Gate  *admissionv1.MutatingWebhookConfiguration
	Final *admissionv1.ValidatingWebhookConfiguration
}

// state that the policies demand; "": there is none, and nothing is expected.
func (e *Expected) state() v1alpha1.GateState {
	state := v1alpha1.GateState("")
	for _, p := range e.Policies {
		if p.Spec.Mode == v1alpha1.ModeEnforce {
			return v1alpha1.GateEnforcing
		}
		state = v1alpha1.GateAuditing
	}
	return state
}

// look is what one beat saw.
type look struct {
	at, until time.Time // when it began, and was over
	expected  v1alpha1.GateState
	faults    []Fault
	answers   []answer
	// unsure is why it can't be told whether the gate denies. Left out: it can.
	unsure *Fault
}

// standing is what a look means: the state that the gate is in, and why it is not the
// expected one. known is false where that can't be told.
type standing struct {
	at, until       time.Time
	known           bool
	state, expected v1alpha1.GateState
	fault           *Fault
}

func (l *look) standing() standing {
	s := standing{at: l.at, until: l.until, known: true, expected: l.expected}
	switch fault := first(l.faults); {
	case l.expected == "":
	case fault != nil:
		s.state, s.fault = fault.Cause.state(), fault
	case l.unsure != nil:
		s.known, s.fault = false, l.unsure
	default:
		s.state = l.expected
	}
	return s
}
