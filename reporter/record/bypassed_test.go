package record

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func bypassOf(t *testing.T) Bypass {
	return Bypass{
		Evidence: v1alpha1.EvidenceAuditLog, Confidence: v1alpha1.ConfidenceProven, Reason: v1alpha1.ReasonUnguarded, Policy: "cluster",
		Requester: v1alpha1.Requester{Username: person(t, "alice"), Groups: []string{"devs"}},
		Origin:    &v1alpha1.Origin{SourceIPs: []string{"192.0.2.10"}, UserAgent: "kubectl/v1.37.2", Impersonator: "bob"},
		Request: v1alpha1.RecordedRequest{
			UID: "event-1", Operation: "UPDATE", Group: "apps", Version: "v1", Resource: "deployments", Kind: "Deployment", Namespace: "prod", Name: "web",
		},
		Target: &v1alpha1.Target{UID: "web-uid", ResourceVersion: "7"}, At: time.Date(2026, 3, 2, 12, 0, 0, 123456000, time.UTC),
		Paths: []string{".spec.replicas", `.metadata.labels.team`}, Omitted: 3, Declared: true, Message: "alice changed it",
	}
}

func TestABypassIsRecordedOnce(t *testing.T) {
	bypasses := &Bypasses{Store: newClient(t)}
	b := bypassOf(t)
	must(t, bypasses.Try(t.Context(), b))
	if found := recordsOf(t, b.Requester.Username); len(found) > 0 {
		t.Fatalf("a trial left %d records", len(found))
	}
	name, isNew, err := bypasses.Record(t.Context(), b)
	must(t, err)
	again, isNewAgain, err := bypasses.Record(t.Context(), b)
	must(t, err)
	if !isNew || isNewAgain || again != name {
		t.Errorf("%s, new %t; again %s, new %t", name, isNew, again, isNewAgain)
	}
	got := get(t, name)
	wantSpec := v1alpha1.ChangeRecordSpec{
		Outcome: v1alpha1.OutcomeBypass, Class: v1alpha1.ClassOutOfBand, Reason: b.Reason, Policy: "cluster",
		Requester: b.Requester, Request: b.Request, Target: b.Target, Origin: b.Origin, Evidence: b.Evidence, Confidence: b.Confidence,
		Changes:        []v1alpha1.Change{{Path: ".spec.replicas"}, {Path: ".metadata.labels.team"}},
		ChangesOmitted: 3, Message: "alice changed it",
	}
	at := metav1.NewMicroTime(b.At)
	wantStatus := v1alpha1.ChangeRecordStatus{Count: 1, Phase: v1alpha1.PhaseObserved, FirstSeen: at, LastSeen: at}
	if diff := cmp.Diff(wantSpec, got.Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantStatus, got.Status); diff != "" || got.Labels[v1alpha1.LabelUnresolved] != Unresolved {
		t.Errorf("labels %v, status (-want +got):\n%s", got.Labels, diff)
	}
}

func TestBypassesAreToldApart(t *testing.T) {
	base := bypassOf(t)
	names := map[string]string{base.name(): "itself"}
	for what, tweak := range map[string]func(*Bypass){
		"another event":                     func(b *Bypass) { b.Request.UID = "event-2" },
		"another object of one event":       func(b *Bypass) { b.Request.Name = "api" },
		"another witness":                   func(b *Bypass) { b.Evidence = v1alpha1.EvidenceManagedFields },
		"the other witness, another name":   func(b *Bypass) { b.Evidence, b.Request.FieldManager = v1alpha1.EvidenceManagedFields, "kubectl-edit" },
		"the other witness, another second": func(b *Bypass) { b.Evidence, b.At = v1alpha1.EvidenceManagedFields, b.At.Add(time.Second) },
		"the other witness, another uid":    func(b *Bypass) { b.Evidence, b.Target = v1alpha1.EvidenceManagedFields, &v1alpha1.Target{UID: "x"} },
	} {
		b := bypassOf(t)
		tweak(&b)
		if other, taken := names[b.name()]; taken {
			t.Errorf("%s has the name of %s", what, other)
		}
		names[b.name()] = what
	}
	same := bypassOf(t)
	same.Message, same.Target, same.Paths = "told otherwise", nil, nil // a later pass remembers other objects
	if same.name() != base.name() {
		t.Error("what is told of one event changes its name")
	}
}

func TestWhatIsDoneToTheGateIsTampering(t *testing.T) {
	b := bypassOf(t)
	b.Request = v1alpha1.RecordedRequest{UID: "event-1", Operation: "DELETE", Group: "admissionregistration.k8s.io", Resource: "mutatingwebhookconfigurations", Name: "gitlatch"}
	if got := b.record().Spec.Outcome; got != v1alpha1.OutcomeTampered {
		t.Errorf("outcome %s", got)
	}
	b.Request.Name = "gitlatchet"
	if got := b.record().Spec.Outcome; got != v1alpha1.OutcomeBypass {
		t.Errorf("of another's configuration: outcome %s", got)
	}
}

func TestWhatComesAgainWithoutATimeIsRecordedAgainOnceResolved(t *testing.T) {
	store := newClient(t)
	bypasses := &Bypasses{Store: store}
	b := bypassOf(t)
	b.Evidence, b.At, b.Reason = v1alpha1.EvidenceManagedFields, time.Time{}, v1alpha1.ReasonErased
	first, _, err := bypasses.Record(t.Context(), b)
	must(t, err)
	_, err = patchStatus(t.Context(), store, first, nil, func(rec *v1alpha1.ChangeRecord) bool {
		rec.Status.Resolution = &v1alpha1.Resolution{State: v1alpha1.ResolutionReverted, At: metav1.Now()}
		return true
	})
	must(t, err)
	second, isNew, err := bypasses.Record(t.Context(), b)
	must(t, err)
	third, isNewAgain, err := bypasses.Record(t.Context(), b)
	must(t, err)
	if !isNew || isNewAgain || second == first || third != second {
		t.Errorf("%s, then %s (new %t), then %s (new %t)", first, second, isNew, third, isNewAgain)
	}
}

func TestWhatAClientChoseIsCutInABypass(t *testing.T) {
	b := bypassOf(t)
	b.Origin.UserAgent = strings.Repeat("ä", 1000)
	b.Message = strings.Repeat("m", 5000)
	for n := range 20 {
		b.Origin.SourceIPs = append(b.Origin.SourceIPs, fmt.Sprintf("192.0.2.%d", n))
	}
	rec := b.record()
	if size(rec) > 8<<10 || len(rec.Spec.Origin.SourceIPs) != maxSourceIPs || rec.Spec.Origin.SourceIPs[maxSourceIPs-1] != "192.0.2.19" ||
		len(rec.Spec.Origin.UserAgent) > maxAgent {
		t.Errorf("%d bytes, origin %+v", size(rec), rec.Spec.Origin)
	}
}
