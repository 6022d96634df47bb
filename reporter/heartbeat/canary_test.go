package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// refusal is a denial as an API server passes it on.
func refusal(webhook string, reason v1alpha1.Reason) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: 403, Reason: metav1.StatusReasonForbidden,
		Message: fmt.Sprintf("admission webhook %q denied the request: %s: no.", webhook, reason),
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: metav1.CauseType(reason)}}},
	}}
}

func TestWhatAnAnswerMeans(t *testing.T) {
	records := schema.GroupResource{Group: v1alpha1.Group, Resource: "changerecords"}
	failed := func(why string) error {
		return apierrors.NewInternalError(errors.New(`failed calling webhook "builtin.gate.gitlatch.dev": failed to call webhook: ` + why))
	}
	for name, tc := range map[string]struct {
		canary string
		err    error
		want   answer
	}{
		"the mutating webhook denies its canary":      {policy.CanaryGate, refusal("builtin.gate.gitlatch.dev", v1alpha1.ReasonCanary), answer{result: resultDenied}},
		"the validating webhook denies its canary":    {policy.CanaryFinal, refusal("builtin.final.gitlatch.dev", v1alpha1.ReasonCanary), answer{result: resultDenied}},
		"it would be stored":                          {policy.CanaryGate, nil, answer{result: resultPassed}},
		"one of that name is stored already":          {policy.CanaryGate, apierrors.NewAlreadyExists(records, "canary-gate"), answer{result: resultPassed}},
		"the gate sheds it":                           {policy.CanaryGate, refusal("builtin.gate.gitlatch.dev", v1alpha1.ReasonUndecided), answer{result: resultOverloaded, detail: "the gate could not judge it"}},
		"the mutating webhook sheds the other canary": {policy.CanaryFinal, refusal("builtin.gate.gitlatch.dev", v1alpha1.ReasonUndecided), answer{result: resultOverloaded, detail: "the gate could not judge it"}},
		"under Fail the gate is not there": {policy.CanaryGate, failed("connection refused"), answer{result: resultNoAnswer,
			detail: `Internal error occurred: failed calling webhook "builtin.gate.gitlatch.dev": failed to call webhook: connection refused`}},
		"under Fail its certificate is out of date": {policy.CanaryGate, failed("tls: failed to verify certificate: x509: certificate has expired or is not yet valid"), answer{result: resultNoAnswer, expired: true,
			detail: `Internal error occurred: failed calling webhook "builtin.gate.gitlatch.dev": failed to call webhook: tls: failed to verify certificate: x509: certificate has expired or is not yet valid`}},
		"somebody else's webhook denies it": {policy.CanaryGate, refusal("quota.example.com", "Quota"), answer{result: resultUnclear, detail: `admission webhook "quota.example.com" denied the request: Quota: no.`}},
		"the other of ours denies it":       {policy.CanaryFinal, refusal("builtin.gate.gitlatch.dev", v1alpha1.ReasonCanary), answer{result: resultUnclear, detail: `admission webhook "builtin.gate.gitlatch.dev" denied the request: Canary: no.`}},
		"RBAC refuses it":                   {policy.CanaryGate, apierrors.NewForbidden(records, "canary-gate", errors.New("no")), answer{result: resultUnclear, detail: `changerecords.gitlatch.dev "canary-gate" is forbidden: no`}},
		"nobody answers in time":            {policy.CanaryGate, fmt.Errorf("%w: reading", context.DeadlineExceeded), answer{result: resultNoAnswer, detail: "no answer within 4s"}},
		"the API server is not there": {policy.CanaryGate, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")},
			answer{result: resultUnreachable, detail: "dial tcp: connection refused"}},
		"the API server can't be connected to in time": {policy.CanaryGate, fmt.Errorf("%w: %w", context.DeadlineExceeded, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("i/o timeout")}),
			answer{result: resultUnreachable, detail: "context deadline exceeded: dial tcp: i/o timeout"}},
		"the connection breaks": {policy.CanaryGate, errors.New("EOF"), answer{result: resultUnreachable, detail: "EOF"}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.want.server, tc.want.canary = "10.0.0.1:6443", tc.canary
			if diff := cmp.Diff(tc.want, read("10.0.0.1:6443", tc.canary, tc.err), cmp.AllowUnexported(answer{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatTheAnswersTellTogether(t *testing.T) {
	of := func(server string, gate, final result) []answer {
		return []answer{{server: server, canary: policy.CanaryGate, result: gate, detail: "why"}, {server: server, canary: policy.CanaryFinal, result: final, detail: "why"}}
	}
	passed := Fault{Cause: CauseNotAsked, Detail: "the API server at b: canary for final.gitlatch.dev was not denied"}
	for name, tc := range map[string]struct {
		answers []answer
		faults  []Fault
		unsure  *Fault
	}{
		"every API server asks both": {append(of("a", resultDenied, resultDenied), of("b", resultDenied, resultDenied)...), nil, nil},
		"one of two does not ask the one webhook": {append(of("a", resultDenied, resultDenied), of("b", resultDenied, resultPassed)...),
			[]Fault{passed}, nil},
		"one that is not reached does not hide the others": {append(of("a", resultDenied, resultDenied), of("b", resultUnreachable, resultUnreachable)...), nil, nil},
		"none is reached": {of("a", resultUnreachable, resultUnreachable), nil,
			&Fault{Cause: CauseUnwatched, Detail: "the API server at a: canary for final.gitlatch.dev: why"}},
		"no one is known": {nil, nil, &Fault{Cause: CauseUnwatched, Detail: "no API server was asked"}},
		"the gate sheds": {of("a", resultDenied, resultOverloaded), nil,
			&Fault{Cause: CauseOverloaded, Detail: "the API server at a: canary for final.gitlatch.dev: why"}},
		"another refuses one of them": {of("a", resultDenied, resultUnclear), nil,
			&Fault{Cause: CauseUnwatched, Detail: "the API server at a: canary for final.gitlatch.dev: why"}},
		"no answer": {of("a", resultNoAnswer, resultDenied), []Fault{{Cause: CauseNoAnswer, Detail: "the API server at a: canary for gate.gitlatch.dev: why"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			faults, unsure := faultsOf(tc.answers)
			if diff := cmp.Diff(tc.faults, faults); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			if len(faults) > 0 {
				unsure = nil // a fault is told whatever is not known beside it
			}
			if diff := cmp.Diff(tc.unsure, unsure); diff != "" {
				t.Errorf("unsure (-want +got):\n%s", diff)
			}
		})
	}
}
