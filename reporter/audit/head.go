package audit

import (
	"bytes"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// head is what of a line is read of every write: as it stands in the line, and valid
// as long as that is.
type head struct {
	kind, apiVersion         []byte
	stage, verb              []byte
	uri, received, staged    []byte
	user, impersonated       []byte
	ref, status, annotations []byte
	sent, answered           []byte

	// listed: an item of an EventList, which need not say again what it is.
	listed bool
	code   int // of the answer; 0: not in the line
	about
}

// about is what a request was about.
type about struct {
	group, version, resource, subresource, namespace, name string
}

// read walks over a line. A line about a read is left as soon as that is known,
// whatever comes behind it: its objects may be most of the log. skip says why there is
// nothing in it for us.
func (h *head) read(line []byte) (skip Skip, problem string) {
	left := false
	_, ok := members(line, func(key, value []byte) bool {
		if slot := h.slot(key); slot != nil {
			*slot = value
		}
		// A known reason to leave needs all that it rests on.
		left = len(h.ref) > 0 && h.isEvent() && len(h.verb) > 0 && len(h.stage) > 0 && h.reads()
		return !left
	})
	switch {
	case !ok:
		return "", "not JSON"
	case !h.isEvent():
		return "", "not an Event of audit.k8s.io/v1"
	case !is(h.stage, "ResponseComplete"):
		return SkipStage, ""
	case left || h.reads():
		return SkipRead, ""
	}
	h.readRef()
	h.readStatus()
	return "", ""
}

func (h *head) slot(key []byte) *[]byte {
	if len(key) < 5 || len(key) > 26 && bytes.IndexByte(key, '\\') < 0 {
		return nil
	}
	name := key[1 : len(key)-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		name = []byte(unquote(key))
	}
	switch string(name) {
	case "kind":
		return &h.kind
	case "apiVersion":
		return &h.apiVersion
	case "stage":
		return &h.stage
	case "verb":
		return &h.verb
	case "requestURI":
		return &h.uri
	case "user":
		return &h.user
	case "impersonatedUser":
		return &h.impersonated
	case "objectRef":
		return &h.ref
	case "responseStatus":
		return &h.status
	case "annotations":
		return &h.annotations
	case "requestObject":
		return &h.sent
	case "responseObject":
		return &h.answered
	case "requestReceivedTimestamp":
		return &h.received
	case "stageTimestamp":
		return &h.staged
	}
	return nil
}

func (h *head) isEvent() bool {
	if h.listed && len(h.kind) == 0 && len(h.apiVersion) == 0 {
		return true
	}
	return is(h.kind, "Event") && is(h.apiVersion, "audit.k8s.io/v1")
}

// reads says that it is no write, nor a way into a pod.
func (h *head) reads() bool {
	switch {
	case len(h.ref) == 0 || h.ref[0] != '{':
		return true
	case is(h.verb, "create"), is(h.verb, "update"), is(h.verb, "patch"), is(h.verb, "delete"), is(h.verb, "deletecollection"):
		return false
	}
	// A door that is opened with a web socket is a get. Most reads have no subresource.
	if !bytes.Contains(h.ref, []byte("subresource")) && bytes.IndexByte(h.ref, '\\') < 0 {
		return true
	}
	h.readRef()
	return h.group != "" || connectKinds[h.resource+"/"+h.subresource] == ""
}

func (h *head) readRef() {
	h.about = about{}
	members(h.ref, func(key, value []byte) bool {
		switch {
		case is(key, "apiGroup"):
			h.group = unquote(value)
		case is(key, "apiVersion"):
			h.version = unquote(value)
		case is(key, "resource"):
			h.resource = unquote(value)
		case is(key, "subresource"):
			h.subresource = unquote(value)
		case is(key, "namespace"):
			h.namespace = unquote(value)
		case is(key, "name"):
			h.name = unquote(value)
		}
		return true
	})
}

func (h *head) readStatus() {
	h.code = 0
	members(h.status, func(key, value []byte) bool {
		if is(key, "code") {
			h.code = number(value)
		}
		return true
	})
}

// operation is that of [operation], from the line.
func (h *head) operation() policy.Operation {
	switch {
	case h.group == "" && connectKinds[h.resource+"/"+h.subresource] != "":
		return policy.Connect
	case is(h.verb, "create"):
		return policy.Create
	case is(h.verb, "delete"), is(h.verb, "deletecollection"):
		return policy.Delete
	case h.code == 201:
		return policy.Create
	}
	return policy.Update
}

// at is when the API server received the request; zero where the line does not say.
func (h *head) at() time.Time {
	for _, stamp := range [][]byte{h.received, h.staged} {
		if at, err := time.Parse(time.RFC3339Nano, unquote(stamp)); err == nil && !at.IsZero() {
			return at
		}
	}
	return time.Time{}
}

func (h *head) hasImpersonated() bool { return len(h.impersonated) > 0 && h.impersonated[0] == '{' }

// said is what the annotations say of the gate.
type said struct {
	// decided: one of our webhooks answered. record is the one that it named.
	decided bool
	record  string
	// failed are those of ours that did not answer, in which case the API server let
	// the request pass.
	failed []string
}

// Keys under which the API server notes that a webhook with failurePolicy Ignore did
// not answer; the value is its name. Source: k8s.io/apiserver/pkg/admission/plugin/
// webhook, the dispatchers of mutating and validating.
const (
	failedMutating   = "failed-open.mutation.webhook.admission.k8s.io/"
	failedValidating = "failed-open.validating.webhook.admission.k8s.io/"
)

func (h *head) gate() said {
	var s said
	members(h.annotations, func(key, value []byte) bool {
		if bytes.IndexByte(key, '/') < 0 {
			return true
		}
		k := unquote(key)
		webhook, what, _ := strings.Cut(k, "/")
		switch {
		case strings.HasPrefix(k, failedMutating), strings.HasPrefix(k, failedValidating):
			if name := unquote(value); ours(name) {
				s.failed = append(s.failed, name)
			}
		case !ours(webhook):
		case what == v1alpha1.AuditDecision:
			s.decided = true
		case what == v1alpha1.AuditRecord:
			s.record = unquote(value)
		}
		return true
	})
	return s
}

// ours says that a webhook of this name is one of Gitlatch's: each configuration has
// several, under names of one ending.
func ours(webhook string) bool {
	for _, prefix := range []string{"builtin.", "namespaces."} {
		webhook = strings.TrimPrefix(webhook, prefix)
	}
	return webhook == v1alpha1.GateName || webhook == v1alpha1.FinalName
}
