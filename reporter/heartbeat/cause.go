package heartbeat

import (
	"slices"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Cause is the stable word for why the gate was not in the state that it should be in.
// Alerts and runbooks may rely on it: docs/runbooks/gate.md has a line for each.
type Cause string

const (
	// CauseSwitchedOff: somebody set the off switch.
	CauseSwitchedOff Cause = "SwitchedOff"
	// CauseConfigurationMissing: a webhook configuration is gone.
	CauseConfigurationMissing Cause = "ConfigurationMissing"
	// CauseConfigurationChanged: one is not as the policies compile to.
	CauseConfigurationChanged Cause = "ConfigurationChanged"
	// CauseCertificateExpired: the gate's certificate is out of date, and no API server
	// that connects anew takes it.
	CauseCertificateExpired Cause = "CertificateExpired"
	// CauseNoAnswer: the gate can't be reached, or does not answer in time.
	CauseNoAnswer Cause = "NoAnswer"
	// CauseNotAsked: a canary passed, although the gate answers and the configurations
	// are as they should be: an API server can't reach it, or does not ask.
	CauseNotAsked Cause = "NotAsked"
	// CausePolicyWeakened: while the gate was not there to be asked, a policy was deleted
	// or demands something else, and neither a sync nor a record accounts for that.
	CausePolicyWeakened Cause = "PolicyWeakened"
	// CauseNamespaceHidden: what is in a namespace is not judged any more, and no sync
	// brought that about.
	CauseNamespaceHidden Cause = "NamespaceHidden"
	// CauseOverloaded: the gate has had to shed what it is asked, for a minute. What it
	// sheds it denies.
	CauseOverloaded Cause = "Overloaded"
	// CauseUnwatched: for more than a minute nobody could tell whether the gate denies:
	// the reporter was down, or no API server answered it.
	CauseUnwatched Cause = "Unwatched"
)

// Causes lists them, those first that explain the others.
func Causes() []Cause {
	return []Cause{
		CauseSwitchedOff, CauseConfigurationMissing, CauseConfigurationChanged, CauseCertificateExpired,
		CauseNoAnswer, CauseNotAsked, CausePolicyWeakened, CauseNamespaceHidden, CauseOverloaded, CauseUnwatched,
	}
}

func (c Cause) rank() int { return slices.Index(Causes(), c) }

// kind gathers causes that are one story, told by what could be found out at the moment:
// a gate that goes down is first not reached, then not asked. A gap keeps the first.
func (c Cause) kind() string {
	switch c {
	case CauseConfigurationMissing, CauseConfigurationChanged:
		return "configuration"
	case CauseCertificateExpired, CauseNoAnswer, CauseNotAsked:
		return "answer"
	case CauseOverloaded, CauseUnwatched:
		return "unknown"
	}
	return string(c)
}

// state that the gate is in for this cause.
func (c Cause) state() v1alpha1.GateState {
	if c == CauseSwitchedOff {
		return v1alpha1.GateOff
	}
	return v1alpha1.GateFailing
}

// advice is what to do, for the record of a gap.
func (c Cause) advice() string {
	switch c {
	case CauseSwitchedOff:
		return "switch it on again once the emergency is over: kubectl gitlatch on"
	case CauseConfigurationMissing, CauseConfigurationChanged:
		return "a running webhook pod restores it within a second: look at deployment gitlatch-webhook, and at who may write webhook configurations"
	case CauseCertificateExpired:
		return "look at the logs of deployment gitlatch-webhook, which renews its certificate, or at the Certificate where cert-manager does"
	case CauseNoAnswer:
		return "look at the pods and the Service gitlatch-webhook"
	case CauseNotAsked:
		return "look whether the API servers that are named reach the Service gitlatch-webhook; their logs say failed calling webhook"
	case CausePolicyWeakened:
		return "set the policy back, or commit what it says now; if it is to stay as it is, review this record: kubectl gitlatch review"
	case CauseNamespaceHidden:
		return "set its labels back, or commit the new ones; or leave the namespace out in the policy"
	case CauseOverloaded:
		return "look at gitlatch_webhook_in_flight and at who writes that much, and give deployment gitlatch-webhook more replicas"
	case CauseUnwatched:
		return "look why deployment gitlatch-reporter did not run or could not reach an API server"
	}
	return ""
}

// Fault is one thing that is wrong.
type Fault struct {
	Cause Cause
	// Detail says what exactly, without values of any object.
	Detail string
	// Namespace is the hidden one. Left out: the fault is the gate's.
	Namespace string
	// Policy is the weakened one. Left out: the fault is not of a policy.
	Policy string
	// Manager is the field manager that wrote last what is wrong. Left out: unknown.
	Manager string
}

// first is the fault that explains the most; nil: there is none.
func first(faults []Fault) *Fault {
	if len(faults) == 0 {
		return nil
	}
	f := slices.MinFunc(faults, func(a, b Fault) int { return a.Cause.rank() - b.Cause.rank() })
	return &f
}
