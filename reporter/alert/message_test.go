package alert

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// stored is a record as it is read back.
func stored(rec *v1alpha1.ChangeRecord) *v1alpha1.ChangeRecord {
	rec.Name, rec.UID = "cr-7f3k9q2m", "8c6a1c5e-0000-4000-8000-000000000001"
	rec.Status.FirstSeen, rec.Status.Count = metav1.NewMicroTime(noon), 3
	return rec
}

func body(t *testing.T, language Type, rec *v1alpha1.ChangeRecord, ends bool) string {
	t.Helper()
	m, err := compose(language, []notice{describe(rec, "prod", ends)}, noon.Add(time.Minute))
	must(t, err)
	return string(m.body)
}

func TestWhatSlackIsSent(t *testing.T) {
	rec := stored(denied())
	rec.Spec.Requester.Username = "alice <!channel>"
	lines := "*who*: alice &lt;!channel&gt;; groups devs system:authenticated\n" +
		"*what*: update; .spec.replicas; manager kubectl-edit\n" +
		"*where*: apps/Deployment shop/web; cluster prod\n" +
		"*when*: 2026-01-31T12:00:00Z; 3 times\n" +
		"*why*: OutOfBand; policy cluster; apps/Deployment shop/web is changed through git only.\n" +
		"*witness*: Admission; Proven\n" +
		"*review*: `kubectl gitlatch records show cr-7f3k9q2m`"
	title := "Denied: alice &lt;!channel&gt; tried to update apps/Deployment shop/web around git"
	want, err := encoded("", "", slackBody{
		Text:   title + "\n" + lines,
		Blocks: []slackBlock{{Type: "section", Text: slackTextPart{Type: "mrkdwn", Text: "*" + title + "*\n" + lines}}},
	})
	must(t, err)
	if diff := cmp.Diff(string(want.body), body(t, Slack, rec, false)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatAlertmanagerIsSent(t *testing.T) {
	want := `[{"labels":{"alertname":"GitlatchRecordDenied","cluster":"prod","namespace":"shop","outcome":"Denied","reason":"OutOfBand",` +
		`"record":"cr-7f3k9q2m","severity":"info"},` +
		`"annotations":{"description":"who: alice; groups devs system:authenticated\nwhat: update; .spec.replicas; manager kubectl-edit\n` +
		`where: apps/Deployment shop/web; cluster prod\nwhen: 2026-01-31T12:00:00Z; 3 times\n` +
		`why: OutOfBand; policy cluster; apps/Deployment shop/web is changed through git only.\nwitness: Admission; Proven\n` +
		`review: kubectl gitlatch records show cr-7f3k9q2m",` +
		`"review":"kubectl gitlatch records show cr-7f3k9q2m","summary":"Denied: alice tried to update apps/Deployment shop/web around git",` +
		`"target":"apps/Deployment shop/web","user":"alice"},"startsAt":"2026-01-31T12:00:00Z","endsAt":"2026-01-31T13:01:00Z"}]`
	if diff := cmp.Diff(want, body(t, Alertmanager, stored(denied()), false)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatACloudEventIs(t *testing.T) {
	want := `{"specversion":"1.0","id":"8c6a1c5e-0000-4000-8000-000000000001","source":"/gitlatch/clusters/prod","type":"dev.gitlatch.record.denied",` +
		`"subject":"cr-7f3k9q2m","time":"2026-01-31T12:00:00Z","datacontenttype":"application/json","data":{"record":"cr-7f3k9q2m","outcome":"Denied",` +
		`"reason":"OutOfBand","severity":"info","cluster":"prod","user":"alice","target":"apps/Deployment shop/web","namespace":"shop",` +
		`"began":"2026-01-31T12:00:00Z","summary":"Denied: alice tried to update apps/Deployment shop/web around git",` +
		`"details":{"review":"kubectl gitlatch records show cr-7f3k9q2m","what":"update; .spec.replicas; manager kubectl-edit",` +
		`"when":"2026-01-31T12:00:00Z; 3 times","where":"apps/Deployment shop/web; cluster prod","who":"alice; groups devs system:authenticated",` +
		`"why":"OutOfBand; policy cluster; apps/Deployment shop/web is changed through git only.","witness":"Admission; Proven"},` +
		`"review":"kubectl gitlatch records show cr-7f3k9q2m"}}`
	if diff := cmp.Diff(want, body(t, CloudEvents, stored(denied()), false)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTheTitleOfEachOutcome, with the command that reviews it and the severity.
func TestTheTitleOfEachOutcome(t *testing.T) {
	ended := gapRecord(noon)
	ended.Status.Gap = &v1alpha1.GapEnd{At: metav1.NewMicroTime(noon.Add(90 * time.Second))}
	for name, tc := range map[string]struct {
		rec   *v1alpha1.ChangeRecord
		tweak func(*v1alpha1.ChangeRecord)
		want  [4]string // title, review, severity, alert
	}{
		"a flag": {denied(), func(r *v1alpha1.ChangeRecord) {
			r.Spec.Outcome, r.Spec.Request.Subresource, r.Spec.Request.Kind = v1alpha1.OutcomeFlagged, "scale", "Scale"
		}, [4]string{"Flagged: alice made a change around git: update apps/deployments/scale shop/web", "kubectl gitlatch review show cr-7f3k9q2m", "warning", alertFlagged}},
		"break-glass": {denied(), func(r *v1alpha1.ChangeRecord) { r.Spec.Outcome = v1alpha1.OutcomeBreakGlass },
			[4]string{"Break-glass: alice used an emergency exception: update apps/Deployment shop/web", "kubectl gitlatch review show cr-7f3k9q2m", "warning", alertBreakGlass}},
		"a drift of nobody known": {denied(), func(r *v1alpha1.ChangeRecord) {
			r.Spec.Outcome, r.Spec.Requester.Username = v1alpha1.OutcomeDrift, ""
		}, [4]string{"Drift: apps/Deployment shop/web was not as git declares it", "kubectl gitlatch records show cr-7f3k9q2m", "info", alertDrift}},
		"a bypass by nobody known": {denied(), func(r *v1alpha1.ChangeRecord) {
			r.Spec.Outcome, r.Spec.Requester.Username = v1alpha1.OutcomeBypass, ""
		}, [4]string{"Bypass: a change got past the gate: somebody: update apps/Deployment shop/web", "kubectl gitlatch review show cr-7f3k9q2m", "critical", alertBypass}},
		"a deleted namespace, denied": {denied(), func(r *v1alpha1.ChangeRecord) {
			r.Spec.Request = v1alpha1.RecordedRequest{Operation: "DELETE", Version: "v1", Resource: "namespaces", Kind: "Namespace", Namespace: "shop", Name: "shop"}
		}, [4]string{"Denied: alice tried to delete Namespace shop around git", "kubectl gitlatch records show cr-7f3k9q2m", "info", alertDenied}},
		"tampering": {denied(), func(r *v1alpha1.ChangeRecord) {
			r.Spec.Outcome = v1alpha1.OutcomeTampered
			r.Spec.Request = v1alpha1.RecordedRequest{Operation: "DELETE", Group: "admissionregistration.k8s.io", Resource: "mutatingwebhookconfigurations", Kind: "MutatingWebhookConfiguration", Name: "gitlatch"}
		}, [4]string{"Tampered: the gate itself was changed: alice: delete admissionregistration.k8s.io/MutatingWebhookConfiguration gitlatch", "kubectl gitlatch review show cr-7f3k9q2m", "critical", alertTampered}},
		"an open gap": {gapRecord(noon), func(*v1alpha1.ChangeRecord) {},
			[4]string{"Gap: the gate has been failing instead of enforcing (Unreachable) since 2026-01-31T12:00:00Z", "kubectl gitlatch review show cr-7f3k9q2m", "critical", alertGap}},
		"a gap that ended": {ended, func(*v1alpha1.ChangeRecord) {},
			[4]string{"Gap ended: the gate was failing instead of enforcing (Unreachable) for 1m30s", "kubectl gitlatch review show cr-7f3k9q2m", "critical", alertGap}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.tweak(stored(tc.rec))
			n := describe(tc.rec, "", false)
			if diff := cmp.Diff(tc.want, [4]string{n.title, n.review, n.severity, n.alert}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnEmergencySaysItsReason(t *testing.T) {
	rec := stored(denied())
	rec.Spec.Outcome = v1alpha1.OutcomeBreakGlass
	rec.Spec.BreakGlass = &v1alpha1.RecordedWindow{Reason: "INC-42: db failover\nwho: bob", Until: metav1.NewTime(noon.Add(time.Hour))}
	for _, line := range describe(rec, "", false).lines {
		if line.label == "emergency" {
			if diff := cmp.Diff("INC-42: db failover who: bob; until 2026-01-31T13:00:00Z", line.text); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			return
		}
	}
	t.Error("there is no such line")
}

// TestADigest names every record, and the command that lists them.
func TestADigest(t *testing.T) {
	items := []item{
		{name: "cr-b", at: noon.Add(time.Minute), outcome: v1alpha1.OutcomeBypass, user: "bob", target: "ConfigMap shop/a"},
		{name: "cr-a", at: noon, outcome: v1alpha1.OutcomeDenied, user: "alice", target: "ConfigMap shop/b"},
	}
	d := newDigest("prod", items, noon.Add(10*time.Minute))
	m, err := composeDigest(Slack, &d)
	must(t, err)
	title := "2 more records in cluster prod since 2026-01-31T12:00:00Z: 1 Bypass, 1 Denied"
	lines := "cr-b Bypass bob ConfigMap shop/a\ncr-a Denied alice ConfigMap shop/b\n*list*: `kubectl gitlatch records list --since 12m`"
	want, err := encoded("", "", slackBody{Text: title + "\n" + lines,
		Blocks: []slackBlock{{Type: "section", Text: slackTextPart{Type: "mrkdwn", Text: "*" + title + "*\n" + lines}}}})
	must(t, err)
	if diff := cmp.Diff(string(want.body), string(m.body)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	m, err = composeDigest(CloudEvents, &d)
	must(t, err)
	event := `{"specversion":"1.0","id":"` + d.id + `","source":"/gitlatch/clusters/prod","type":"dev.gitlatch.records.digest","time":"2026-01-31T12:00:00Z",` +
		`"datacontenttype":"application/json","data":{"count":2,"outcomes":{"Bypass":1,"Denied":1},"since":"2026-01-31T12:00:00Z","cluster":"prod",` +
		`"records":["cr-b","cr-a"],"summary":"` + title + `","examples":["cr-b Bypass bob ConfigMap shop/a","cr-a Denied alice ConfigMap shop/b"],` +
		`"review":"kubectl gitlatch records list --since 12m"}}`
	if diff := cmp.Diff(event, string(m.body)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	items[0], items[1] = items[1], items[0]
	if again := newDigest("prod", items, noon); again.id != d.id {
		t.Errorf("the same records have two ids: %s, %s", d.id, again.id)
	}
}
