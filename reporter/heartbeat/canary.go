package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// result is what became of a canary.
type result string

const (
	// resultDenied: the gate denied it, as it should.
	resultDenied result = "denied"
	// resultPassed: the API server would have stored it.
	resultPassed result = "passed"
	// resultNoAnswer: the API server says that it got no answer, or got none in time.
	resultNoAnswer result = "no_answer"
	// resultOverloaded: the gate answers, and sheds.
	resultOverloaded result = "overloaded"
	// resultUnreachable: the API server itself was not reached.
	resultUnreachable result = "unreachable"
	// resultUnclear: something else refused it, and nothing is known of the gate.
	resultUnclear result = "unclear"
)

func results() []result {
	return []result{resultDenied, resultPassed, resultNoAnswer, resultOverloaded, resultUnreachable, resultUnclear}
}

// answer is that of one API server to one canary.
type answer struct {
	server string
	canary string
	result result
	// expired says that the gate's certificate was why.
	expired bool
	detail  string
}

// webhookOf names the webhook that denies a canary.
func webhookOf(canary string) string {
	if canary == policy.CanaryFinal {
		return v1alpha1.FinalName
	}
	return v1alpha1.GateName
}

// newCanary is a record as the schema wants it; it is never stored.
func newCanary(name string) *v1alpha1.ChangeRecord {
	return &v1alpha1.ChangeRecord{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ChangeRecord"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.ChangeRecordSpec{
			Outcome: v1alpha1.OutcomeDenied, Reason: v1alpha1.ReasonCanary,
			Evidence: v1alpha1.EvidenceAdmission, Confidence: v1alpha1.ConfidenceProven,
		},
	}
}

// read says what an API server's answer means. Its words are those of
// k8s.io/apiserver: admission/plugin/webhook/errors.ToStatusErr for a denial, and
// mutating and validating dispatchers for a call that failed.
func read(server, canary string, err error) answer {
	a := answer{server: server, canary: canary}
	var status apierrors.APIStatus
	var dial *net.OpError
	switch {
	case err == nil, apierrors.IsAlreadyExists(err):
		a.result = resultPassed
	case errors.As(err, &status):
		a.readStatus(status.Status(), err)
	case errors.As(err, &dial) && dial.Op == "dial":
		a.result, a.detail = resultUnreachable, err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		a.result, a.detail = resultNoAnswer, "no answer within "+patience.String()
	default:
		a.result, a.detail = resultUnreachable, err.Error()
	}
	return a
}

func (a *answer) readStatus(s metav1.Status, err error) {
	a.result, a.detail = resultUnclear, s.Message
	deniedBy := strings.HasPrefix(s.Message, "admission webhook ") && strings.Contains(s.Message, webhookOf(a.canary)+`" denied the request`)
	ours := strings.Contains(s.Message, v1alpha1.GateName) || strings.Contains(s.Message, v1alpha1.FinalName)
	switch {
	case deniedBy && hasCause(s, v1alpha1.ReasonCanary):
		a.result, a.detail = resultDenied, ""
	case ours && hasCause(s, v1alpha1.ReasonUndecided):
		a.result, a.detail = resultOverloaded, "the gate could not judge it"
	case ours && strings.Contains(s.Message, "failed calling webhook"):
		a.result = resultNoAnswer
		a.expired = strings.Contains(s.Message, "certificate has expired")
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err):
		a.result = resultNoAnswer
	}
}

func hasCause(s metav1.Status, reason v1alpha1.Reason) bool {
	if s.Details == nil {
		return false
	}
	for _, c := range s.Details.Causes {
		if c.Type == metav1.CauseType(reason) {
			return true
		}
	}
	return false
}

// faultsOf are what the answers say is wrong; unsure where nothing can be told of the
// gate. An API server that is not reached says nothing: it may be on its way out, and
// nobody else reaches it either. It does not hide what the others say.
func faultsOf(answers []answer) (faults []Fault, unsure *Fault) {
	denied := map[string]bool{}
	overloaded, other := "", ""
	for _, a := range answers {
		where := fmt.Sprintf("the API server at %s: canary for %s", a.server, webhookOf(a.canary))
		switch a.result {
		case resultDenied:
			denied[a.canary] = true
		case resultPassed:
			faults = append(faults, Fault{Cause: CauseNotAsked, Detail: where + " was not denied"})
		case resultNoAnswer:
			cause := CauseNoAnswer
			if a.expired {
				cause = CauseCertificateExpired
			}
			faults = append(faults, Fault{Cause: cause, Detail: where + ": " + a.detail})
		case resultOverloaded:
			overloaded = where + ": " + a.detail
		default:
			other = where + ": " + a.detail
		}
	}
	switch {
	case len(denied) == len(policy.Canaries()):
	case overloaded != "":
		unsure = &Fault{Cause: CauseOverloaded, Detail: overloaded}
	case other != "":
		unsure = &Fault{Cause: CauseUnwatched, Detail: other}
	case len(faults) == 0:
		unsure = &Fault{Cause: CauseUnwatched, Detail: "no API server was asked"}
	}
	return faults, unsure
}
