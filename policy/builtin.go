package policy

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

/*
Built in, whatever the policies: what keeps the gate itself standing. It is judged
by the same rules, through a policy of its own: all objects and fields, the sync
identities of every policy, the strictest mode of them, and break-glass for the
groups that they name and, always, for system:masters. Trusted subjects keep their
rights on ordinary objects in Gitlatch's namespace (cert-manager's Secret), and
controllers theirs on what the gate does not stand on.

Without any policy nothing is governed yet, and these writes are recorded only:
somebody must write the first policy, and upgrade. Two things are denied even then,
since what is lost is evidence: writing a ChangeRecord (a review apart) and deleting
Gitlatch's CRDs.
*/
func builtin(q *question, policies []*Policy) (Decision, bool) {
	if !q.guardedByBirth() {
		return Decision{}, false
	}
	p := builtinPolicy(policies)
	if q.req.isResource(v1alpha1.Group, "changerecords") {
		p.Spec.Sync, p.managers = nil, nil // records change through Gitlatch alone
		p.Spec.Mode, p.Spec.OnRecordFailure = v1alpha1.ModeEnforce, v1alpha1.FailureDeny
	}
	if q.req.isCRD() && q.req.Operation == Delete {
		p.Spec.Mode, p.Spec.OnRecordFailure = v1alpha1.ModeEnforce, v1alpha1.FailureDeny
	}
	q.ask(p)
	if d, fits := q.ownRules(); fits {
		return d, true
	}
	v := q.judge()
	var t tally
	t.add(v)
	v = t.result()
	return q.decision(&v), true
}

// guardedByBirth: the target is Gitlatch's.
func (q *question) guardedByBirth() bool {
	r, ns := q.req, q.facts.Install.Namespace
	switch r.Resource.Group {
	case v1alpha1.Group:
		return true
	case crdGroup:
		return r.isCRD() && strings.HasSuffix(r.Name, "."+v1alpha1.Group)
	case rbacGroup:
		if r.Namespace == "" {
			return ownName(r.Name)
		}
	case "admissionregistration.k8s.io", "flowcontrol.apiserver.k8s.io", "scheduling.k8s.io":
		return ownName(r.Name)
	}
	return ns != "" && r.Namespace == ns
}

// ownKind: a kind of Gitlatch's own, on which no other account has a right to
// status or finalizers.
func (q *question) ownKind() bool { return q.req.Resource.Group == v1alpha1.Group }

// ownRules are those that only Gitlatch's kinds have.
func (q *question) ownRules() (Decision, bool) {
	r := q.req
	if q.facts.Install.component(&r.User) {
		return Decision{}, false
	}
	switch {
	case r.isResource(v1alpha1.Group, "changepolicies") && r.Subresource == "" &&
		(r.Operation == Create || r.Operation == Update):
		return q.validPolicy()
	case r.isResource(v1alpha1.Group, "changerecords") && r.Subresource == "status" && r.Operation == Update:
		return q.review()
	}
	return Decision{}, false
}

// validPolicy refuses a policy that can't work, whoever writes it: the gate could
// only ignore it, and whoever wrote it would think themselves guarded.
func (q *question) validPolicy() (Decision, bool) {
	if text(meta(q.req.Object), "deletionTimestamp") != "" {
		return Decision{}, false
	}
	raw, err := json.Marshal(q.req.Object)
	in := &v1alpha1.ChangePolicy{}
	if err == nil {
		err = json.Unmarshal(raw, in)
	}
	detail := ""
	if err != nil {
		detail = err.Error()
	} else if _, errs := Compile(in); len(errs) > 0 {
		detail = errs.ToAggregate().Error()
	}
	if detail == "" {
		return Decision{}, false
	}
	return Decision{
		Class: v1alpha1.ClassOutOfBand, Reason: v1alpha1.ReasonInvalidPolicy, Mode: v1alpha1.ModeEnforce,
		Message: q.req.Target() + " can't work: " + detail, Next: "correct the named fields and apply it again",
		Record: v1alpha1.OutcomeDenied,
	}, true
}

// builtinPolicy joins what the policies say into the one for Gitlatch's own.
func builtinPolicy(policies []*Policy) *Policy {
	yes := true
	in := &v1alpha1.ChangePolicy{Spec: v1alpha1.ChangePolicySpec{
		Mode:  v1alpha1.ModeAudit,
		Match: v1alpha1.Match{ClusterScoped: &yes},
		BreakGlass: &v1alpha1.BreakGlass{
			AllowedGroups: []string{mastersGroup}, MaxDuration: metav1.Duration{Duration: time.Hour},
		},
	}}
	s := &in.Spec
	byName := func(a, b *Policy) int { return strings.Compare(a.Name, b.Name) }
	for _, p := range slices.SortedFunc(slices.Values(policies), byName) { // so that their order does not matter
		s.Sync = append(s.Sync, p.Spec.Sync...)
		s.Trusted = append(s.Trusted, p.Spec.Trusted...)
		s.UntrustedControllers = append(s.UntrustedControllers, p.Spec.UntrustedControllers...)
		if p.Spec.Controllers == v1alpha1.ControllersNone {
			s.Controllers = v1alpha1.ControllersNone
		}
		if b := p.Spec.BreakGlass; b != nil {
			s.BreakGlass.AllowedGroups = union(s.BreakGlass.AllowedGroups, b.AllowedGroups)
		}
		if strictness(p.Spec.Mode) > strictness(s.Mode) {
			s.Mode = p.Spec.Mode
		}
	}
	none := len(s.Sync) == 0
	if none { // Compile asks for one, and without a policy there is none
		s.Sync = []v1alpha1.SyncIdentity{{
			Subject: v1alpha1.Subject{User: "-"}, FieldManagers: []string{"-"},
		}}
	}
	p, _ := Compile(in)
	p.builtin = true
	for _, of := range policies {
		tighten(&p.Spec.Operations, &of.Spec.Operations)
	}
	if none {
		p.Spec.Sync, p.managers = nil, nil
	}
	return p
}

// tighten makes each operation as strict as the other policy has it.
func tighten(o, other *v1alpha1.Operations) {
	for _, v := range []struct{ own, other *v1alpha1.Verdict }{
		{&o.Evict, &other.Evict}, {&o.DeletePod, &other.DeletePod}, {&o.Cordon, &other.Cordon}, {&o.Restart, &other.Restart},
		{&o.Reconcile, &other.Reconcile}, {&o.Suspend, &other.Suspend}, {&o.Exec, &other.Exec}, {&o.Proxy, &other.Proxy},
		{&o.EphemeralContainers, &other.EphemeralContainers},
	} {
		if *v.other == v1alpha1.VerdictDeny || *v.own == v1alpha1.VerdictAllow && *v.other == v1alpha1.VerdictFlag {
			*v.own = *v.other
		}
	}
}

func strictness(m v1alpha1.Mode) int {
	switch m {
	case v1alpha1.ModeAudit:
		return 0
	case v1alpha1.ModeWarn:
		return 1
	}
	return 2
}
