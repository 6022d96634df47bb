package alert

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func newEvents(t *testing.T, c client.Client) *Events {
	t.Helper()
	metrics, err := NewMetrics(prometheus.NewPedanticRegistry())
	must(t, err)
	e := &Events{Instance: "gitlatch-reporter-0"}
	e.prepare(c, clock.RealClock{}, metrics)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { e.run(ctx); close(ended) }()
	t.Cleanup(func() { stop(); <-ended })
	return e
}

func eventOf(t *testing.T, c client.Client, namespace string, rec *v1alpha1.ChangeRecord) *eventsv1.Event {
	t.Helper()
	event := &eventsv1.Event{}
	eventually(t, "the event of "+rec.Name, 10*time.Second, func() bool {
		return c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "gitlatch-" + rec.Name}, event) == nil
	})
	return event
}

// TestAnEventOnTheTarget: of the object itself, whatever subresource was asked for, in its
// namespace or, where it has none, in default.
func TestAnEventOnTheTarget(t *testing.T) {
	c := newClient(t)
	namespace := name(t, "ns")
	newNamespace(t, c, namespace)
	events := newEvents(t, c)
	for what, tc := range map[string]struct {
		request   v1alpha1.RecordedRequest
		namespace string
		want      corev1.ObjectReference
		action    string
	}{
		"an object": {v1alpha1.RecordedRequest{Operation: "UPDATE", Group: "apps", Version: "v1", Resource: "deployments", Kind: "Deployment", Namespace: namespace, Name: "web"},
			namespace, corev1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: namespace, Name: "web", UID: "u-1"}, "Update"},
		"its scale": {v1alpha1.RecordedRequest{Operation: "UPDATE", Group: "apps", Version: "v1", Resource: "deployments", Subresource: "scale", Kind: "Scale", Namespace: namespace, Name: "web"},
			namespace, corev1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: namespace, Name: "web", UID: "u-1"}, "Update"},
		"a shell in a pod": {v1alpha1.RecordedRequest{Operation: "CONNECT", Version: "v1", Resource: "pods", Subresource: "exec", Kind: "PodExecOptions", Namespace: namespace, Name: "web-0"},
			namespace, corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: namespace, Name: "web-0", UID: "u-1"}, "Connect"},
		"a namespace": {v1alpha1.RecordedRequest{Operation: "DELETE", Version: "v1", Resource: "namespaces", Kind: "Namespace", Namespace: namespace, Name: namespace},
			"default", corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: namespace, UID: "u-1"}, "Delete"},
	} {
		t.Run(what, func(t *testing.T) {
			rec := denied()
			rec.Spec.Request, rec.Spec.Target = tc.request, &v1alpha1.Target{UID: "u-1"}
			rec.Spec.Requester.Username = "alice" + strings.Repeat("e", 2000)
			create(t, c, name(t, "a"), time.Now(), rec)
			events.offer(rec)
			got := eventOf(t, c, tc.namespace, rec)
			if diff := cmp.Diff(tc.want, got.Regarding); diff != "" {
				t.Errorf("regarding (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(&corev1.ObjectReference{APIVersion: "gitlatch.dev/v1alpha1", Kind: "ChangeRecord", Name: rec.Name, UID: rec.UID}, got.Related); diff != "" {
				t.Errorf("related (-want +got):\n%s", diff)
			}
			if got.Reason != "OutOfBand" || got.Type != "Warning" || got.Action != tc.action || len(got.Note) > longestNote ||
				!strings.HasPrefix(got.Note, "Denied: alice") || !strings.HasSuffix(got.Note, "(kubectl gitlatch records show "+rec.Name+")") {
				t.Errorf("event: reason %s, type %s, action %s, note %s", got.Reason, got.Type, got.Action, got.Note)
			}
		})
	}
}

// TestAnEventIsMadeOnce: neither a repetition nor a restart makes a second, and what is
// old or has no target makes none.
func TestAnEventIsMadeOnce(t *testing.T) {
	c := newClient(t)
	namespace := name(t, "ns")
	newNamespace(t, c, namespace)
	put := func(suffix string, seen time.Time, tweak func(*v1alpha1.ChangeRecord)) *v1alpha1.ChangeRecord {
		rec := denied()
		rec.Spec.Request.Namespace = namespace
		tweak(rec)
		return create(t, c, name(t, suffix), seen, rec)
	}
	same := func(*v1alpha1.ChangeRecord) {}
	rec, old := put("a", time.Now(), same), put("old", time.Now().Add(-time.Hour), same)
	many := put("many", time.Now(), func(r *v1alpha1.ChangeRecord) { r.Spec.Request.Name, r.Spec.Folded = "*", true })
	lost := put("lost", time.Now(), func(r *v1alpha1.ChangeRecord) { r.Spec.Request.Namespace = namespace + "-gone" })
	for range 2 { // processes
		events := newEvents(t, c)
		for _, r := range []*v1alpha1.ChangeRecord{lost, old, many, rec, rec} {
			events.offer(r)
		}
		eventOf(t, c, namespace, rec)
		eventually(t, "all is seen to", 5*time.Second, func() bool { return len(events.queue) == 0 })
	}
	var all eventsv1.EventList
	must(t, c.List(t.Context(), &all, client.InNamespace(namespace)))
	var names []string
	for _, event := range all.Items {
		names = append(names, event.Related.Name)
	}
	if diff := cmp.Diff([]string{rec.Name}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
