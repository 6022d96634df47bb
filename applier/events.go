package applier

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kevents "k8s.io/client-go/tools/events"
)

// events tells people what happened, on the sync. They are a courtesy: the status
// says the same.
type events struct{ recorder kevents.EventRecorder }

func (e events) normal(about runtime.Object, reason, action, note string) {
	e.recorder.Eventf(about, nil, corev1.EventTypeNormal, reason, action, "%s", note)
}

func (e events) warning(about runtime.Object, reason, action, note string) {
	e.recorder.Eventf(about, nil, corev1.EventTypeWarning, reason, action, "%s", note)
}
