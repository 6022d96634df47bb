package audit

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// entry is one element of an object's managedFields, with all that is asked about it.
type entry struct {
	*metav1.ManagedFieldsEntry
	kind   *kind
	object *metav1.PartialObjectMetadata
	// at is when the manager wrote last; zero: the entry does not say.
	at time.Time
	// fields is nil where they can't be read.
	fields map[string]any
	// policies that were there when it wrote.
	policies []*policy.Policy
	// alone: what others wrote is left out.
	alone bool
}

// examine looks at one object.
func (s *survey) examine(k *kind, o *metav1.PartialObjectMetadata) {
	s.stats.Objects++
	if s.stats.Objects%500 == 0 {
		s.tell()
	}
	key := keyOf(k.Group, k.kind, o.Namespace, o.Name)
	inventoried := s.declared.saw(key)
	if !s.To.IsZero() && o.CreationTimestamp.After(s.To) {
		return
	}
	for i := range o.ManagedFields {
		if s.failed != nil {
			return
		}
		e := entry{ManagedFieldsEntry: &o.ManagedFields[i], kind: k, object: o}
		if e.Time != nil {
			e.at = e.Time.Time
		}
		if s.mayMatter(&e) {
			s.judge(&e)
		}
	}
	s.erased(k, o, inventoried)
}

// mayMatter: not a status, not before the time that is asked about, and not before any
// policy was there.
func (s *survey) mayMatter(e *entry) bool {
	if e.Subresource == "status" || isSystem(e.Manager) || !e.at.IsZero() && e.at.Before(s.From.Truncate(time.Second)) {
		return false
	}
	e.policies = s.standing(e.at)
	return len(e.policies) > 0
}

// standing returns the policies that were in force at a time, and all at none.
func (s *survey) standing(at time.Time) []*policy.Policy {
	if at.IsZero() {
		return s.Policies
	}
	return slices.DeleteFunc(slices.Clone(s.Policies), func(p *policy.Policy) bool { return at.Before(p.Created.Add(settling)) })
}

// judge asks who may have written, and what the gate would have said to them.
func (s *survey) judge(e *entry) {
	syncs := slices.ContainsFunc(e.policies, func(p *policy.Policy) bool { return p.Sync(e.Manager) })
	if syncs && !(e.Manager == v1alpha1.FieldManager && e.Operation == metav1.ManagedFieldsOperationUpdate) {
		return
	}
	e.fields = readFields(e.FieldsV1)
	if s.isOwn(e) {
		return
	}
	switch {
	case syncs:
		if !onlyFinalizers(e.fields) { // which our components keep by updates
			s.tellOf(e, s.finding(e, policy.Decision{Policy: s.policyOf(e), Reason: v1alpha1.ReasonForged},
				"wrote otherwise than by a server-side apply, as Gitlatch's applier never does: somebody else used its name"))
		}
	case e.Manager == beforeFirstApply:
		if d := s.ask(e, someController()); len(d.Touched) > 0 {
			d.Reason = v1alpha1.ReasonErased
			s.tellOf(e, s.finding(e, d, "holds fields that git declares: somebody had cleared the object's managedFields, and with them what git declared"))
		}
	case policy.ToolOfPeople(e.Manager):
		d := s.ask(e, policy.User{})
		if d.Action != policy.Allow {
			d.Reason = v1alpha1.ReasonForeignManager
			s.tellOf(e, s.finding(e, d, "is a tool of people"))
		} else if d.Class == v1alpha1.ClassUngoverned && s.isDeclared(e) {
			s.undecide(e) // it may have been declared before they wrote it
		}
	default:
		s.judgeUnknown(e)
	}
}

// tellOf reports a finding, if it can be told that the write came after a policy. The
// API server keeps no time for a manager's first /scale (apimachinery managedfields,
// ScaleHandler.ToParent), so that one on an object that is older than the policies may
// be older as well.
func (s *survey) tellOf(e *entry, f Finding) {
	if e.at.IsZero() && len(s.standing(e.object.CreationTimestamp.Time)) == 0 {
		s.undecide(e)
		return
	}
	s.report(f)
}

// judgeUnknown: a name that nobody knows may be that of a controller, or of a subject
// that a policy trusts.
func (s *survey) judgeUnknown(e *entry) {
	d := s.ask(e, someController())
	if d.Action == policy.Allow {
		if d.Class != v1alpha1.ClassUngoverned || s.isDeclared(e) {
			s.undecide(e)
		}
		return
	}
	if len(d.Touched) > 0 && s.mayAgree(e) {
		s.undecide(e)
		return
	}
	for _, p := range e.policies {
		for i := range p.Spec.Trusted {
			if s.ask(e, presenting(&p.Spec.Trusted[i].Subject)).Action == policy.Allow {
				return
			}
		}
	}
	d.Reason = v1alpha1.ReasonForeignManager
	s.tellOf(e, s.finding(e, d, "is neither a sync identity's nor the control plane's, and no controller may write this"))
}

// mayAgree: that both own a field is no wonder where the other applied the value that
// git has, or made the object before git declared it.
func (s *survey) mayAgree(e *entry) bool {
	if e.Operation != metav1.ManagedFieldsOperationApply && !e.created() {
		return false
	}
	alone := *e
	alone.alone = true
	return s.ask(&alone, someController()).Action == policy.Allow
}

// isOwn: a component of Gitlatch, where that may write as itself.
func (s *survey) isOwn(e *entry) bool {
	in := &s.Install
	for _, name := range []string{in.Webhook, in.Applier, in.Reporter} {
		if name == "" || e.Manager != name && e.Manager != v1alpha1.FieldManager {
			continue
		}
		if e.kind.Group == v1alpha1.Group { // which all of them own; records are many
			return true
		}
		account := v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: in.Namespace, Name: name}}
		if d := s.ask(e, presenting(&account)); d.Action == policy.Allow &&
			(d.Class == v1alpha1.ClassOwn || e.object.Namespace == in.Namespace) {
			return true
		}
	}
	return false
}

// undecide counts an entry that may be a controller's.
func (s *survey) undecide(e *entry) {
	u := s.undecided[e.Manager]
	switch {
	case u == nil && len(s.undecided) >= mostUndecided:
		s.stats.UndecidedMore++
		return
	case u == nil:
		u = &Undecided{Manager: e.Manager}
		s.undecided[e.Manager] = u
	}
	u.Entries++
	if u.Sample == "" || e.at.After(u.Last) {
		u.Sample, u.Last = e.target(), e.at
	}
}

const mostUndecided = 100

// summary completes what was counted.
func (s *survey) summary() Stats {
	s.stats.Undecided = nil
	for _, name := range slices.Sorted(maps.Keys(s.undecided)) {
		s.stats.Undecided = append(s.stats.Undecided, *s.undecided[name])
	}
	return s.stats
}

func readFields(raw *metav1.FieldsV1) map[string]any {
	var fields map[string]any
	if raw == nil || json.Unmarshal(raw.GetRawBytes(), &fields) != nil {
		return nil
	}
	return fields
}

func onlyFinalizers(fields map[string]any) bool {
	paths := policy.FieldPaths(fields)
	return len(paths) > 0 && !slices.ContainsFunc(paths, func(p string) bool { return !strings.HasPrefix(p, ".metadata.finalizers") })
}
