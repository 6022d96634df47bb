package record

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// flaky lets the API server answer all but the next requests of a kind: fails says
// which, and how many.
type flaky struct {
	next  http.RoundTripper
	fails func(*http.Request) bool
	left  atomic.Int64
}

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.fails(r) && f.left.Add(-1) >= 0 {
		return &http.Response{
			StatusCode: http.StatusServiceUnavailable, Status: "503 Service Unavailable", Request: r,
			Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(bytes.NewReader([]byte("not now"))),
		}, nil
	}
	return f.next.RoundTrip(r)
}

func flakyKeeper(t *testing.T, fails func(*http.Request) bool, times int64) (*Keeper, *flaky) {
	t.Helper()
	config := adminConfig(t)
	f := &flaky{fails: fails}
	f.left.Store(times)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		f.next = next
		return f
	})
	store, err := client.New(config, client.Options{Scheme: newClient(t).Scheme()})
	must(t, err)
	return &Keeper{Store: store, Clock: clock.RealClock{}, Options: Options{WriteTimeout: 5 * time.Second}}, f
}

func reverted() v1alpha1.Resolution {
	return v1alpha1.Resolution{State: v1alpha1.ResolutionReverted, Commit: "3f2c1ab", At: metav1.NewTime(time.Now())}
}

func removal(t *testing.T, tweaks ...func(*Drift)) Drift {
	return driftOf(t, append(tweaks, func(d *Drift) {
		d.Changes = []Change{{Path: ".spec.replicas", To: int64(2), HasTo: true, Declared: true}}
	})...)
}

// TestTheSameDriftAgainIsARecordOfItsOwn: what removes a field leaves no entry in
// managedFields, so nothing found tells one time from the next.
func TestTheSameDriftAgainIsARecordOfItsOwn(t *testing.T) {
	k := &Keeper{Store: newClient(t), Clock: clock.RealClock{}, Options: Options{WriteTimeout: 5 * time.Second}}
	var names []string
	for range 3 {
		name, err := k.Drifted(t.Context(), removal(t))
		must(t, err)
		after, err := k.Drifted(t.Context(), removal(t)) // of a process that crashed in between
		must(t, err)
		if after != name {
			t.Errorf("before the correction it is recorded as %s and %s", name, after)
		}
		must(t, k.Resolve(t.Context(), name, reverted()))
		names = append(names, name)
	}
	slices.Sort(names)
	if distinct := slices.Compact(slices.Clone(names)); len(distinct) != 3 {
		t.Errorf("three times are %d records: %v", len(distinct), names)
	}
	for _, name := range names {
		if rec := get(t, name); rec.Status.Count != 1 || rec.Status.Resolution == nil || rec.Labels[v1alpha1.LabelUnresolved] != "" {
			t.Errorf("%s: labels %v, status %+v", name, rec.Labels, rec.Status)
		}
	}
}

func TestWhatCantComeAgainIsOneRecord(t *testing.T) {
	k := &Keeper{Store: newClient(t), Clock: clock.RealClock{}, Options: Options{WriteTimeout: 5 * time.Second}}
	d := driftOf(t, func(d *Drift) { d.Once = true })
	name, err := k.Drifted(t.Context(), d)
	must(t, err)
	must(t, k.Resolve(t.Context(), name, reverted()))
	again, err := k.Drifted(t.Context(), d)
	must(t, err)
	if again != name {
		t.Errorf("recorded as %s and %s", name, again)
	}
}

func TestTwoFindingsThatDifferInVersionOrAdmissionAreTwoRecords(t *testing.T) {
	now := removal(t)
	for what, other := range map[string]Drift{
		"another version": removal(t, func(d *Drift) { d.Target.ResourceVersion = "8" }),
		"another admission": removal(t, func(d *Drift) {
			d.Admission = &v1alpha1.ChangeRecord{Spec: v1alpha1.ChangeRecordSpec{Request: v1alpha1.RecordedRequest{UID: uid(1)}}}
		}),
	} {
		if now.record(hiding{}).Name == other.record(hiding{}).Name {
			t.Errorf("%s is the same record", what)
		}
	}
}

// TestADriftWaitsUnderALabel: who comes after a crash finds it.
func TestADriftWaitsUnderALabel(t *testing.T) {
	k := &Keeper{Store: newClient(t), Clock: clock.RealClock{}, Options: Options{WriteTimeout: 5 * time.Second}}
	name, err := k.Drifted(t.Context(), driftOf(t))
	must(t, err)
	if rec := get(t, name); rec.Labels[v1alpha1.LabelUnresolved] != Unresolved {
		t.Errorf("labels: %v", rec.Labels)
	}
}

func TestAResolutionThatFailsInTheBackgroundIsTriedAgain(t *testing.T) {
	k, f := flakyKeeper(t, func(r *http.Request) bool { return r.Method == http.MethodPost }, 1)
	name, err := k.Drifted(t.Context(), driftOf(t))
	if err == nil {
		t.Fatal("it was written at once")
	}
	must(t, k.Resolve(t.Context(), name, reverted()))
	f.fails = func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/status") }
	f.left.Store(1)
	if err := k.flushOne(t.Context()); err == nil {
		t.Error("the status was written")
	}
	if rec := get(t, name); rec.Status.Resolution != nil {
		t.Errorf("status: %+v", rec.Status)
	}
	must(t, k.flushOne(t.Context()))
	rec := get(t, name)
	if rec.Status.Resolution == nil || rec.Status.Phase != v1alpha1.PhaseResolved || rec.Labels[v1alpha1.LabelUnresolved] != "" || len(k.pending) != 0 {
		t.Errorf("labels %v, status %+v, %d wait", rec.Labels, rec.Status, len(k.pending))
	}
}

func TestADriftWrittenLateIsNotTakenForAnEarlierOne(t *testing.T) {
	k, f := flakyKeeper(t, func(r *http.Request) bool { return r.Method == http.MethodPost }, 0)
	first, err := k.Drifted(t.Context(), removal(t))
	must(t, err)
	must(t, k.Resolve(t.Context(), first, reverted()))
	f.left.Store(1)
	promised, err := k.Drifted(t.Context(), removal(t))
	if err == nil {
		t.Fatal("it was written at once")
	}
	must(t, k.Resolve(t.Context(), promised, reverted()))
	must(t, k.flushOne(t.Context()))
	n := 0
	d := removal(t)
	must(t, pages(t.Context(), k.Store, client.MatchingLabels{labelAttempt: d.act()}, func(rec *v1alpha1.ChangeRecord) {
		if n++; rec.Status.Resolution == nil {
			t.Errorf("%s is not resolved", rec.Name)
		}
	}))
	if n != 2 {
		t.Errorf("there are %d records, want 2", n)
	}
}

func TestWhatAPolicyListsIsHiddenInADrift(t *testing.T) {
	c := newClient(t)
	policy := &v1alpha1.ChangePolicy{}
	policy.Name = "hides"
	policy.Spec = v1alpha1.ChangePolicySpec{Mode: v1alpha1.ModeAudit, Redact: []string{"token"},
		Sync: []v1alpha1.SyncIdentity{{Subject: v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "gitops", Name: "sync"}}, FieldManagers: []string{"sync"}}}}
	must(t, c.Create(t.Context(), policy))
	t.Cleanup(func() { must(t, client.IgnoreNotFound(c.Delete(context.Background(), policy))) })
	token := driftOf(t, func(d *Drift) {
		d.Changes = []Change{{Path: ".data.token", From: "planted", To: "secret", HasFrom: true, HasTo: true, Declared: true}, {Path: ".data.color", From: "red", HasFrom: true, Declared: true}}
	})
	at := clocktesting.NewFakeClock(time.Now())
	k, f := flakyKeeper(t, func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/changepolicies") }, 0)
	k.Clock = at
	for _, step := range []struct {
		name  string
		fails int64
		after time.Duration
		want  []v1alpha1.Change
	}{
		{"the names are known", 0, 0, []v1alpha1.Change{{Path: ".data.token", From: redactedBefore, To: redactedAfter, Declared: true}, {Path: ".data.color", From: `"red"`, Declared: true}}},
		{"they are gone by for a while", 9, time.Second, []v1alpha1.Change{{Path: ".data.token", From: redactedBefore, To: redactedAfter, Declared: true}, {Path: ".data.color", From: `"red"`, Declared: true}}},
		{"they can't be read", 9, policiesFor, []v1alpha1.Change{{Path: ".data.token", From: redactedBefore, To: redactedAfter, Declared: true}, {Path: ".data.color", From: redacted, Declared: true}}},
	} {
		at.Step(step.after)
		f.left.Store(step.fails)
		d := token
		d.Target = &v1alpha1.Target{UID: "u-1", ResourceVersion: step.name}
		name, err := k.Drifted(t.Context(), d)
		must(t, err)
		if diff := cmp.Diff(step.want, get(t, name).Spec.Changes); diff != "" {
			t.Errorf("%s: changes (-want +got):\n%s", step.name, diff)
		}
	}
}
