package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// TestAGateThatIsShut: the reporter's own account hears both webhooks deny, and nothing of that is left behind. An API
// server that is not reached does not change it.
func TestAGateThatIsShut(t *testing.T) {
	needGate(t)
	since := pass()
	admin := clientOf(t, plane.Config("admin"))
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "default", Name: "kubernetes-elsewhere", Labels: map[string]string{discoveryv1.LabelServiceName: "kubernetes"}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: ptr("https"), Port: ptr(int32(6443))}},
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.1"}}}, // TEST-NET-1, RFC 5737
	}
	sync := clientOf(t, plane.Config(gitlatch.SyncLogin))
	must(t, sync.Create(t.Context(), slice, client.FieldOwner(gitlatch.SyncFieldManager)))
	t.Cleanup(func() { _ = sync.Delete(context.Background(), slice) })
	h, _ := newHeart(t)
	stop := start(t, h)
	beating(t, h)
	stop()
	for _, want := range []struct {
		what string
		got  float64
		want float64
	}{
		{"gitlatch_gate_enforcing", testutil.ToFloat64(h.Metrics.enforcing), 1},
		{"gitlatch_gate_expected{Enforcing}", testutil.ToFloat64(h.Metrics.expected.WithLabelValues("Enforcing")), 1},
		{"gitlatch_gate_state{Failing}", testutil.ToFloat64(h.Metrics.state.WithLabelValues("Failing")), 0},
		{"gitlatch_gap_open", testutil.ToFloat64(h.Metrics.open), 0},
		{"gitlatch_heartbeat_api_servers{denied}", testutil.ToFloat64(h.Metrics.servers.WithLabelValues("denied")), 1},
		{"gitlatch_heartbeat_api_servers{unreachable}", testutil.ToFloat64(h.Metrics.servers.WithLabelValues("unreachable")), 1},
		{"gitlatch_heartbeat_total{passed}", testutil.ToFloat64(h.Metrics.beats.WithLabelValues("passed")), 0},
	} {
		if want.got != want.want {
			t.Errorf("%s is %v, want %v", want.what, want.got, want.want)
		}
	}
	if left := time.Until(time.Unix(int64(testutil.ToFloat64(h.Metrics.expires)), 0)); left < time.Hour {
		t.Errorf("the gate's certificate is said to expire in %s", left)
	}
	if got := gapsSince(t, since); len(got) != 0 {
		t.Errorf("there are %d records of gaps, and the gate was shut", len(got))
	}
	var records v1alpha1.ChangeRecordList
	must(t, admin.List(t.Context(), &records))
	for _, r := range records.Items {
		if r.Spec.Reason == v1alpha1.ReasonCanary && strings.HasSuffix(r.Spec.Requester.Username, gitlatch.ReporterAccount) {
			t.Errorf("a canary left the record %s", r.Name)
		}
	}
}

// TestAGapOutlivesTheReporter: one that stops while the gate is away, and another that starts, tell of one gap; its
// review is tried until it is complete.
func TestAGapOutlivesTheReporter(t *testing.T) {
	needGate(t)
	since := pass()
	h, _ := newHeart(t)
	stop := start(t, h)
	beating(t, h)
	gate.Kill(0)
	var found []v1alpha1.ChangeRecord
	eventually(t, "the gap to be recorded", func() error {
		if found = gapsSince(t, since); len(found) == 0 || found[0].Status.Phase == "" {
			return errors.New("there is no record, or only half of one")
		}
		return nil
	})
	stop()
	again, r := newHeart(t)
	stop = start(t, again)
	eventually(t, "the next heart to beat", func() error {
		if testutil.ToFloat64(again.Metrics.state.WithLabelValues("Failing")) != 1 {
			return errors.New("it does not say Failing")
		}
		return nil
	})
	must(t, gate.Start(t.Context(), 0))
	var ended v1alpha1.ChangeRecord
	admin := clientOf(t, plane.Config("admin"))
	eventually(t, "the gap to end", func() error {
		must(t, admin.Get(t.Context(), client.ObjectKeyFromObject(&found[0]), &ended))
		if ended.Status.Gap == nil || ended.Labels[v1alpha1.LabelGap] != record.GapUnaudited {
			return errors.New("it is open, or half ended")
		}
		return nil
	})
	stop()                                           // so that nobody reviews but the test
	for again.reviewDue(t.Context()) < reviewAgain { // it waits for the witnesses
		time.Sleep(time.Second)
	}
	again.reviewDue(t.Context())
	must(t, admin.Get(t.Context(), client.ObjectKeyFromObject(&found[0]), &ended))
	wantSpan := [2]time.Time{ended.Spec.Gap.Since.Time, ended.Status.Gap.At.Time}
	if diff := cmp.Diff([][2]time.Time{wantSpan, wantSpan}, r.of(wantSpan[0])); diff != "" {
		t.Errorf("reviews, the first of which failed (-want +got):\n%s", diff)
	}
	if ended.Status.Gap.Audited == nil || ended.Status.Gap.Findings != 3 || ended.Labels[v1alpha1.LabelGap] != "" {
		t.Errorf("after the review: %+v, label %q", ended.Status.Gap, ended.Labels[v1alpha1.LabelGap])
	}
	if all := gapsSince(t, since); len(all) != 1 {
		t.Errorf("there are %d records of one gap", len(all))
	}
	if got := ended.Spec.Gap.Cause; got != string(CauseNoAnswer) {
		t.Errorf("the cause is %s", got)
	}
}

// TestTheTimeInWhichNobodyLooked is a gap that has begun and ended when it is found.
func TestTheTimeInWhichNobodyLooked(t *testing.T) {
	needGate(t)
	since := pass()
	admin := clientOf(t, plane.Config("admin"))
	h, _ := newHeart(t)
	left := time.Now().Add(-10 * time.Minute).Truncate(time.Microsecond)
	must(t, memory{Seen: left, Expected: v1alpha1.GateEnforcing}.keep(t.Context(), h.Client, h.Namespace))
	start(t, h)
	beating(t, h)
	var found []v1alpha1.ChangeRecord
	eventually(t, "the gap to be recorded", func() error {
		if found = gapsSince(t, since); len(found) != 1 || found[0].Status.Gap == nil {
			return fmt.Errorf("there are %d records, or it is open", len(found))
		}
		return nil
	})
	want := v1alpha1.Gap{State: v1alpha1.GateFailing, Expected: v1alpha1.GateEnforcing, Since: metav1.NewMicroTime(left), Cause: string(CauseUnwatched)}
	if diff := cmp.Diff(want, *found[0].Spec.Gap); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	eventually(t, "the time of the last beat to be kept", func() error {
		var kept corev1.ConfigMap
		must(t, admin.Get(t.Context(), client.ObjectKey{Namespace: gitlatch.Namespace, Name: memoryName}, &kept))
		if seen := readMemory(kept.Data[memoryKey]).Seen; time.Since(seen) > 10*time.Second {
			return fmt.Errorf("it looked last at %s", seen)
		}
		return nil
	})
}

// TestAnybodyMayAsk: the question of docs/runbooks/gate.md, put by hand, names the webhook that denies it.
func TestAnybodyMayAsk(t *testing.T) {
	needGate(t)
	for canary, webhook := range map[string]string{"canary-gate": "builtin.gate.gitlatch.dev", "canary-final": "builtin.final.gitlatch.dev"} {
		text := `{"apiVersion":"gitlatch.dev/v1alpha1","kind":"ChangeRecord","metadata":{"name":"` + canary + `"},
  "spec":{"outcome":"Denied","request":{},"evidence":"Admission","confidence":"Proven"}}`
		for earnest, want := range map[bool]string{
			false: fmt.Sprintf("admission webhook %q denied the request: Canary: gitlatch.dev/ChangeRecord %s asks whether the gate denies, and it does.", webhook, canary),
			true:  fmt.Sprintf("admission webhook %q denied the request: Canary: gitlatch.dev/ChangeRecord %s is a reserved name", "builtin.gate.gitlatch.dev", canary),
		} {
			args := []string{"create", "-f", "-"}
			if !earnest {
				args = append(args, "--dry-run=server")
			}
			_, stderr, code := plane.Kubectl(t.Context(), "admin", text, args...)
			if code == 0 || !strings.Contains(stderr, want) {
				t.Errorf("%s, in earnest %t: exit %d: %s\nwant %s", canary, earnest, code, stderr, want)
			}
		}
	}
}
