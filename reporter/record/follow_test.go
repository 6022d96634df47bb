package record

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Data: map[string]string{"color": "red"}}
}

func of(t *testing.T, object *corev1.ConfigMap, operation string, changes ...Change) Entry {
	e := entryOf("ConfigMap", operation, changes...)
	e.Spec.Requester.Username = person(t, "alice")
	e.Spec.Request.Namespace, e.Spec.Request.Name = object.Namespace, object.Name
	if object.UID != "" {
		e.Spec.Target = &v1alpha1.Target{UID: object.UID, ResourceVersion: object.ResourceVersion}
	}
	return e
}

func newFollower(t *testing.T) *Follower {
	t.Helper()
	reader, err := metadata.NewForConfig(adminConfig(t))
	must(t, err)
	return &Follower{Store: newClient(t), Metadata: reader}
}

func TestTheFollowerSeesWhatWasStored(t *testing.T) {
	c, f := newClient(t), newFollower(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	w, _ := newWriter(t, "gate-1")
	w.Follows = f
	go func() { ended <- f.Run(ctx) }()
	go func() { ended <- w.Run(ctx) }()
	defer func() { stop(); <-ended; <-ended }()

	updated, deleted, kept := configMap("follow-updated"), configMap("follow-deleted"), configMap("follow-kept")
	for _, object := range []*corev1.ConfigMap{updated, deleted, kept} {
		must(t, c.Create(t.Context(), object))
	}
	created := configMap("follow-created")
	names := map[string]string{}
	for what, e := range map[string]Entry{
		"created": of(t, created, operationCreate, changed(".data.color", nil, "red")),
		"updated": of(t, updated, operationUpdate, changed(".data.color", "red", "blue")),
		"deleted": of(t, deleted, operationDelete),
		"kept":    of(t, kept, operationUpdate, changed(".data.color", "red", "blue")),
		"never":   of(t, configMap("follow-never"), operationCreate, changed(".data.color", nil, "red")),
	} {
		rec, err := w.Admitted(t.Context(), e)
		must(t, err)
		names[what] = rec.Name
	}
	must(t, c.Create(t.Context(), created))
	updated.Data["color"] = "blue"
	must(t, c.Update(t.Context(), updated, client.FieldOwner("kubectl-edit")))
	must(t, c.Delete(t.Context(), deleted))
	for _, what := range []string{"created", "updated", "deleted"} {
		eventually(t, what, 10*time.Second, func() bool { return get(t, names[what]).Status.Phase == v1alpha1.PhaseObserved })
	}
	for _, what := range []string{"kept", "never"} {
		if got := get(t, names[what]).Status.Phase; got != v1alpha1.PhaseAdmitted {
			t.Errorf("%s is %s after the first look", what, got)
		}
		again, err := f.look(t.Context(), look{name: names[what], last: true})
		must(t, err)
		status := get(t, names[what]).Status
		if again || status.Phase != v1alpha1.PhaseNotPersisted || status.Count != 1 {
			t.Errorf("%s: looked for again: %t, status %+v", what, again, status)
		}
	}
}

func TestTheFollowerGoesOnAfterARestart(t *testing.T) {
	c := newClient(t)
	w, _ := newWriter(t, "gate-1")
	object := configMap("resumed")
	e := of(t, object, operationCreate, changed(".data.color", nil, "red"))
	rec, err := w.Admitted(t.Context(), e)
	must(t, err)
	must(t, c.Create(t.Context(), object))
	_, err = patchStatus(t.Context(), c, rec.Name, nil, func(rec *v1alpha1.ChangeRecord) bool {
		rec.Status.FirstSeen = metav1.NewMicroTime(time.Now().Add(-40 * time.Second))
		return true
	})
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- newFollower(t).Run(ctx) }()
	defer func() { stop(); must(t, <-ended) }()
	eventually(t, "the phase", 10*time.Second, func() bool { return get(t, rec.Name).Status.Phase == v1alpha1.PhaseObserved })
}

func TestAPhaseThatOthersMovedOnIsLeftAlone(t *testing.T) {
	c, f := newClient(t), newFollower(t)
	w, _ := newWriter(t, "gate-1")
	rec, err := w.Admitted(t.Context(), of(t, configMap("moved"), operationCreate))
	must(t, err)
	_, err = patchStatus(t.Context(), c, rec.Name, nil, func(rec *v1alpha1.ChangeRecord) bool {
		rec.Status.Phase = v1alpha1.PhaseResolved
		return true
	})
	must(t, err)
	again, err := f.look(t.Context(), look{name: rec.Name, last: true})
	must(t, err)
	must(t, w.Flush(t.Context()))
	status := get(t, rec.Name).Status
	if again || status.Phase != v1alpha1.PhaseResolved || status.Count != 1 {
		t.Errorf("again %t, status %+v", again, status)
	}
}
