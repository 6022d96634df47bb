package signals

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/access"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// answer is what a case expects of a signal.
type answer struct {
	Verdict Verdict
	Number  string
	Summary string
}

func answerOf(s *Signal) answer {
	number := "none"
	if s.Number != nil {
		number = fmt.Sprintf("%.1f", *s.Number)
	}
	return answer{s.Verdict, number, s.Summary}
}

func TestSignals(t *testing.T) {
	add := func(recs ...*v1alpha1.ChangeRecord) func(*found) {
		return func(f *found) {
			for _, r := range recs {
				f.records.add(r)
			}
		}
	}
	without := func(part string) func(*found) {
		return func(f *found) {
			delete(f.known, part)
			f.missing = append(f.missing, part)
			switch part {
			case listSyncs:
				f.syncs, f.trail = nil, nil
			case listRoles:
				f.access = nil
			}
		}
	}
	tweak := func(tweaks ...func(*v1alpha1.GitSync)) func(*found) {
		return func(f *found) {
			for _, tweak := range tweaks {
				tweak(&f.syncs[0])
			}
		}
	}
	drifts := func(n int) func(*found) {
		return func(f *found) {
			for i := range n {
				f.records.add(rec(v1alpha1.OutcomeFlagged, unresolved(fmt.Sprint("web-", i))))
			}
		}
	}
	corrected := func(n int, d time.Duration) func(*found) {
		return func(f *found) {
			for range n {
				f.records.add(rec(v1alpha1.OutcomeDrift, correctedAfter(d)))
			}
		}
	}
	reverted := func(at time.Time, subject string) func(*found) {
		return tweak(func(s *v1alpha1.GitSync) {
			s.Status.History[0].At, s.Status.History[0].Subject = metav1.NewTime(at), subject
		})
	}
	const day = 24 * time.Hour
	for _, tc := range []struct {
		name, signal string
		tweaks       []func(*found)
		want         answer
	}{
		{"everything is in sync", MatchesGit, nil, answer{Good, "100.0", "100 of 100 objects in sync, 0 drifted, 0 unknown"}},
		{"one object may differ", MatchesGit, []func(*found){drifts(1)}, answer{Attention, "99.0", "99 of 100 objects in sync, 1 drifted, 0 unknown"}},
		{"four of a hundred", MatchesGit, []func(*found){drifts(4)}, answer{Attention, "96.0", "96 of 100 objects in sync, 4 drifted, 0 unknown"}},
		{"five of a hundred", MatchesGit, []func(*found){drifts(5)}, answer{Bad, "95.0", "95 of 100 objects in sync, 5 drifted, 0 unknown"}},
		{"what differs twice is one object", MatchesGit, []func(*found){drifts(1), drifts(1)}, answer{Attention, "99.0", "99 of 100 objects in sync, 1 drifted, 0 unknown"}},
		{"what was never stored differs from nothing", MatchesGit, []func(*found){add(rec(v1alpha1.OutcomeFlagged, unresolved("web"), phase(v1alpha1.PhaseNotPersisted)))},
			answer{Good, "100.0", "100 of 100 objects in sync, 0 drifted, 0 unknown"}},
		{"a sync that reports drift", MatchesGit, []func(*found){tweak(ready(metav1.ConditionFalse, v1alpha1.SyncDrifted)), drifts(2)},
			answer{Attention, "98.0", "98 of 100 objects in sync, 2 drifted, 0 unknown"}},
		{"a sync that is suspended tells nothing", MatchesGit, []func(*found){tweak(func(s *v1alpha1.GitSync) { s.Spec.Suspend = true })},
			answer{Attention, "0.0", "0 of 100 objects in sync, 0 drifted, 100 unknown"}},
		{"one on its way neither", MatchesGit, []func(*found){tweak(ready(metav1.ConditionUnknown, v1alpha1.SyncProgressing))},
			answer{Attention, "0.0", "0 of 100 objects in sync, 0 drifted, 100 unknown"}},
		{"nor one whose status is of another generation", MatchesGit, []func(*found){tweak(func(s *v1alpha1.GitSync) { s.Generation = 2 })},
			answer{Attention, "0.0", "0 of 100 objects in sync, 0 drifted, 100 unknown"}},
		{"one that fails", MatchesGit, []func(*found){func(f *found) {
			failing := syncOf("team-a", 20)
			ready(metav1.ConditionFalse, v1alpha1.SyncFetchFailed)(&failing)
			f.syncs = append(f.syncs, failing)
		}}, answer{Bad, "83.3", "100 of 120 objects in sync, 0 drifted, 20 unknown"}},
		{"no sync at all", MatchesGit, []func(*found){func(f *found) { f.syncs = nil }}, answer{Unknown, "none", "no GitSync declares anything"}},
		{"syncs may not be read", MatchesGit, []func(*found){without(listSyncs)}, answer{Unknown, "none", "not to be read with your rights"}},
		{"records may not be read", MatchesGit, []func(*found){without(listRecords)},
			answer{Unknown, "none", "what has drifted is on record, and the records may not be read"}},

		{"nothing around git", ThroughGit, nil, answer{Good, "0.0", "0 admitted and 0 past the gate, 0 denied, in 30 days"}},
		{"denials show that the gate works", ThroughGit, []func(*found){add(rec(v1alpha1.OutcomeDenied, times(7)))},
			answer{Good, "0.0", "0 admitted and 0 past the gate, 7 denied, in 30 days"}},
		{"what is older than the period is not counted", ThroughGit, []func(*found){add(rec(v1alpha1.OutcomeFlagged, seen(ago(30*day+time.Second))))},
			answer{Good, "0.0", "0 admitted and 0 past the gate, 0 denied, in 30 days"}},
		{"what is just within is", ThroughGit, []func(*found){add(rec(v1alpha1.OutcomeFlagged, seen(ago(30*day))))},
			answer{Attention, "1.0", "1 admitted and 0 past the gate, 0 denied, in 30 days"}},
		{"a restart changes no declared state", ThroughGit, []func(*found){add(rec(v1alpha1.OutcomeFlagged, class(v1alpha1.ClassOperation)))},
			answer{Good, "0.0", "0 admitted and 0 past the gate, 0 denied, in 30 days"}},
		{"an emergency", ThroughGit, []func(*found){add(rec(v1alpha1.OutcomeBreakGlass))},
			answer{Attention, "1.0", "1 admitted and 0 past the gate, 0 denied, in 30 days"}},
		{"an emergency that was never stored", ThroughGit, []func(*found){add(rec(v1alpha1.OutcomeBreakGlass, phase(v1alpha1.PhaseNotPersisted)))},
			answer{Good, "0.0", "0 admitted and 0 past the gate, 0 denied, in 30 days"}},
		{"a bypass that nobody reviewed", ThroughGit, []func(*found){add(rec(v1alpha1.OutcomeBypass))},
			answer{Bad, "1.0", "0 admitted and 1 past the gate, 0 denied, in 30 days"}},
		{"a bypass that was reviewed", ThroughGit, []func(*found){add(rec(v1alpha1.OutcomeBypass, verdictOf(v1alpha1.ReviewApproved)))},
			answer{Attention, "1.0", "0 admitted and 1 past the gate, 0 denied, in 30 days"}},
		{"the gate was tampered with", ThroughGit, []func(*found){add(rec(v1alpha1.OutcomeTampered))},
			answer{Attention, "0.0", "0 admitted and 0 past the gate, 0 denied, in 30 days"}},
		{"the gate is off", ThroughGit, []func(*found){func(f *found) { f.gate.off = "INC-42: maintenance" }},
			answer{Bad, "0.0", "0 admitted and 0 past the gate, 0 denied, in 30 days"}},
		{"no policy enforces", ThroughGit, []func(*found){func(f *found) { f.policies[0].Spec.Mode = v1alpha1.ModeWarn }},
			answer{Attention, "0.0", "0 admitted and 0 past the gate, 0 denied, in 30 days"}},
		{"whether the gate is there may not be read", ThroughGit, []func(*found){without(getWebhooks)},
			answer{Unknown, "0.0", "0 admitted and 0 past the gate, 0 denied, in 30 days"}},
		{"alice may edit the gate", ThroughGit, []func(*found){func(f *found) {
			f.access.Findings = []access.Finding{{Subject: access.Subject{Kind: "User", Name: "alice"}, Act: access.ActGate}}
		}}, answer{Attention, "0.0", "0 admitted and 0 past the gate, 0 denied, in 30 days"}},
		{"alice is held back, and the applier expected", ThroughGit, []func(*found){func(f *found) {
			f.access.Findings = []access.Finding{
				{Subject: access.Subject{Kind: "User", Name: "alice"}, Act: access.ActWrite, Held: true},
				{Subject: access.Subject{Kind: "ServiceAccount", Name: "gitlatch-applier"}, Act: access.ActWrite, Expected: access.ExpectedGitlatch},
			}
		}}, answer{Good, "0.0", "0 admitted and 0 past the gate, 0 denied, in 30 days"}},
		{"who has access may not be read", ThroughGit, []func(*found){without(listRoles)},
			answer{Good, "0.0", "0 admitted and 0 past the gate, 0 denied, in 30 days"}},
		{"records may not be read either", ThroughGit, []func(*found){without(listRecords)}, answer{Unknown, "none", "not to be read with your rights"}},

		{"every object leads to a signed and reviewed commit", AuditTrail, nil,
			answer{Good, "100.0", "why answers for 100 of 100 objects; of 1 commit, 1 signed and 1 reviewed"}},
		{"99 of 100", AuditTrail, []func(*found){func(f *found) { f.trail.answerable = 99 }},
			answer{Good, "99.0", "why answers for 99 of 100 objects; of 1 commit, 1 signed and 1 reviewed"}},
		{"98 of 100", AuditTrail, []func(*found){func(f *found) { f.trail.answerable = 98 }},
			answer{Attention, "98.0", "why answers for 98 of 100 objects; of 1 commit, 1 signed and 1 reviewed"}},
		{"90 of 100", AuditTrail, []func(*found){func(f *found) { f.trail.answerable = 90 }},
			answer{Attention, "90.0", "why answers for 90 of 100 objects; of 1 commit, 1 signed and 1 reviewed"}},
		{"89 of 100", AuditTrail, []func(*found){func(f *found) { f.trail.answerable = 89 }},
			answer{Bad, "89.0", "why answers for 89 of 100 objects; of 1 commit, 1 signed and 1 reviewed"}},
		{"a commit that nobody reviewed", AuditTrail, []func(*found){tweak(func(s *v1alpha1.GitSync) { s.Status.History[0].Reviewers = nil })},
			answer{Attention, "100.0", "why answers for 100 of 100 objects; of 1 commit, 1 signed and 0 reviewed"}},
		{"one that another sync took unsigned", AuditTrail, []func(*found){func(f *found) {
			second := syncOf("team-a", 0)
			second.Status.History[0].Signer = ""
			f.syncs = append(f.syncs, second)
		}}, answer{Attention, "100.0", "why answers for 100 of 100 objects; of 1 commit, 0 signed and 1 reviewed"}},
		{"history that was rewritten", AuditTrail, []func(*found){tweak(func(s *v1alpha1.GitSync) { s.Status.History[0].Rewritten = true })},
			answer{Bad, "100.0", "why answers for 100 of 100 objects; of 1 commit, 1 signed and 1 reviewed"}},
		{"a kind that may not be listed", AuditTrail, []func(*found){func(f *found) { f.trail.unread = []string{"Secret"} }},
			answer{Unknown, "none", "not every kind may be listed"}},
		{"a kind whose server is down", AuditTrail, []func(*found){func(f *found) { f.trail.down = []string{"NodeMetrics"} }},
			answer{Unknown, "none", "not every kind is served now"}},
		{"nothing declared", AuditTrail, []func(*found){func(f *found) { f.trail = &trail{} }}, answer{Unknown, "none", "no GitSync declares anything"}},

		{"no drift", DriftCorrected, nil, answer{Good, "none", "0 drifts in 30 days, 0 standing"}},
		{"corrected within the second", DriftCorrected, []func(*found){corrected(3, 0)},
			answer{Good, "1.0", "3 drifts in 30 days, 0 standing, 99 of 100 corrected in less than 1 s"}},
		{"99 at once, and one after an hour", DriftCorrected, []func(*found){corrected(99, 0), corrected(1, time.Hour)},
			answer{Good, "1.0", "100 drifts in 30 days, 0 standing, 99 of 100 corrected in less than 1 s"}},
		{"98 at once, and two after an hour", DriftCorrected, []func(*found){corrected(98, 0), corrected(2, time.Hour)},
			answer{Bad, "3601.0", "100 drifts in 30 days, 0 standing, 99 of 100 corrected in less than 3601 s"}},
		{"9 seconds", DriftCorrected, []func(*found){corrected(1, 9*time.Second)},
			answer{Good, "10.0", "1 drift in 30 days, 0 standing, 99 of 100 corrected in less than 10 s"}},
		{"10 seconds", DriftCorrected, []func(*found){corrected(1, 10*time.Second)},
			answer{Attention, "11.0", "1 drift in 30 days, 0 standing, 99 of 100 corrected in less than 11 s"}},
		{"59 seconds", DriftCorrected, []func(*found){corrected(1, 59*time.Second)},
			answer{Attention, "60.0", "1 drift in 30 days, 0 standing, 99 of 100 corrected in less than 60 s"}},
		{"a minute", DriftCorrected, []func(*found){corrected(1, time.Minute)},
			answer{Bad, "61.0", "1 drift in 30 days, 0 standing, 99 of 100 corrected in less than 61 s"}},
		{"one that is being corrected", DriftCorrected, []func(*found){add(rec(v1alpha1.OutcomeDrift, seen(ago(59*time.Second))))},
			answer{Good, "none", "0 drifts in 30 days, 0 standing"}},
		{"one that stands", DriftCorrected, []func(*found){add(rec(v1alpha1.OutcomeDrift, seen(ago(time.Minute))))},
			answer{Attention, "none", "1 drift in 30 days, 1 standing"}},
		{"one that has stood for an hour", DriftCorrected, []func(*found){add(rec(v1alpha1.OutcomeDrift))},
			answer{Bad, "none", "1 drift in 30 days, 1 standing"}},
		{"one that has stood since before the period", DriftCorrected, []func(*found){add(rec(v1alpha1.OutcomeDrift, seen(ago(60*day))))},
			answer{Bad, "none", "1 drift in 30 days, 1 standing"}},
		{"one that a reviewer closed", DriftCorrected, []func(*found){add(rec(v1alpha1.OutcomeDrift, phase(v1alpha1.PhaseClosed)))},
			answer{Good, "none", "0 drifts in 30 days, 0 standing"}},
		{"no sync corrects", DriftCorrected, []func(*found){func(f *found) { f.syncs = nil }}, answer{Unknown, "none", "no GitSync corrects anything"}},

		{"a revert two days ago", RevertRollback, nil, answer{Good, "2.0", "the last revert was applied 2.0 days ago"}},
		{"90 days ago", RevertRollback, []func(*found){reverted(ago(90*day), `Revert "x"`)}, answer{Good, "90.0", "the last revert was applied 90.0 days ago"}},
		{"a little more", RevertRollback, []func(*found){reverted(ago(90*day+3*time.Hour), `Revert "x"`)}, answer{Attention, "90.1", "the last revert was applied 90.1 days ago"}},
		{"365 days ago", RevertRollback, []func(*found){reverted(ago(365*day), `revert: x`)}, answer{Attention, "365.0", "the last revert was applied 365.0 days ago"}},
		{"a little more than a year", RevertRollback, []func(*found){reverted(ago(365*day+3*time.Hour), `revert(web): x`)}, answer{Bad, "365.1", "the last revert was applied 365.1 days ago"}},
		{"what only speaks of it is none", RevertRollback, []func(*found){reverted(ago(day), "reverts are tested")},
			answer{Unknown, "none", "no revert is among 1 applied commit that the statuses list"}},
		{"a force-push since", RevertRollback, []func(*found){add(rec(v1alpha1.OutcomeDrift, func(r *v1alpha1.ChangeRecord) { r.Spec.Reason = v1alpha1.ReasonHistoryRewritten }))},
			answer{Bad, "none", "the last way back was a force-push"}},
		{"a force-push before the last revert", RevertRollback, []func(*found){add(rec(v1alpha1.OutcomeDrift, seen(ago(3*day)),
			func(r *v1alpha1.ChangeRecord) { r.Spec.Reason = v1alpha1.ReasonHistoryRewritten }))},
			answer{Good, "2.0", "the last revert was applied 2.0 days ago"}},
	} {
		t.Run(tc.signal+"/"+tc.name, func(t *testing.T) {
			f := well()
			for _, tweak := range tc.tweaks {
				tweak(f)
			}
			for _, s := range f.report().Signals {
				if s.Name != tc.signal {
					continue
				}
				if diff := cmp.Diff(tc.want, answerOf(&s)); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				if s.Verdict != Good && s.Advice == "" {
					t.Errorf("%s says nothing of what to do", s.Verdict)
				}
			}
		})
	}
}

func TestEnforcement(t *testing.T) {
	gap := func(state v1alpha1.GateState, end *v1alpha1.GapEnd) *v1alpha1.ChangeRecord {
		return rec(v1alpha1.OutcomeTampered, func(r *v1alpha1.ChangeRecord) {
			r.Spec.Gap = &v1alpha1.Gap{State: state, Expected: v1alpha1.GateEnforcing, Since: metav1.NewMicroTime(ago(2 * time.Hour)), Cause: "NotAnswering"}
			r.Status.Gap = end
		})
	}
	for _, tc := range []struct {
		name  string
		tweak func(*found)
		want  string
	}{
		{"a policy enforces", func(*found) {}, "Enforcing: 1 policy enforces"},
		{"no policy enforces", func(f *found) { f.policies[0].Spec.Mode = v1alpha1.ModeAudit }, "Auditing: no policy enforces: what is around git is admitted and recorded"},
		{"no policy", func(f *found) { f.policies = nil }, "None: there is no policy: nothing is governed"},
		{"a policy that can't work", func(f *found) {
			f.policies[0].Status.Conditions[0] = metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: "Invalid", Message: "spec.sync"}
		}, "Failing: no policy is in force: Invalid: spec.sync"},
		{"a configuration that is gone", func(f *found) { f.gate.gone = []string{"ValidatingWebhookConfiguration gitlatch"} },
			"Failing: ValidatingWebhookConfiguration gitlatch is not there, or empty: nothing is asked"},
		{"switched off, with the configurations emptied", func(f *found) {
			f.gate.off, f.gate.gone = "INC-42: maintenance", []string{"MutatingWebhookConfiguration gitlatch"}
		}, "Off: somebody switched it off: INC-42: maintenance"},
		{"the heartbeat's open gap", func(f *found) { f.records.add(gap(v1alpha1.GateFailing, nil)) },
			"Failing: the heartbeat found it so since 2026-03-02 10:00:00 (NotAnswering), record cr-1"},
		{"a gap that ended", func(f *found) {
			f.records.add(gap(v1alpha1.GateFailing, &v1alpha1.GapEnd{At: metav1.NewMicroTime(ago(time.Hour)), Findings: 2}))
		},
			"Enforcing: 1 policy enforces"},
		{"configurations that may not be read", func(f *found) { delete(f.known, getWebhooks) },
			"Unknown: 1 policy enforces; whether the gate is registered may not be read"},
		{"nothing that may be read", func(f *found) { clear(f.known); f.policies = nil }, "Unknown: neither the gate's configurations nor the policies may be read"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := well()
			tc.tweak(f)
			e := f.enforcement()
			if got := e.State + ": " + e.Why; got != tc.want {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
		})
	}
	f := well()
	f.records.add(gap(v1alpha1.GateFailing, &v1alpha1.GapEnd{At: metav1.NewMicroTime(ago(time.Hour)), Findings: 2}))
	until := ago(time.Hour)
	want := &Gap{Record: "cr-1", State: v1alpha1.GateFailing, Cause: "NotAnswering", Since: ago(2 * time.Hour), Until: &until, Findings: 2}
	if diff := cmp.Diff(want, f.enforcement().Last); diff != "" {
		t.Errorf("last gap (-want +got):\n%s", diff)
	}
}

func TestWindowsAndWhatWaits(t *testing.T) {
	f := well()
	window := func(name string, until time.Time, tweaks ...func(*v1alpha1.ChangeRecord)) {
		f.records.add(rec(v1alpha1.OutcomeBreakGlass, append([]func(*v1alpha1.ChangeRecord){func(r *v1alpha1.ChangeRecord) {
			r.Name, r.Labels[v1alpha1.LabelWindow] = name, record.WindowOpen
			r.Spec.Requester.Username = "oncall"
			r.Spec.BreakGlass = &v1alpha1.RecordedWindow{Reason: "INC-42: db failover", Until: metav1.NewTime(until), Scope: v1alpha1.WindowObject}
		}}, tweaks...)...))
	}
	window("cr-open", noon().Add(25*time.Minute))
	window("cr-over", noon())
	window("cr-ended", noon().Add(time.Minute), func(r *v1alpha1.ChangeRecord) { r.Status.Window = &v1alpha1.WindowEnd{} })
	window("cr-reviewed", noon().Add(5*time.Minute), verdictOf(v1alpha1.ReviewApproved), seen(ago(25*time.Hour)))
	window("cr-late", ago(23*time.Hour), seen(ago(25*time.Hour)))
	f.records.add(rec(v1alpha1.OutcomeDenied))
	r := f.report()
	target := "apps/Deployment prod/web"
	want := []Window{
		{Record: "cr-reviewed", User: "oncall", Reason: "INC-42: db failover", Scope: v1alpha1.WindowObject, Target: target, Until: noon().Add(5 * time.Minute), Left: 300},
		{Record: "cr-open", User: "oncall", Reason: "INC-42: db failover", Scope: v1alpha1.WindowObject, Target: target, Until: noon().Add(25 * time.Minute), Left: 1500},
	}
	if diff := cmp.Diff(want, r.Windows); diff != "" {
		t.Errorf("windows (-want +got):\n%s", diff)
	}
	since := ago(25 * time.Hour)
	waits := Unreviewed{Waiting: new(4), Overdue: new(1), Oldest: []string{"cr-late", "cr-ended", "cr-open", "cr-over"}, Since: &since}
	if diff := cmp.Diff(waits, r.Unreviewed); diff != "" {
		t.Errorf("unreviewed (-want +got):\n%s", diff)
	}
}

// TestTheVerdictIsTheWorst, and what a right lacks is named and no failure.
func TestTheVerdictIsTheWorst(t *testing.T) {
	f := well()
	if r := f.report(); r.Verdict != Good || len(r.Missing) != 0 {
		t.Errorf("a good cluster is %s, lacking %v", r.Verdict, r.Missing)
	}
	f.records.add(rec(v1alpha1.OutcomeBypass))
	if r := f.report(); r.Verdict != Bad {
		t.Errorf("with a bypass it is %s", r.Verdict)
	}
	nothing := newFound(Sources{Now: noon()})
	nothing.missing = []string{listSyncs, listRecords}
	r := nothing.report()
	for i := range r.Signals {
		if s := &r.Signals[i]; s.Verdict != Unknown || s.Number != nil || s.Advice == "" {
			t.Errorf("without any right: %+v", s)
		}
	}
	if diff := cmp.Diff([]string{listRecords, listSyncs}, r.Missing); r.Verdict != Unknown || diff != "" {
		t.Errorf("without any right it is %s (-want +got):\n%s", r.Verdict, diff)
	}
}

// TestTheTallyKeepsNoRecords: fifty thousand of them leave names, times and numbers.
func TestTheTallyKeepsNoRecords(t *testing.T) {
	tally := newTally(noon(), ago(DefaultPeriod), well().Overdue)
	for i := range 50_000 {
		tally.add(rec(v1alpha1.OutcomeFlagged, func(r *v1alpha1.ChangeRecord) { r.Name = fmt.Sprintf("cr-%05d", i) }, seen(ago(time.Duration(i)*time.Second))))
		tally.add(rec(v1alpha1.OutcomeDrift, correctedAfter(time.Duration(i%7)*time.Second)))
	}
	if len(tally.oldest) > 4*oldestKept || len(tally.corrected) != 7 || tally.waiting != 50_000 || tally.drifts != 50_000 {
		t.Errorf("%d names, %d times, %d waiting, %d drifts", len(tally.oldest), len(tally.corrected), tally.waiting, tally.drifts)
	}
	tally.trim()
	if len(tally.oldest) != oldestKept || tally.oldest[0].name != "cr-49999" {
		t.Errorf("the oldest are %v", tally.oldest)
	}
}
