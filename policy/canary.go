package policy

import (
	"slices"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

/*
canary: a question to the gate itself, put as a dry run of creating a ChangeRecord
under one of two reserved names. Whoever asks gets the same answer, whatever the
policies and whoever they are: the reporter's own account, which may write every
other record, must hear it too.

	canary-gate    denied by the mutating call, let through by the validating one
	canary-final   let through by the mutating call, denied by the validating one

So a dry run of one that passes tells that the API server did not ask the one
webhook, or got no answer. It leaves no record: it is no attempt at anything.

Not allowed here: writing such a record in earnest, by anybody.
*/

// The reserved names.
const (
	CanaryGate  = "canary-gate"
	CanaryFinal = "canary-final"
)

// Canaries are the reserved names.
func Canaries() []string { return []string{CanaryGate, CanaryFinal} }

func (r *Request) isCanary() bool {
	return r.Operation == Create && r.Subresource == "" && r.isResource(v1alpha1.Group, "changerecords") &&
		slices.Contains(Canaries(), r.Name)
}

func canary(r *Request) (Decision, bool) {
	if !r.isCanary() {
		return Decision{}, false
	}
	if r.DryRun && r.Final != (r.Name == CanaryFinal) {
		return Decision{Action: Allow, Class: v1alpha1.ClassCanary}, true
	}
	d := Decision{
		Class: v1alpha1.ClassCanary, Reason: v1alpha1.ReasonCanary, Mode: v1alpha1.ModeEnforce,
		Message: r.Target() + " asks whether the gate denies, and it does",
	}
	if !r.DryRun {
		d.Message, d.Record = r.Target()+" is a reserved name, under which nothing is ever stored", v1alpha1.OutcomeDenied
	}
	return d, true
}
