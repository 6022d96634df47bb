package audit

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// found says what an attempt of a log came to.
type found int

const (
	// passed: the judge lets it through.
	passed found = iota
	// assumed: a controller's write that can't be judged, and need not be.
	assumed
	// bypassed: it is a finding.
	bypassed
)

// finding has an attempt judged.
func (p *pass) finding(s *sifted, a *Attempt) (Finding, found) {
	r := p.court.rule(a)
	tampered := record.Tampers(a.Request.Resource.Group, a.Request.Resource.Resource, a.Request.Name)
	switch {
	case s.poses != "":
	case r.Action == policy.Allow,
		s.answered && len(s.said.failed) == 0,
		r.ungoverned && r.Action != policy.Deny && !tampered: // nobody had anything governed yet
		return Finding{}, passed
	case r.open && a.Request.User.PodBound():
		// The gate is not asked about what such an account writes that git does not declare.
		return Finding{}, assumed
	}
	f := Finding{
		Evidence: v1alpha1.EvidenceAuditLog, Confidence: v1alpha1.ConfidenceProven,
		Policy: r.Policy, Requester: requesterOf(&a.Request.User), Origin: originOf(a), Request: requestOf(a), At: a.Time.UTC(),
		Declared: len(r.Touched) > 0 || p.court.declared(a),
	}
	f.target(a)
	f.fields(a)
	f.Reason, f.Message = p.say(s, a, &r, tampered)
	f.Next = cmp.Or(nextOf(f.Reason, a), r.Next, "commit it to git, or take it back")
	if r.open && s.poses == "" {
		f.Confidence = v1alpha1.ConfidenceIndicated
		f.Message += "; " + missingText(a) + ", so it may have been one that the gate lets through"
	}
	return f, bypassed
}

// say finds the word and the sentence.
func (p *pass) say(s *sifted, a *Attempt, r *ruling, tampered bool) (v1alpha1.Reason, string) {
	act := fmt.Sprintf("%s %s %s", who(a), did(&a.Request), a.Request.Target())
	switch {
	case s.poses != "":
		return v1alpha1.ReasonImpersonation, fmt.Sprintf("%s, under the name of %s, %s", act, a.Request.User.Name, s.poses)
	case tampered:
		return v1alpha1.ReasonBuiltIn, act + ", which admission is never asked about"
	case len(s.said.failed) > 0:
		return v1alpha1.ReasonFailedOpen, fmt.Sprintf("%s; the API server asked %s, got no answer and let it through", act, strings.Join(s.said.failed, " and "))
	case r.Action == policy.Flag:
		return v1alpha1.ReasonUnguarded, act + ", and the gate was not asked, so that nothing was recorded"
	}
	return v1alpha1.ReasonUnguarded, act + ", and the gate was not asked"
}

func who(a *Attempt) string {
	return cmp.Or(a.Impersonator, a.Request.User.Name, "somebody without a name")
}

func did(r *policy.Request) string {
	switch r.Operation {
	case policy.Create:
		return "created"
	case policy.Delete:
		return "deleted"
	case policy.Connect:
		return "opened"
	}
	return "changed"
}

// nextOf is what to do where it is not about git.
func nextOf(reason v1alpha1.Reason, a *Attempt) string {
	switch {
	case reason == v1alpha1.ReasonImpersonation:
		return "find out what was done under that name, and take the right to impersonate it away"
	case reason == v1alpha1.ReasonBuiltIn:
		return "look for what else was done while the gate was not as it should be"
	case a.Request.Operation == policy.Connect:
		return "ask what was done there: nothing else tells"
	case a.Request.Subresource == "token":
		return "find out where the token went; deleting what it is bound to, or its account, ends it"
	}
	return ""
}

func missingText(a *Attempt) string {
	if len(a.Gaps) == 0 {
		return "what it was about is not all in the log"
	}
	texts := make([]string, len(a.Gaps))
	for i, gap := range a.Gaps {
		texts[i] = string(gap)
	}
	return strings.Join(texts, " and ")
}

func requesterOf(u *policy.User) v1alpha1.Requester {
	return v1alpha1.Requester{Username: u.Name, UID: u.UID, Groups: u.Groups, Extra: u.Extra}
}

// originOf is from where the request came; nil where the log does not say.
func originOf(a *Attempt) *v1alpha1.Origin {
	o := v1alpha1.Origin{SourceIPs: a.SourceIPs, UserAgent: a.UserAgent, Impersonator: a.Impersonator}
	if len(o.SourceIPs) == 0 && o.UserAgent == "" && o.Impersonator == "" {
		return nil
	}
	return &o
}

func requestOf(a *Attempt) v1alpha1.RecordedRequest {
	r := &a.Request
	return v1alpha1.RecordedRequest{
		UID: r.UID, Operation: string(r.Operation), Group: r.Resource.Group, Version: r.Resource.Version, Resource: r.Resource.Resource,
		Subresource: r.Subresource, Kind: r.Kind.Kind, Namespace: r.Namespace, Name: r.Name, FieldManager: r.FieldManager,
	}
}

// target is the object as it was before, where the log has it, and else which it is.
func (f *Finding) target(a *Attempt) {
	from := a.Request.Old
	if from == nil {
		from = a.Request.Object
	}
	uid := text(from, "metadata", "uid")
	if uid == "" {
		return
	}
	f.Target = &v1alpha1.Target{UID: types.UID(uid)}
	if a.Request.Old != nil {
		f.Target.ResourceVersion = text(from, "metadata", "resourceVersion")
		f.Target.Generation, _ = field(from, "metadata", "generation").(int64)
	}
}

// fields are the paths that differ, where the log shows both sides.
func (f *Finding) fields(a *Attempt) {
	if a.Request.Operation != policy.Update || a.Request.Old == nil || a.Request.Object == nil {
		return
	}
	changes, omitted := policy.Diff(a.Request.Old, a.Request.Object, mostFields)
	for _, c := range changes {
		f.Fields = append(f.Fields, c.Path)
	}
	f.More = omitted
}
