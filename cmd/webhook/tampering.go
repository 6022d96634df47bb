package main

import (
	"context"
	"time"

	"github.com/go-logr/logr"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
	"github.com/gitlatch/gitlatch/webhook"
	"github.com/gitlatch/gitlatch/webhook/registration"
)

// tampers records changes of our webhook configurations and of the backstop. Admission is never
// asked about these, so the witness is the watch, and who it was is no more than
// indicated.
type tampers struct {
	recorder webhook.Recorder
	log      logr.Logger
}

// Tampered implements [registration.Tamperer].
func (t *tampers) Tampered(ctx context.Context, what registration.Tampering) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	e := record.Entry{Spec: v1alpha1.ChangeRecordSpec{
		Outcome: v1alpha1.OutcomeTampered,
		Class:   v1alpha1.ClassOutOfBand,
		Reason:  v1alpha1.ReasonBuiltIn,
		Request: v1alpha1.RecordedRequest{
			Operation: operationOf(what), Group: "admissionregistration.k8s.io", Version: "v1", Resource: resourceOf(what.Kind),
			Kind: what.Kind, Name: what.Name, FieldManager: what.Manager,
		},
		Evidence:   v1alpha1.EvidenceWatch,
		Confidence: v1alpha1.ConfidenceIndicated,
		Message:    messageOf(what, time.Now()),
	}}
	name, err := t.recorder.Denied(ctx, e)
	record.Log(t.log, e, name, err)
}

// stale is from when on the time of the record is not that of the act: nobody was
// there to restore what was changed.
const stale = 10 * time.Second

func messageOf(what registration.Tampering, now time.Time) string {
	text := what.Kind + " " + what.Name + ": " + what.What
	if !what.Time.IsZero() && now.Sub(what.Time) > stale {
		text += ", at " + what.Time.UTC().Format(time.RFC3339)
	}
	return text
}

func operationOf(what registration.Tampering) string {
	if what.Deleted {
		return "DELETE"
	}
	return "UPDATE"
}

func resourceOf(kind string) string {
	switch kind {
	case "MutatingWebhookConfiguration":
		return "mutatingwebhookconfigurations"
	case "ValidatingAdmissionPolicy":
		return "validatingadmissionpolicies"
	case "ValidatingAdmissionPolicyBinding":
		return "validatingadmissionpolicybindings"
	}
	return "validatingwebhookconfigurations"
}
