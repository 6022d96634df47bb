package record

import (
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// labelAttempt finds the records of one act: requester, operation and target.
const labelAttempt = v1alpha1.Group + "/attempt"

// UserHash is the value of [v1alpha1.LabelUser] for a user name.
func UserHash(username string) string { return "u-" + digest("user", username) }

// LabelValue is the value under which a record is found by s: s itself, or its
// hash when a label can't hold it.
func LabelValue(s string) string {
	if s == "" || len(validation.IsValidLabelValue(s)) == 0 {
		return s
	}
	return "h-" + digest("label", s)
}

func labels(e *Entry) map[string]string {
	s := &e.Spec
	set := map[string]string{
		v1alpha1.LabelOutcome: string(s.Outcome),
		v1alpha1.LabelUser:    UserHash(s.Requester.Username),
		v1alpha1.LabelKind:    LabelValue(s.Request.Kind),
		labelAttempt:          e.act(),
	}
	if s.Request.Namespace != "" {
		set[v1alpha1.LabelNamespace] = LabelValue(s.Request.Namespace)
	}
	if s.Policy != "" {
		set[v1alpha1.LabelPolicy] = LabelValue(s.Policy)
	}
	if e.OpensWindow {
		set[v1alpha1.LabelWindow] = WindowOpen
	}
	if e.Unresolved {
		set[v1alpha1.LabelUnresolved] = Unresolved
	}
	return set
}

// Values of [v1alpha1.LabelWindow] and [v1alpha1.LabelUnresolved].
const (
	WindowOpen = "open"
	Unresolved = "true"
)
