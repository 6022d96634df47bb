package signals

import (
	"fmt"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/access"
)

// throughGit: do changes go through git? What was denied shows that the gate works; what
// was admitted, or passed it by, went around git.
func (f *found) throughGit(e *Enforcement) Signal {
	s := Signal{Name: ThroughGit, Question: "Do changes go through git?", Unit: "changes around git", Verdict: Unknown}
	open, openSubjects := f.direct(&s)
	if !f.known[listRecords] {
		out := s.lacking(listRecords)
		out.Figures = s.Figures
		return out
	}
	t := f.records
	around := float64(t.admitted) + float64(t.bypasses)
	s.Number = &around
	if s.Figures == nil {
		s.Figures = map[string]float64{}
	}
	for name, n := range map[string]int64{
		"denied": t.denied, "deniedUsers": int64(len(t.deniers)), "admitted": t.admitted, "operations": t.operations,
		"bypasses": int64(t.bypasses), "bypassesUnreviewed": int64(t.unanswered), "tampered": int64(t.tampered),
	} {
		s.Figures[name] = float64(n)
	}
	s.Summary = fmt.Sprintf("%d admitted and %d past the gate, %d denied, in %s", t.admitted, t.bypasses, t.denied, days(f.Period))
	s.evidence("the gate is %s: %s", e.State, e.Why)
	s.evidence("%s denied, by %s", plural(int(t.denied), "attempt", "attempts"), plural(len(t.deniers), "user", "users"))
	s.evidence("%s admitted on the record (flagged, or under break-glass), beside %s that change no declared state",
		plural(int(t.admitted), "change was", "changes were"), plural(int(t.operations), "act", "acts"))
	if t.bypasses > 0 {
		s.evidence("%s passed the gate by, %d of them not reviewed", plural(t.bypasses, "change", "changes"), t.unanswered)
	}
	if t.tampered > 0 {
		s.evidence("the gate itself was changed %s", plural(t.tampered, "time", "times"))
	}
	switch {
	case e.State == string(v1alpha1.GateOff), e.State == string(v1alpha1.GateFailing):
		s.Verdict, s.Advice = Bad, "bring the gate back; then kubectl gitlatch audit shows what got past it"
	case t.unanswered > 0:
		s.Verdict, s.Advice = Bad, "review what passed the gate by: kubectl gitlatch records list --outcome Bypass --unreviewed"
	case e.State == StateUnknown:
		s.Verdict, s.Advice = Unknown, "ask for the right to "+getWebhooks+", and to "+listPolicies
	case e.State != string(v1alpha1.GateEnforcing):
		s.Verdict, s.Advice = Attention, "set mode: Enforce in a ChangePolicy, through git"
	case t.bypasses+t.tampered > 0, t.admitted > 0:
		s.Verdict, s.Advice = Attention, "review what was admitted, and bring it into git: kubectl gitlatch review"
	case open > 0:
		s.Verdict = Attention
		s.Advice = fmt.Sprintf("%s can go around git with the gate shut: kubectl gitlatch access --open", plural(openSubjects, "subject", "subjects"))
	case f.access == nil:
		s.Verdict = Good
		s.Advice = "who still has direct access is not known: ask for the right to " + listRoles
	default:
		s.Verdict = Good
	}
	return s
}

// direct adds who still has direct access.
func (f *found) direct(s *Signal) (open, subjects int) {
	if f.access == nil {
		s.evidence("who still has direct access is not known: missing: %s", listRoles)
		return 0, 0
	}
	all, free := map[access.Subject]bool{}, map[access.Subject]bool{}
	for _, found := range f.access.Unexpected() {
		all[found.Subject] = true
		if !found.Held {
			free[found.Subject] = true
			open++
		}
	}
	s.Figures = map[string]float64{"subjectsWithAccess": float64(len(all)), "subjectsNotHeldBack": float64(len(free))}
	s.evidence("%s rights that go around git, %d of them rights that the gate does not hold back: kubectl gitlatch access",
		plural(len(all), "subject holds", "subjects hold"), len(free))
	return open, len(free)
}
