package audit

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func enforced(t testing.TB, tweak func(*v1alpha1.ChangePolicy)) []*policy.Policy {
	t.Helper()
	in := &v1alpha1.ChangePolicy{}
	in.Name = "cluster"
	in.CreationTimestamp.Time = noon.Add(-time.Hour)
	in.Spec.Mode = v1alpha1.ModeEnforce
	in.Spec.Sync = []v1alpha1.SyncIdentity{{
		Subject:       v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "flux-system", Name: "kustomize-controller"}},
		FieldManagers: []string{"kustomize-controller"},
	}}
	if tweak != nil {
		tweak(in)
	}
	p, errs := policy.Compile(in)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return []*policy.Policy{p}
}

// users of the tests, as the log shows them.
func somebody(name string) map[string]any {
	pod := map[string]any{
		policy.ExtraPodName: []any{name + "-0"}, policy.ExtraPodUID: []any{"pod-uid"}, policy.ExtraCredentialID: []any{"JTI=1"},
	}
	account := func(namespace, name string) map[string]any {
		return map[string]any{"username": "system:serviceaccount:" + namespace + ":" + name, "uid": name + "-uid", "extra": pod}
	}
	switch name {
	case "flux":
		return account("flux-system", "kustomize-controller")
	case "flux without its pod":
		user := account("flux-system", "kustomize-controller")
		user["extra"] = map[string]any{policy.ExtraCredentialID: []any{"JTI=1"}}
		return user
	case "operator":
		return account("db", "operator")
	case "collector":
		return account("kube-system", "generic-garbage-collector")
	case "applier":
		return account("gitlatch-system", "gitlatch-applier")
	}
	return map[string]any{"username": name, "uid": name + "-uid", "groups": []any{"devs", "system:authenticated"}}
}

func webAt(version string) map[string]any {
	return map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{
			"name": "web", "namespace": "prod", "uid": "web-uid", "resourceVersion": version, "generation": 1,
			"managedFields": []any{map[string]any{
				"manager": "kustomize-controller", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
				"fieldsV1": map[string]any{"f:spec": map[string]any{"f:replicas": map[string]any{}}},
			}},
		},
		"spec": map[string]any{"replicas": len(version)},
	}
}

// logged is one event: user, verb, "group/resource/subresource", "namespace/name".
func logged(user, verb, what, name string, tweaks ...func(map[string]any)) map[string]any {
	parts := append(strings.Split(what, "/"), "", "")
	namespace, name, _ := strings.Cut(name, "/")
	event := map[string]any{
		"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "id-" + user + "-" + verb,
		"stage": "ResponseComplete", "verb": verb, "user": somebody(user), "requestURI": "/",
		"sourceIPs": []any{"192.0.2.10"}, "userAgent": "kubectl/v1.37.2",
		"objectRef":                map[string]any{"apiGroup": parts[0], "apiVersion": "v1", "resource": parts[1], "subresource": parts[2], "namespace": namespace, "name": name},
		"responseStatus":           map[string]any{"code": 200},
		"requestReceivedTimestamp": noon.Format(metav1.RFC3339Micro), "stageTimestamp": noon.Format(metav1.RFC3339Micro),
	}
	for _, tweak := range tweaks {
		tweak(event)
	}
	return event
}

func with(key string, value any) func(map[string]any) {
	return func(event map[string]any) { event[key] = value }
}

func annotated(pairs ...any) func(map[string]any) {
	annotations := map[string]any{"authorization.k8s.io/decision": "allow"}
	for i := 0; i < len(pairs); i += 2 {
		annotations[pairs[i].(string)] = pairs[i+1]
	}
	return with("annotations", annotations)
}

func lines(events ...map[string]any) string {
	var text strings.Builder
	for _, event := range events {
		raw, err := json.Marshal(event)
		if err != nil {
			panic(err)
		}
		text.Write(raw)
		text.WriteByte('\n')
	}
	return text.String()
}

func brief(f *Finding) string {
	out := fmt.Sprintf("%s %s: %s; next: %s", f.Confidence, f.Reason, f.Message, f.Next)
	if len(f.Fields) > 0 {
		out += fmt.Sprintf(" %v", f.Fields)
	}
	if f.Declared {
		out += " declared"
	}
	if f.Explained() {
		out += fmt.Sprintf(" explained by %v", f.Records)
	}
	return out
}

// surveyed reads a log and tells its findings, each in a line, and its stats.
func surveyed(t testing.TB, l *Log, text string) ([]string, LogStats) {
	t.Helper()
	l.Install = install
	var got []string
	stats, err := l.Survey(t.Context(), strings.NewReader(text), func(f Finding) error {
		got = append(got, brief(&f))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, stats
}

func TestWhatALogTells(t *testing.T) {
	const viaFlux = "; next: change it in git; flux-system/kustomize-controller brings it here"
	declaredOnly := func(p *v1alpha1.ChangePolicy) {
		p.Spec.Objects, p.Spec.Fields = v1alpha1.ScopeDeclared, v1alpha1.ScopeDeclared
	}
	full := func(version string) func(map[string]any) {
		return func(e map[string]any) {
			e["level"], e["responseObject"] = "RequestResponse", webAt(version)
		}
	}
	tests := []struct {
		name   string
		policy func(*v1alpha1.ChangePolicy)
		events []map[string]any
		want   []string
	}{
		{"a person's write of which the gate was not asked", nil,
			[]map[string]any{logged("alice", "patch", "apps/deployments", "prod/web")},
			[]string{"Proven Unguarded: alice changed apps/deployments prod/web, and the gate was not asked" + viaFlux}},
		{"one that the gate let through", nil,
			[]map[string]any{logged("alice", "patch", "apps/deployments", "prod/web", annotated("gate.gitlatch.dev/decision", "allow"))}, nil},
		{"one that the validating webhook alone was asked about", nil,
			[]map[string]any{logged("alice", "patch", "apps/deployments", "prod/web", annotated("namespaces.final.gitlatch.dev/decision", "flag"))}, nil},
		{"another webhook of a similar name says nothing", nil,
			[]map[string]any{logged("alice", "patch", "apps/deployments", "prod/web", annotated("notgate.gitlatch.dev/decision", "allow", "x/y", "gate.gitlatch.dev/decision"))},
			[]string{"Proven Unguarded: alice changed apps/deployments prod/web, and the gate was not asked" + viaFlux}},
		{"a call that failed open", nil,
			[]map[string]any{logged("alice", "patch", "apps/deployments", "prod/web", annotated(
				failedMutating+"round_0_index_0", "gate.gitlatch.dev", failedValidating+"round_0_index_0", "final.gitlatch.dev"))},
			[]string{"Proven FailedOpen: alice changed apps/deployments prod/web; the API server asked gate.gitlatch.dev and final.gitlatch.dev, got no answer and let it through" + viaFlux}},
		{"another's webhook that failed open", nil,
			[]map[string]any{logged("flux", "patch", "apps/deployments", "prod/web", annotated(failedMutating+"round_0_index_0", "other.example"))}, nil},
		{"the second call failed open, and the first is on record", nil,
			[]map[string]any{logged("alice", "patch", "apps/deployments", "prod/web", annotated(
				"gate.gitlatch.dev/decision", "flag", "gate.gitlatch.dev/record", "cr-1", failedValidating+"round_0_index_0", "final.gitlatch.dev"))},
			[]string{"Proven FailedOpen: alice changed apps/deployments prod/web; the API server asked final.gitlatch.dev, got no answer and let it through" + viaFlux + " explained by [cr-1]"}},
		{"the sync identity, from its pod", nil, []map[string]any{logged("flux", "patch", "apps/deployments", "prod/web")}, nil},
		{"the sync identity's token without its pod", nil,
			[]map[string]any{logged("flux without its pod", "patch", "apps/deployments", "prod/web")},
			[]string{"Proven Unguarded: system:serviceaccount:flux-system:kustomize-controller changed apps/deployments prod/web, and the gate was not asked" + viaFlux}},
		{"the sync identity impersonated, though the gate let it through", nil,
			[]map[string]any{logged("alice", "patch", "apps/deployments", "prod/web", with("impersonatedUser", somebody("flux")))},
			[]string{"Proven Impersonation: alice changed apps/deployments prod/web, under the name of system:serviceaccount:flux-system:kustomize-controller, a sync identity; next: find out what was done under that name, and take the right to impersonate it away"}},
		{"a person impersonated, where the gate decided", nil,
			[]map[string]any{logged("alice", "patch", "apps/deployments", "prod/web", with("impersonatedUser", somebody("bob")), annotated("gate.gitlatch.dev/decision", "flag"))}, nil},
		{"the applier under the account of a sync", func(p *v1alpha1.ChangePolicy) {
			p.Spec.Sync[0].ServiceAccount = &v1alpha1.Account{Namespace: "db", Name: "operator"}
		}, []map[string]any{logged("applier", "patch", "apps/deployments", "prod/web", with("impersonatedUser", somebody("operator")))}, nil},
		{"a controller of the control plane", nil, []map[string]any{logged("collector", "delete", "apps/replicasets", "prod/web-1")}, nil},
		{"a dry run", nil, []map[string]any{logged("alice", "patch", "apps/deployments", "prod/web", with("requestURI", "/x?dryRun=All"))}, nil},
		{"a deletion that is a dry run by its options", nil, []map[string]any{logged("alice", "delete", "apps/deployments", "prod/web",
			with("requestObject", map[string]any{"kind": "DeleteOptions", "dryRun": []any{"All"}}))}, nil},
		{"a write that was refused", nil, []map[string]any{logged("alice", "patch", "apps/deployments", "prod/web", with("responseStatus", map[string]any{"code": 403}))}, nil},
		{"another stage", nil, []map[string]any{logged("alice", "patch", "apps/deployments", "prod/web", with("stage", "RequestReceived"))}, nil},
		{"a read", nil, []map[string]any{logged("alice", "get", "apps/deployments", "prod/web")}, nil},
		{"what is never asked about", nil, []map[string]any{logged("alice", "update", "coordination.k8s.io/leases", "prod/x")}, nil},
		{"before the policy was made", nil, []map[string]any{logged("alice", "patch", "apps/deployments", "prod/web",
			with("requestReceivedTimestamp", noon.Add(-time.Hour+time.Second).Format(metav1.RFC3339Micro)))}, nil},
		{"an open door", nil,
			[]map[string]any{logged("alice", "get", "/pods/exec", "prod/web-0", with("responseStatus", map[string]any{"code": 101}))},
			[]string{"Proven Unguarded: alice opened pods/exec prod/web-0, and the gate was not asked, so that nothing was recorded; next: ask what was done there: nothing else tells"}},
		{"a token of the sync identity", nil,
			[]map[string]any{logged("alice", "create", "/serviceaccounts/token", "flux-system/kustomize-controller", with("responseStatus", map[string]any{"code": 201}))},
			[]string{"Proven Unguarded: alice created serviceaccounts/token flux-system/kustomize-controller, and the gate was not asked; next: find out where the token went; deleting what it is bound to, or its account, ends it"}},
		{"the gate's own configuration", nil,
			[]map[string]any{logged("alice", "delete", "admissionregistration.k8s.io/mutatingwebhookconfigurations", "/gitlatch")},
			[]string{"Proven BuiltIn: alice deleted admissionregistration.k8s.io/mutatingwebhookconfigurations gitlatch, which admission is never asked about; next: look for what else was done while the gate was not as it should be"}},
		{"what git may not have declared, at level Metadata", declaredOnly,
			[]map[string]any{logged("alice", "patch", "apps/deployments", "prod/web")},
			[]string{"Indicated Unguarded: alice changed apps/deployments prod/web, and the gate was not asked; the object is not in the log and the object as it was before is not in the log, so it may have been one that the gate lets through" + viaFlux}},
		{"what git declared, as the log shows", declaredOnly,
			[]map[string]any{logged("flux", "patch", "apps/deployments", "prod/web", full("1")), logged("alice", "patch", "apps/deployments", "prod/web", full("22"))},
			[]string{"Proven Unguarded: alice changed apps/Deployment prod/web, and the gate was not asked" + viaFlux + " [.spec.replicas] declared"}},
		{"a write that changed nothing", nil,
			[]map[string]any{logged("flux", "patch", "apps/deployments", "prod/web", full("1")), logged("alice", "patch", "apps/deployments", "prod/web", full("1"))}, nil},
		{"a controller's write that can't be judged", nil, []map[string]any{logged("operator", "update", "db.example/databases", "prod/main")}, nil},
		{"a controller that deletes a namespace", nil,
			[]map[string]any{logged("operator", "delete", "/namespaces", "prod/prod")},
			[]string{"Proven Unguarded: system:serviceaccount:db:operator deleted namespaces prod, and the gate was not asked" + viaFlux}},
		{"a collection", nil,
			[]map[string]any{logged("alice", "deletecollection", "apps/deployments", "prod/", with("responseObject", map[string]any{
				"apiVersion": "apps/v1", "kind": "DeploymentList", "items": []any{webAt("1"), webAt("22")}}))},
			[]string{"Proven Unguarded: alice deleted apps/Deployment prod/web, and the gate was not asked" + viaFlux + " declared",
				"Proven Unguarded: alice deleted apps/Deployment prod/web, and the gate was not asked" + viaFlux + " declared"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, stats := surveyed(t, &Log{Policies: enforced(t, test.policy)}, lines(test.events...))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if sum := stats.Reads + stats.Failed + stats.Answered + stats.Exempt + stats.Judged; sum != stats.Events || stats.Events != len(test.events) {
				t.Errorf("stats don't add up: %+v", stats)
			}
		})
	}
}

func TestAFindingWhole(t *testing.T) {
	var got []Finding
	l := &Log{Policies: enforced(t, nil), Install: install}
	_, err := l.Survey(t.Context(), strings.NewReader(lines(logged("alice", "create", "apps/deployments", "prod/web",
		with("responseObject", webAt("1")), with("requestURI", "/x?fieldManager=kubectl-create"), with("responseStatus", map[string]any{"code": 201}),
		with("impersonatedUser", somebody("bob"))))), func(f Finding) error {
		got = append(got, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []Finding{{
		Evidence: v1alpha1.EvidenceAuditLog, Confidence: v1alpha1.ConfidenceProven, Reason: v1alpha1.ReasonUnguarded, Policy: "cluster",
		Requester: v1alpha1.Requester{Username: "bob", UID: "bob-uid", Groups: []string{"devs", "system:authenticated"}},
		Origin:    &v1alpha1.Origin{SourceIPs: []string{"192.0.2.10"}, UserAgent: "kubectl/v1.37.2", Impersonator: "alice"},
		Request: v1alpha1.RecordedRequest{
			UID: "id-alice-create", Operation: "CREATE", Group: "apps", Version: "v1", Resource: "deployments", Kind: "Deployment",
			Namespace: "prod", Name: "web", FieldManager: "kubectl-create",
		},
		Target: &v1alpha1.Target{UID: "web-uid"}, At: noon, Declared: true,
		Message: "alice created apps/Deployment prod/web, and the gate was not asked",
		Next:    "commit it to git, or take it back",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestRecordsExplainWhatALogTells(t *testing.T) {
	rec := func(name, user string, tweak func(*v1alpha1.ChangeRecord)) *v1alpha1.ChangeRecord {
		r := &v1alpha1.ChangeRecord{}
		r.Name = name
		r.Spec = v1alpha1.ChangeRecordSpec{
			Outcome: v1alpha1.OutcomeFlagged, Evidence: v1alpha1.EvidenceAdmission, Confidence: v1alpha1.ConfidenceProven,
			Requester: v1alpha1.Requester{Username: user},
			Request:   v1alpha1.RecordedRequest{Operation: "UPDATE", Group: "apps", Resource: "deployments", Namespace: "prod", Name: "web"},
		}
		r.Status.FirstSeen.Time = noon.Add(2 * time.Second)
		if tweak != nil {
			tweak(r)
		}
		return r
	}
	late := func(r *v1alpha1.ChangeRecord) { r.Status.FirstSeen.Time = noon.Add(time.Minute) }
	for _, test := range []struct {
		name string
		rec  *v1alpha1.ChangeRecord
		want []string
	}{
		{"of the same user, target and time", rec("cr-1", "alice", nil), []string{"cr-1"}},
		{"of another user", rec("cr-1", "bob", nil), nil},
		{"of another time", rec("cr-1", "alice", late), nil},
		{"of another field manager", rec("cr-1", "alice", func(r *v1alpha1.ChangeRecord) { r.Spec.Request.FieldManager = "kubectl-edit" }), nil},
		{"of another operation", rec("cr-1", "alice", func(r *v1alpha1.ChangeRecord) { r.Spec.Request.Operation = "DELETE" }), nil},
		{"of what was not stored", rec("cr-1", "alice", func(r *v1alpha1.ChangeRecord) { r.Status.Phase = v1alpha1.PhaseNotPersisted }), nil},
		{"of a drift that was come upon", rec("cr-1", "", func(r *v1alpha1.ChangeRecord) {
			r.Spec.Evidence, r.Spec.Confidence = v1alpha1.EvidenceWatch, v1alpha1.ConfidenceIndicated
		}), nil},
		{"of the same event, found before", rec("cr-1", "alice", func(r *v1alpha1.ChangeRecord) {
			late(r)
			r.Spec.Evidence, r.Spec.Request.UID = v1alpha1.EvidenceAuditLog, "id-alice-patch"
		}), []string{"cr-1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			known := newKnown()
			known.add(test.rec)
			var got []string
			l := &Log{Policies: enforced(t, nil), Install: install, Known: known}
			stats, err := l.Survey(t.Context(), strings.NewReader(lines(logged("alice", "patch", "apps/deployments", "prod/web"))), func(f Finding) error {
				got = append(got, f.Records...)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" || stats.Explained != len(test.want) {
				t.Errorf("%+v (-want +got):\n%s", stats, diff)
			}
		})
	}
}

func TestDamagedLogs(t *testing.T) {
	good := lines(logged("alice", "patch", "apps/deployments", "prod/web"), logged("flux", "patch", "apps/deployments", "prod/web"))
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(good)) // a Buffer takes all
	_ = z.Close()
	type result struct {
		Findings, Events, Malformed int
		Truncated                   bool
		Err                         string
	}
	for _, test := range []struct {
		name, log string
		want      result
	}{
		{"whole", good, result{Findings: 1, Events: 2}},
		{"compressed", packed.String(), result{Findings: 1, Events: 2}},
		{"without the last newline", strings.TrimSuffix(good, "\n"), result{Findings: 1, Events: 2}},
		{"ends in the middle of a line", good[:len(good)-50], result{Findings: 1, Events: 1, Truncated: true}},
		{"foreign lines", "I0302 starting\n\n" + good + "{}\n[]\n", result{Findings: 1, Events: 2, Malformed: 3}},
		{"nothing", "", result{Err: "the audit log is empty"}},
		{"nothing that is an event", `{"kind":"Pod","apiVersion":"v1"}` + "\n", result{Malformed: 1,
			Err: "the audit log holds no event of audit.k8s.io/v1: line 1 is not an Event of audit.k8s.io/v1"}},
		{"compressed, and cut", packed.String()[:packed.Len()-12], result{Findings: 1, Events: 2, Truncated: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := &Log{Policies: enforced(t, nil), Install: install}
			stats, err := l.Survey(t.Context(), strings.NewReader(test.log), func(Finding) error { return nil })
			got := result{stats.Findings, stats.Events, stats.Malformed, stats.Truncated, ""}
			if err != nil {
				got.Err = err.Error()
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestALongLogIsReadInItsOrder(t *testing.T) {
	event := lines(logged("alice", "patch", "apps/deployments", "prod/web", with("padding", strings.Repeat("x", 5000))))
	const n = 2000
	text := strings.Repeat(event, n)
	at := 0
	l := &Log{Policies: enforced(t, nil), Install: install, Workers: 3, Problem: func(p *Problem) { t.Error(p) }}
	stats, err := l.Survey(t.Context(), iotestReader{strings.NewReader(text)}, func(f Finding) error {
		at++
		return nil
	})
	if err != nil || at != n || stats.Bytes != int64(len(text)) {
		t.Errorf("%d findings, %+v, %v", at, stats, err)
	}
}

// iotestReader gives a little at a time.
type iotestReader struct{ io.Reader }

func (r iotestReader) Read(b []byte) (int, error) { return r.Reader.Read(b[:min(len(b), 70_001)]) }

func TestALineThatIsTooLong(t *testing.T) {
	event := lines(logged("alice", "patch", "apps/deployments", "prod/web"))
	c := newChunks(strings.NewReader(event+strings.Repeat("y", 3*chunkSize)+"\n"+event), 4)
	c.limit = chunkSize
	s := newSifter(&court{install: install})
	var got []string
	for {
		k, err := c.next()
		if err != nil {
			t.Fatal(err)
		}
		if k == nil {
			break
		}
		k.sift(s)
		for _, one := range k.out {
			got = append(got, fmt.Sprint(one.line, one.problem))
		}
	}
	want := []string{"1 <nil>", fmt.Sprintf("2 line 2: longer than %d bytes", MaxLine), "3 <nil>"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestASurveyEndsWhenItsContextDoes(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	defer w.Close()
	go cancel()
	l := &Log{Install: install}
	if _, err := l.Survey(ctx, r, func(Finding) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

func TestAnErrorOfWhoeverIsToldEndsASurvey(t *testing.T) {
	l := &Log{Policies: enforced(t, nil), Install: install}
	full := errors.New("full")
	_, err := l.Survey(t.Context(), strings.NewReader(strings.Repeat(lines(logged("alice", "patch", "apps/deployments", "prod/web")), 3)), func(Finding) error { return full })
	if !errors.Is(err, full) {
		t.Errorf("err = %v", err)
	}
}
