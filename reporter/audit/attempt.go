package audit

import (
	"time"

	authnv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/gitlatch/gitlatch/policy"
)

// Gap is something that the judge would want and the log does not hold.
type Gap string

const (
	// GapObject: the event shows no object, as at level Metadata.
	GapObject Gap = "the object is not in the log"
	// GapOld: the log has not shown the object as it was before.
	GapOld Gap = "the object as it was before is not in the log"
	// GapManagedFields: the log leaves managedFields out, without which nobody can
	// say what git declared.
	GapManagedFields Gap = "managedFields are not in the log"
)

// Attempt is one write that the API server admitted, in the judge's words. A
// deletecollection is an attempt for each object.
type Attempt struct {
	// Line of the event, from 1.
	Line int
	// Time at which the API server received the request.
	Time time.Time
	// Verb as in the log, such as "patch".
	Verb string
	// Level of the event.
	Level auditv1.Level
	// Impersonator is the user who authenticated, where the requester is somebody
	// whom they impersonated; "" otherwise.
	Impersonator string
	// SourceIPs and UserAgent are those of the client.
	SourceIPs []string
	UserAgent string
	// Request is what was asked, as in the validating admission call: the object is
	// the final one.
	Request policy.Request
	// Facts are what the log says about the surroundings.
	Facts policy.Facts
	// Gaps says what is missing; with any, a denial is not exact.
	Gaps []Gap
}

// Skip says why an event makes no attempt; "" where it makes one.
type Skip string

const (
	// SkipStage: not the ResponseComplete stage of a request.
	SkipStage Skip = "stage"
	// SkipRead: a read, or a path that is no resource.
	SkipRead Skip = "read"
	// SkipNothing: a deletecollection that found nothing to delete.
	SkipNothing Skip = "nothing"
	// SkipRefused: authorised, and then refused with 403, which is how admission
	// refuses.
	SkipRefused Skip = "refused"
	// SkipFailed: failed otherwise.
	SkipFailed Skip = "failed"
)

// skip decides whether an event is a write that went through.
func skip(event *auditv1.Event) Skip {
	if event.Stage != auditv1.StageResponseComplete {
		return SkipStage
	}
	if event.ObjectRef == nil || event.ObjectRef.Resource == "" {
		return SkipRead
	}
	if _, writes := operation(event); !writes {
		return SkipRead
	}
	if event.ResponseStatus == nil || event.ResponseStatus.Code < 400 {
		return ""
	}
	if event.ResponseStatus.Code == 403 && event.Annotations["authorization.k8s.io/decision"] == "allow" {
		return SkipRefused
	}
	return SkipFailed
}

// connectKinds are the options kinds of the subresources that admission sees as
// CONNECT, whatever the verb: a browser's or kubectl's web socket is a get.
var connectKinds = map[string]string{
	"pods/exec":        "PodExecOptions",
	"pods/attach":      "PodAttachOptions",
	"pods/portforward": "PodPortForwardOptions",
	"pods/proxy":       "PodProxyOptions",
	"services/proxy":   "ServiceProxyOptions",
	"nodes/proxy":      "NodeProxyOptions",
}

// operation maps a verb to the operation that admission is asked about; false
// for a read.
func operation(event *auditv1.Event) (policy.Operation, bool) {
	ref := event.ObjectRef
	if ref.APIGroup == "" && connectKinds[ref.Resource+"/"+ref.Subresource] != "" {
		return policy.Connect, true
	}
	switch event.Verb {
	case "create":
		return policy.Create, true
	case "update", "patch":
		// A server-side apply, or an update of what may be created by one, answers 201.
		if event.ResponseStatus != nil && event.ResponseStatus.Code == 201 {
			return policy.Create, true
		}
		return policy.Update, true
	case "delete", "deletecollection":
		return policy.Delete, true
	}
	return "", false
}

func resourceOf(event *auditv1.Event) schema.GroupVersionResource {
	ref := event.ObjectRef
	return schema.GroupVersionResource{Group: ref.APIGroup, Version: ref.APIVersion, Resource: ref.Resource}
}

// requester returns whom the request was made as, and who made it if that is
// somebody else.
func requester(event *auditv1.Event) (user policy.User, impersonator string) {
	info := &event.User
	if event.ImpersonatedUser != nil {
		info, impersonator = event.ImpersonatedUser, event.User.Username
	}
	return userOf(info), impersonator
}

func userOf(info *authnv1.UserInfo) policy.User {
	user := policy.User{Name: info.Username, UID: info.UID, Groups: info.Groups}
	if len(info.Extra) > 0 {
		user.Extra = make(map[string][]string, len(info.Extra))
		for name, values := range info.Extra {
			user.Extra[name] = values
		}
	}
	return user
}
