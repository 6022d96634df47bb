package signals

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// auditTrail: is history the audit trail? It is where each declared object leads to a
// commit, and each commit to who wrote and who reviewed it.
func (f *found) auditTrail() Signal {
	s := Signal{Name: AuditTrail, Question: "Is history the audit trail?", Unit: "percent of declared objects that why can answer for", Verdict: Unknown}
	if f.trail == nil {
		return s.lacking(listSyncs)
	}
	commits, signed, reviewed := f.commits()
	s.Figures = map[string]float64{
		"declared": float64(f.trail.declared), "live": float64(f.trail.seen), "answerable": float64(f.trail.answerable),
		"commits": float64(commits), "signed": float64(signed), "reviewed": float64(reviewed),
	}
	switch {
	case f.trail.declared == 0:
		s.Summary, s.Advice = "no GitSync declares anything", "kubectl gitlatch why answers for other systems from a clone: --repo DIR"
		return s
	case len(f.trail.unread) > 0:
		s.Summary = "not every kind may be listed"
		return s.needs("list " + strings.Join(f.trail.unread, ", "))
	case len(f.trail.down) > 0:
		s.Summary, s.Advice = "not every kind is served now", "ask again once these are served: "+strings.Join(f.trail.down, ", ")
		return s
	}
	share := min(percent(f.trail.answerable, f.trail.declared), 100)
	s.Number = &share
	s.Summary = fmt.Sprintf("why answers for %d of %s; of %s, %d signed and %d reviewed",
		f.trail.answerable, plural(f.trail.declared, "object", "objects"), plural(commits, "commit", "commits"), signed, reviewed)
	s.evidence("%d of %s are live and lead to a commit", f.trail.answerable, plural(f.trail.declared, "declared object", "declared objects"))
	s.Evidence = append(s.Evidence, f.trail.first...)
	s.evidence("of %s that the syncs' statuses list, %d have a verified signature and %d a reviewer's",
		plural(commits, "applied commit", "applied commits"), signed, reviewed)
	switch {
	case share < answerableBad:
		s.Verdict, s.Advice = Bad, "look why objects lack their marks: kubectl gitlatch why TYPE/NAME"
	case f.rewrittenAt().After(f.from):
		s.Verdict, s.Advice = Bad, "protect the branch: history that can be rewritten is no audit trail"
		s.evidence("a sync's branch was force-pushed at %s", f.rewrittenAt().UTC().Format(time.RFC3339))
	case share < answerableGood:
		s.Verdict, s.Advice = Attention, "look why objects lack their marks: kubectl gitlatch why TYPE/NAME"
	case signed < commits || reviewed < commits:
		s.Verdict, s.Advice = Attention, "ask for signatures and reviews: spec.verify with minReviewers: 1 in each GitSync"
	default:
		s.Verdict = Good
	}
	return s
}

// commits are those that were applied, each once however many syncs have it.
func (f *found) commits() (all, signed, reviewed int) {
	seen := map[string]v1alpha1.AppliedCommit{}
	for i := range f.syncs {
		for _, c := range f.syncs[i].Status.History {
			if known, ok := seen[c.Commit]; ok { // as good as the sync that asked least of it
				if c.Signer == "" {
					known.Signer = ""
				}
				if len(c.Reviewers) == 0 {
					known.Reviewers = nil
				}
				c = known
			}
			seen[c.Commit] = c
		}
	}
	for _, c := range seen {
		all++
		if c.Signer != "" {
			signed++
		}
		if len(c.Reviewers) > 0 {
			reviewed++
		}
	}
	return all, signed, reviewed
}

// rewrittenAt is when a branch was last force-pushed, by the records or by the history
// of a status.
func (f *found) rewrittenAt() time.Time {
	var last time.Time
	if f.known[listRecords] {
		last = f.records.rewritten
	}
	for i := range f.syncs {
		for _, c := range f.syncs[i].Status.History {
			if c.Rewritten && c.At.After(last) {
				last = c.At.Time
			}
		}
	}
	return last
}

// driftCorrected: is drift corrected, and how fast?
func (f *found) driftCorrected() Signal {
	s := Signal{Name: DriftCorrected, Question: "Is drift corrected?", Unit: "seconds in which 99 of 100 were corrected, at most", Verdict: Unknown}
	if !f.known[listRecords] {
		return s.lacking(listRecords)
	}
	if f.known[listSyncs] && len(f.syncs) == 0 {
		s.Summary, s.Advice = "no GitSync corrects anything", "Flux and Argo CD correct in intervals of their own, and record none of it"
		return s
	}
	t := f.records
	s.Figures = map[string]float64{"drifts": float64(t.drifts), "corrected": float64(t.drifts - t.standing), "standing": float64(t.standing)}
	s.Summary = fmt.Sprintf("%s in %s, %d standing", plural(t.drifts, "drift", "drifts"), days(f.Period), t.standing)
	s.evidence("%d of %s pulled back, or committed", t.drifts-t.standing, plural(t.drifts, "drift", "drifts"))
	p99, measured := t.percentile(99)
	if measured {
		p50, _ := t.percentile(50)
		s.Number = &p99
		s.Figures["p50"], s.Figures["p99"] = p50, p99
		s.Summary += fmt.Sprintf(", 99 of 100 corrected in less than %.0f s", p99)
		s.evidence("half in less than %.0f s, 99 of 100 in less than %.0f s, from when it was seen until its record says that it is over (records tell whole seconds)", p50, p99)
	}
	switch {
	case t.standing > 0:
		s.evidence("%s for up to %s", plural(t.standing, "drift stands", "drifts stand"), t.standingFor.Round(time.Second))
		s.Verdict, s.Advice = Bad, "see what stands and why: kubectl gitlatch records list --outcome Drift; a GitSync with drift: Report corrects nothing"
		if t.standingFor < standingBad {
			s.Verdict = Attention
		}
	case measured && p99 > correctedBad:
		s.Verdict, s.Advice = Bad, "see what the applier waits for: its metrics, and the conditions of the syncs"
	case measured && p99 > correctedGood:
		s.Verdict, s.Advice = Attention, "see what the applier waits for: its metrics, and the conditions of the syncs"
	default:
		s.Verdict = Good
	}
	return s
}

// revertRollback: is rollback a revert? The last one that was applied tells that the way
// back was used, and worked; a drill is one as well.
func (f *found) revertRollback() Signal {
	s := Signal{Name: RevertRollback, Question: "Is rollback a revert?", Unit: "days since the last revert", Verdict: Unknown}
	if !f.known[listSyncs] {
		return s.lacking(listSyncs)
	}
	var last v1alpha1.AppliedCommit
	name, commits := "", 0
	for i := range f.syncs {
		for _, c := range f.syncs[i].Status.History {
			commits++
			if reverts(c.Subject) && c.At.After(last.At.Time) {
				last, name = c, f.syncs[i].Namespace+"/"+f.syncs[i].Name
			}
		}
	}
	s.Figures = map[string]float64{"commits": float64(commits)}
	rewritten := f.rewrittenAt()
	if forced := rewritten.After(f.from); forced && rewritten.After(last.At.Time) {
		s.Verdict, s.Summary = Bad, "the last way back was a force-push"
		s.Advice = "go back by git revert, and protect the branch"
		s.evidence("a sync's branch was force-pushed at %s", rewritten.UTC().Format(time.RFC3339))
		return s
	}
	if name == "" {
		s.Summary = fmt.Sprintf("no revert is among %s that the statuses list", plural(commits, "applied commit", "applied commits"))
		s.Advice = "drill it: git revert the last commit, push, watch kubectl gitlatch sync --wait, and revert the revert"
		s.evidence("a status lists the last 10 commits of a sync; a commit that was passed over on the way to a newer one is in none")
		return s
	}
	since := math.Floor(f.Now.Sub(last.At.Time).Hours()/24*10) / 10
	s.Number = &since
	s.Summary = fmt.Sprintf("the last revert was applied %.1f days ago", since)
	s.evidence("%s applied %.7s %q at %s", name, last.Commit, last.Subject, last.At.UTC().Format(time.RFC3339))
	switch {
	case since > revertBad:
		s.Verdict, s.Advice = Bad, "drill it: a way back that nobody has gone for a year may be none"
	case since > revertGood:
		s.Verdict, s.Advice = Attention, "drill it: git revert the last commit, push, and revert the revert"
	default:
		s.Verdict = Good
	}
	return s
}

// reverts: the subject that git gives a revert (git-revert(1)), or the type of
// conventional commits.
func reverts(subject string) bool {
	lower := strings.ToLower(subject)
	return strings.HasPrefix(lower, `revert "`) || strings.HasPrefix(lower, "revert: ") || strings.HasPrefix(lower, "revert(")
}

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return d.String()
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}
