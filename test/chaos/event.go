package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// event is what matters here of an audit.k8s.io/v1 Event.
type event struct {
	ID               string            `json:"auditID"`
	Stage            string            `json:"stage"`
	RequestURI       string            `json:"requestURI"`
	Verb             string            `json:"verb"`
	User             user              `json:"user"`
	ImpersonatedUser *user             `json:"impersonatedUser"`
	ObjectRef        *objectRef        `json:"objectRef"`
	ResponseStatus   status            `json:"responseStatus"`
	At               time.Time         `json:"requestReceivedTimestamp"`
	Annotations      map[string]string `json:"annotations"`
}

type user struct {
	Username string              `json:"username"`
	Extra    map[string][]string `json:"extra"`
}

type objectRef struct {
	Resource    string `json:"resource"`
	Namespace   string `json:"namespace"`
	Name        string `json:"name"`
	APIGroup    string `json:"apiGroup"`
	Subresource string `json:"subresource"`
}

type status struct {
	Code int `json:"code"`
}

func (e *event) String() string {
	where := e.ObjectRef
	return fmt.Sprintf("%s %s %s %s/%s %s/%s: %d", e.At.Format("15:04:05.000"), e.user().Username, e.Verb,
		where.Resource, where.Subresource, where.Namespace, where.Name, e.ResponseStatus.Code)
}

// user is who the request was made as.
func (e *event) user() *user {
	if e.ImpersonatedUser != nil {
		return e.ImpersonatedUser
	}
	return &e.User
}

// stored says that the event is of a write that was admitted and answered as done. A connection, such as an exec, is one too.
func (e *event) stored() bool {
	if e.Stage != "ResponseComplete" || e.ObjectRef == nil || strings.Contains(e.RequestURI, "dryRun=All") {
		return false
	}
	connects := []string{"exec", "attach", "portforward", "proxy"}
	switch e.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
	case "get":
		if !slices.Contains(connects, e.ObjectRef.Subresource) {
			return false
		}
	default:
		return false
	}
	// 101 is a connection that was upgraded.
	return e.ResponseStatus.Code == 101 || e.ResponseStatus.Code >= 200 && e.ResponseStatus.Code < 300
}

// byPerson says that the user is neither of the control plane nor a pod: a service account without a pod is a person.
func (e *event) byPerson() bool {
	name := e.user().Username
	if account, ok := strings.CutPrefix(name, "system:serviceaccount:"); ok {
		const pod = "authentication.kubernetes.io/pod-name"
		return !strings.HasPrefix(account, "kube-system:") && len(e.user().Extra[pod]) == 0
	}
	return !strings.HasPrefix(name, "system:")
}

// governed says that the policies of declared.go hold a person's write to be out of band.
func (e *event) governed() bool {
	ref := e.ObjectRef
	return !policy.NeverAsked(ref.APIGroup, ref.Resource, ref.Subresource) &&
		ref.APIGroup != "certificates.k8s.io" &&
		ref.Namespace != "kube-node-lease" && !e.underWarn()
}

// underWarn says that the policy which warns governs it, and none that denies.
func (e *event) underWarn() bool {
	ref := e.ObjectRef
	return ref.Namespace == warned || ref.Resource == "namespaces" && ref.Name == warned
}

// said is what the gate left in the audit annotations.
type said struct {
	decision, class, record string
	failed                  []string // webhooks of the gate that did not answer
}

// gate reads them. Each webhook of ours has a name of its own that ends in one of the two names; the API server notes
// those that failed open under keys of its own.
func (e *event) gate() said {
	var s said
	for key, value := range e.Annotations {
		webhook, what, _ := strings.Cut(key, "/")
		switch {
		case strings.HasPrefix(key, "failed-open.") && isOurs(value):
			s.failed = append(s.failed, value)
		case !isOurs(webhook):
		case what == v1alpha1.AuditDecision && s.decision != policy.Flag.String():
			s.decision = value
		case what == v1alpha1.AuditRecord:
			s.record = value
		case what == v1alpha1.AuditClass:
			s.class = value
		}
	}
	slices.Sort(s.failed)
	return s
}

// unheard says that the API server called both webhooks, the mutating and the validating one, and neither answered.
func (s *said) unheard() bool {
	failed := func(name string) bool {
		return slices.ContainsFunc(s.failed, func(webhook string) bool { return strings.HasSuffix(webhook, name) })
	}
	return s.decision == "" && failed(v1alpha1.GateName) && failed(v1alpha1.FinalName)
}

func isOurs(webhook string) bool {
	return strings.HasSuffix(webhook, v1alpha1.GateName) || strings.HasSuffix(webhook, v1alpha1.FinalName)
}
