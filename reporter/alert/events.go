package alert

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

const (
	// eventAge is how old a record may be: an Event says what is going on.
	eventAge = 10 * time.Minute
	// eventsPerMinute bounds them, and eventsWaiting is how many wait.
	eventsPerMinute = 120
	eventsWaiting   = 256
	eventTimeout    = 5 * time.Second
	// longestNote is the API's limit, in bytes.
	longestNote = 1024
)

// Events makes a Kubernetes Event on the target of each new record: a courtesy to whoever
// describes the object. What fails is counted and not tried again. An Event is named
// after its record, so a restart makes no second one.
type Events struct {
	// Instance is who reports: the pod's name.
	Instance string

	client  client.Client
	clock   clock.Clock
	metrics *Metrics
	bucket  bucket // of the stream's goroutine, as is done
	queue   chan courtesy
	done    map[string]time.Time // records that were seen to, until they are too old anyway

}

// courtesy is an Event to be made. Of a subresource, the object that it belongs to is
// meant, whose kind the record doesn't hold: it is looked up by its resource.
type courtesy struct {
	event    *eventsv1.Event
	resource schema.GroupVersionResource
}

func (e *Events) prepare(c client.Client, clk clock.Clock, m *Metrics) {
	e.client, e.clock, e.metrics = c, clk, m
	e.queue = make(chan courtesy, eventsWaiting)
	e.bucket = bucket{perMinute: eventsPerMinute}
	e.done = map[string]time.Time{}
}

// offer puts a record's Event into the queue, if there is room.
func (e *Events) offer(rec *v1alpha1.ChangeRecord) {
	now := e.clock.Now()
	if now.Sub(record.Seen(rec)) > eventAge {
		return
	}
	if _, ok := record.PlaceOf(rec); !ok || !e.first(rec.Name, now) {
		return
	}
	if e.bucket.available(now) < 1 {
		e.metrics.event(resultDropped)
		return
	}
	e.bucket.take()
	select {
	case e.queue <- e.courtesy(rec, now):
	default:
		e.metrics.event(resultDropped)
	}
}

// first tells a record that was not seen to before. What is forgotten too soon under a
// flood is found to have its Event already.
func (e *Events) first(name string, now time.Time) bool {
	if _, known := e.done[name]; known {
		return false
	}
	if len(e.done) >= maxPending {
		maps.DeleteFunc(e.done, func(_ string, at time.Time) bool { return now.Sub(at) > eventAge })
	}
	if len(e.done) >= maxPending {
		clear(e.done)
	}
	e.done[name] = now
	return true
}

// run creates Events until ctx ends.
func (e *Events) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-e.queue:
			if err := e.create(ctx, c); err != nil {
				e.metrics.event(resultFailed)
				logf.FromContext(ctx).V(1).Info("event not made", "record", c.event.Related.Name, "because", err.Error())
				continue
			}
			e.metrics.event(resultDelivered)
		}
	}
}

// create is content with an Event that is there already. A namespace that is being
// deleted, or gone, takes none.
func (e *Events) create(ctx context.Context, c courtesy) error {
	ctx, cancel := context.WithTimeout(ctx, eventTimeout)
	defer cancel()
	if c.event.Regarding.Kind == "" {
		kind, err := e.client.RESTMapper().KindFor(c.resource)
		if err != nil {
			return fmt.Errorf("finding the kind of %s: %w", c.resource.GroupResource(), err)
		}
		c.event.Regarding.Kind = kind.Kind
	}
	err := e.client.Create(ctx, c.event, client.FieldOwner("gitlatch"))
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// courtesy builds the Event.
func (e *Events) courtesy(rec *v1alpha1.ChangeRecord, now time.Time) courtesy {
	place, _ := record.PlaceOf(rec)
	r := &rec.Spec.Request
	regarding := corev1.ObjectReference{
		APIVersion: schema.GroupVersion{Group: r.Group, Version: r.Version}.String(), Kind: r.Kind,
		Namespace: place.Namespace, Name: place.Name,
	}
	if r.Subresource != "" {
		regarding.Kind = ""
	}
	if rec.Spec.Target != nil {
		regarding.UID = rec.Spec.Target.UID
	}
	if r.Group == "" && r.Resource == "namespaces" {
		regarding.Namespace = ""
	}
	n := describe(rec, "", false)
	kind := corev1.EventTypeWarning
	if rec.Spec.Outcome == v1alpha1.OutcomeDrift {
		kind = corev1.EventTypeNormal
	}
	return courtesy{resource: schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Resource}, event: &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: cmp.Or(regarding.Namespace, metav1.NamespaceDefault), Name: "gitlatch-" + rec.Name},
		EventTime:           metav1.NewMicroTime(now),
		ReportingController: v1alpha1.Group + "/reporter",
		ReportingInstance:   cut(cmp.Or(e.Instance, "gitlatch-reporter"), 128),
		Action:              action(r.Operation),
		Reason:              cut(cmp.Or(string(rec.Spec.Reason), string(rec.Spec.Outcome)), 128),
		Regarding:           regarding,
		Related: &corev1.ObjectReference{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "ChangeRecord", Name: rec.Name, UID: rec.UID,
		},
		Note: cut(n.title+" ("+n.review+")", longestNote),
		Type: kind,
	}}
}

// action is the operation in the form of Events' other words.
func action(operation string) string {
	if operation == "" {
		return "Change"
	}
	return cut(operation[:1]+strings.ToLower(operation[1:]), 128)
}
