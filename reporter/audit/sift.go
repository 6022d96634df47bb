package audit

import (
	"bytes"
	"encoding/json"
	"time"

	authnv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/gitlatch/gitlatch/policy"
)

// sifted is what one line comes to.
type sifted struct {
	line    int
	at      time.Time
	problem *Problem
	skip    Skip
	// answered: the gate was asked, and decided.
	answered bool
	dryRun   bool
	// memo is what to remember of a line of which nothing else is asked.
	memo *memo
	// event and write are of a line that is decoded, and suspect says that it is to be
	// judged as well.
	event   *auditv1.Event
	write   *write
	suspect bool
	said    said
	// poses is whose name an impersonator took, where that is an identity that the gate
	// lets through.
	poses string
}

// sifter tells, from as little of a line as may be, whether it is to be judged. It is
// for one goroutine.
type sifter struct {
	court *court
	// listed says that it is given items of an EventList.
	listed bool
	users  map[string]*policy.User
}

// maxUsers bounds the users that are kept decoded.
const maxUsers = 4096

func newSifter(c *court) *sifter { return &sifter{court: c, users: map[string]*policy.User{}} }

// sift reads a line; complete is false where the input ends in it.
func (s *sifter) sift(line []byte, number int, complete bool) sifted {
	out := sifted{line: number}
	h := head{listed: s.listed}
	skip, problem := h.read(line)
	if problem != "" {
		out.problem = &Problem{Line: number, Reason: problem}
		if !complete {
			out.problem = &Problem{Line: number, Reason: "ends in the middle", Truncated: true}
		}
		return out
	}
	if out.skip = skip; skip == "" && h.code >= 400 {
		out.skip = h.refused()
	}
	if out.skip != "" {
		return out
	}
	memo, remembers, whole := h.memo()
	s.suspect(&h, &out)
	switch {
	case !out.suspect && !whole:
		if remembers {
			out.memo = &memo
		}
	default:
		out.decode(&h, line)
	}
	return out
}

// suspect says whether the line is to be judged.
func (s *sifter) suspect(h *head, out *sifted) {
	out.said = h.gate()
	out.answered = out.said.decided
	user := s.user(h.user)
	as := user
	if h.hasImpersonated() {
		as = s.user(h.impersonated)
	}
	if as == nil {
		out.suspect = true // decoding says what is wrong
		return
	}
	if h.isDryRun() {
		out.dryRun = true
		return
	}
	req := policy.Request{
		User: *as, Operation: h.operation(), Subresource: h.subresource, Namespace: h.namespace, Name: h.name, Final: true,
		Resource: schema.GroupVersionResource{Group: h.group, Version: h.version, Resource: h.resource},
	}
	if h.group == "" && h.resource == "namespaces" {
		req.Namespace = h.name
	}
	out.at = h.at()
	if as != user && user != nil && !policy.NeverAsked(h.group, h.resource, h.subresource) {
		policies := s.court.policies[:s.court.standing(out.at)]
		if out.poses = policy.Poses(as, policies, s.court.install); out.poses != "" {
			if policy.MayImpersonate(user, as, policies, s.court.install) {
				out.poses = ""
			}
		}
	}
	switch {
	case out.poses != "":
		out.suspect = true
	case out.answered && len(out.said.failed) == 0:
	case s.court.letsThrough(&req, out.at):
	default:
		out.suspect = true
	}
}

// user reads who asked; nil where that can't be read. What it returns is not changed.
func (s *sifter) user(span []byte) *policy.User {
	if known := s.users[string(span)]; known != nil {
		return known
	}
	var info authnv1.UserInfo
	if err := json.Unmarshal(span, &info); err != nil {
		return nil
	}
	if len(s.users) >= maxUsers {
		clear(s.users)
	}
	user := userOf(&info)
	s.users[string(span)] = &user
	return &user
}

// refused tells what admission refused from what failed otherwise.
func (h *head) refused() Skip {
	reason := SkipFailed
	if h.code == 403 {
		members(h.annotations, func(key, value []byte) bool {
			if is(key, "authorization.k8s.io/decision") && is(value, "allow") {
				reason = SkipRefused
			}
			return true
		})
	}
	return reason
}

// decode reads the whole line: its objects apart, so that they are read once.
func (out *sifted) decode(h *head, line []byte) {
	event, problem := decodeEvent(without(line, h.sent, h.answered)) // what it is was looked at
	if problem == "" && event.ObjectRef == nil {
		problem = "not an audit event: a field of another type"
	}
	if problem != "" {
		out.problem, out.suspect = &Problem{Line: out.line, Reason: problem}, false
		return
	}
	event.RequestObject, event.ResponseObject = unknown(h.sent), unknown(h.answered)
	if out.skip = skip(event); out.skip != "" {
		out.suspect = false
		return
	}
	out.event, out.write = event, newWrite(event)
}

func unknown(span []byte) *runtime.Unknown {
	if len(span) == 0 || string(span) == "null" {
		return nil
	}
	return &runtime.Unknown{Raw: bytes.Clone(span), ContentType: runtime.ContentTypeJSON}
}

// without puts null in the place of two values of a line.
func without(line, a, b []byte) []byte {
	if len(a) > 0 && len(b) > 0 && offset(line, a) > offset(line, b) {
		a, b = b, a
	}
	out := make([]byte, 0, len(line)-len(a)-len(b)+2*len("null"))
	at := 0
	for _, value := range [][]byte{a, b} {
		if len(value) > 0 {
			begin := offset(line, value)
			out = append(append(out, line[at:begin]...), "null"...)
			at = begin + len(value)
		}
	}
	return append(out, line[at:]...)
}

// offset of a part in the line that it was cut out of.
func offset(line, part []byte) int { return cap(line) - cap(part) }
