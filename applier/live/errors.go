package live

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ConflictError says that the object is another sync's. Nothing was written.
type ConflictError struct {
	Key Key
	// Sync is the mark of the other, see [v1alpha1.SyncLabel].
	Sync string
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("applying %s: the sync %s declares it; take it out of one of the two", e.Key, e.Sync)
}

// ImmutableError says that the object would have to be deleted and created anew.
// Nothing was written, and nothing deleted.
type ImmutableError struct {
	Key Key
	// Fields that can't be changed, such as "spec.selector"; those that the API server
	// named.
	Fields []string
	// Refused says why it was not created anew although that was asked for; nil: it was
	// not asked for.
	Refused error
	// Err is what the API server said.
	Err error
}

func (e *ImmutableError) Error() string {
	text := fmt.Sprintf("applying %s: %s can't be changed on a live object", e.Key, strings.Join(e.Fields, ", "))
	if e.Refused != nil {
		return fmt.Sprintf("%s, and it is not created anew: %v", text, e.Refused)
	}
	return fmt.Sprintf("%s; spec.force deletes it and creates it anew: %v", text, e.Err)
}

func (e *ImmutableError) Unwrap() []error {
	if e.Refused == nil {
		return []error{e.Err}
	}
	return []error{e.Err, e.Refused}
}

// fixed is how API servers say that a field can't be changed. There is no reason or
// cause of its own for it: validation says Invalid or Forbidden, and these words
// (apimachinery api/validation FieldImmutableErrorMsg, and the validation of pods,
// services, stateful sets, claims, role bindings and classes).
var fixed = regexp.MustCompile(`(?i)immutable|may not change|may not be changed|cannot change|cannot be changed|can't be changed|may not be updated|cannot be updated|updates to .* (are|is) forbidden|updates to .* spec for fields other than`)

// immutable returns an error where the API server refused to change fields, and nil for
// any other refusal.
func immutable(k Key, err error) *ImmutableError {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	e := &ImmutableError{Key: k, Err: err}
	for _, cause := range status.Status().Details.Causes {
		if !fixed.MatchString(cause.Message) {
			return nil // wrong in other ways too: deleting it helps nothing
		}
		if cause.Field != "" {
			e.Fields = append(e.Fields, cause.Field)
		}
	}
	if len(e.Fields) == 0 {
		return nil
	}
	return e
}

// rbac is how the API server's own authorizer says no; that text quotes no object.
var rbac = regexp.MustCompile(`^\S+ "[^"]*" is forbidden: User "`)

// quiet keeps values out of what the API server says about an object whose values are
// secret: validation quotes what it refuses, and webhooks may say anything.
func quiet(err error) error {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return err
	}
	s := status.Status()
	harmless := apierrors.IsNotFound(err) || apierrors.IsTooManyRequests(err) || apierrors.IsUnauthorized(err) ||
		apierrors.IsForbidden(err) && (rbac.MatchString(s.Message) || strings.HasPrefix(s.Message, `admission webhook "gate.gitlatch.dev" denied`)) ||
		apierrors.IsConflict(err) && (s.Details == nil || len(s.Details.Causes) == 0)
	if harmless {
		return err
	}
	s.Message = fmt.Sprintf("the API server refused it (%s, %d); what it says is left out, since it may quote values", s.Reason, s.Code)
	if s.Details != nil {
		details := *s.Details
		details.Causes = nil
		var fields []string
		for _, c := range s.Details.Causes {
			message := "refused"
			if fixed.MatchString(c.Message) {
				message = "field is immutable"
			}
			details.Causes = append(details.Causes, metav1.StatusCause{Type: c.Type, Field: c.Field, Message: message})
			if c.Field != "" {
				fields = append(fields, c.Field)
			}
		}
		s.Details = &details
		if len(fields) > 0 {
			s.Message += ": " + strings.Join(fields, ", ")
		}
	}
	return &apierrors.StatusError{ErrStatus: s}
}
