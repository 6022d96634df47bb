package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/gitlatch/gitlatch/policy"
)

var install = policy.Installation{
	Namespace: "gitlatch-system", Webhook: "gitlatch-webhook", Applier: "gitlatch-applier", Reporter: "gitlatch-reporter",
}

func sampleLines(t testing.TB) [][]byte {
	t.Helper()
	log, err := os.ReadFile("testdata/writes.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(log), []byte("\n"))
}

func translateAll(t testing.TB, translator *Translator, lines [][]byte) (attempts []Attempt, skipped []string) {
	t.Helper()
	reader := NewReader(bytes.NewReader(bytes.Join(lines, []byte("\n"))))
	for range lines {
		entry, err := reader.Next()
		if err != nil {
			t.Fatal(err)
		}
		found, skip := translator.Translate(entry)
		attempts = append(attempts, found...)
		if skip != "" {
			skipped = append(skipped, fmt.Sprintf("line %d: %s", entry.Line, skip))
		}
	}
	return attempts, skipped
}

// tell is an attempt in one line.
func tell(a *Attempt) string {
	r := &a.Request
	var text strings.Builder
	fmt.Fprintf(&text, "%d %s %s %s by %s", a.Line, a.Verb, r.Operation, r.Target(), r.User.Name)
	if a.Impersonator != "" {
		fmt.Fprintf(&text, " (%s)", a.Impersonator)
	}
	if r.FieldManager != "" {
		fmt.Fprintf(&text, " as %s", r.FieldManager)
	}
	if r.DryRun {
		text.WriteString(" dry run")
	}
	rv := func(label string, object map[string]any) {
		if object != nil {
			fmt.Fprintf(&text, " %s@%v", label, field(object, "metadata", "resourceVersion"))
		}
	}
	rv("object", r.Object)
	rv("old", r.Old)
	if a.Facts.Parent != nil {
		text.WriteString(" parent")
	}
	if len(a.Facts.NamespaceLabels) > 0 {
		fmt.Fprintf(&text, " team=%s", a.Facts.NamespaceLabels["team"])
	}
	for _, gap := range a.Gaps {
		fmt.Fprintf(&text, "; %s", gap)
	}
	return text.String()
}

func TestTranslateASampleLog(t *testing.T) {
	attempts, skipped := translateAll(t, NewTranslator(install, 0), sampleLines(t))
	var got []string
	for i := range attempts {
		got = append(got, tell(&attempts[i]))
	}
	flux := "system:serviceaccount:flux-system:kustomize-controller as kustomize-controller"
	want := []string{
		"1 patch CREATE Namespace prod by " + flux + " object@10",
		"2 patch CREATE apps/Deployment prod/web by " + flux + " object@11 team=shop",
		"3 update UPDATE apps/deployments/status prod/web by system:serviceaccount:kube-system:deployment-controller object@12 old@11 team=shop",
		"4 patch UPDATE apps/Deployment prod/web by alice as kubectl-label object@13 old@12 team=shop",
		"5 patch UPDATE apps/Deployment prod/web by alice as kubectl-set object@14 old@13 team=shop",
		"6 patch UPDATE apps/deployments/scale prod/web by alice object@15 old@14 parent team=shop",
		"7 patch UPDATE apps/Deployment prod/web by bob as kubectl-annotate object@16 team=shop; the object as it was before is not in the log",
		"8 patch UPDATE apps/Deployment prod/web by bob as kubectl-label dry run object@16 old@16 team=shop",
		"10 create CREATE secrets prod/token by bob as kubectl-create team=shop; the object is not in the log",
		"11 delete DELETE configmaps shop/settings by bob (alice); the object as it was before is not in the log",
		"13 get CONNECT pods/exec prod/web-0 by alice team=shop",
		"16 deletecollection DELETE batch/Job prod/load-1 by bob old@21 team=shop",
		"16 deletecollection DELETE batch/Job prod/load-2 by bob old@22 team=shop",
		"17 delete DELETE apps/Deployment prod/web by bob dry run old@16 team=shop",
		"18 update UPDATE Namespace prod by bob object@17 old@10 team=shop",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
	wantSkipped := []string{
		"line 9: read", "line 12: stage", "line 14: refused", "line 15: failed", "line 19: read",
	}
	if diff := cmp.Diff(wantSkipped, skipped); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
}

func TestTranslateOneEventWhole(t *testing.T) {
	lines := sampleLines(t)
	attempts, _ := translateAll(t, NewTranslator(install, 0), [][]byte{lines[0], lines[10]})
	want := Attempt{
		Line:         2,
		Time:         time.Date(2026, 3, 2, 14, 11, 0, 0, time.UTC),
		Verb:         "delete",
		Level:        "RequestResponse",
		Impersonator: "alice",
		SourceIPs:    []string{"192.0.2.10"},
		UserAgent:    "kubectl/v1.37.2",
		Request: policy.Request{
			UID:       "a-11",
			User:      policy.User{Name: "bob", UID: "bob-uid", Groups: []string{"devs", "system:authenticated"}},
			Operation: policy.Delete,
			Resource:  resourceOf(parsed(t, lines[10])),
			Namespace: "shop",
			Name:      "settings",
			Final:     true,
		},
		Facts: policy.Facts{
			Now:         time.Date(2026, 3, 2, 14, 11, 0, 0, time.UTC),
			Install:     install,
			WindowsLive: true,
		},
		Gaps: []Gap{GapOld},
	}
	if diff := cmp.Diff(want, attempts[1]); diff != "" {
		t.Errorf("attempt (-want +got):\n%s", diff)
	}
}

// tweaked returns a line of the sample log with one change.
func tweaked(t *testing.T, line []byte, tweak func(event map[string]any)) []byte {
	t.Helper()
	var event map[string]any
	if err := json.Unmarshal(line, &event); err != nil {
		t.Fatal(err)
	}
	tweak(event)
	out, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func metadata(event map[string]any, object string) map[string]any {
	return field(event, object, "metadata").(map[string]any)
}

func TestTheOldObjectIsLeftOutWhereItIsNotCertain(t *testing.T) {
	lines := sampleLines(t)
	create, label := lines[1], lines[3]
	tests := []struct {
		name   string
		before [][]byte
		line   []byte
		want   []Gap
	}{
		{"it was shown by the last write", [][]byte{create}, label, nil},
		{"nothing was shown", nil, label, []Gap{GapOld}},
		{"it was deleted and created again, unseen", [][]byte{create}, tweaked(t, label, func(e map[string]any) {
			metadata(e, "responseObject")["uid"] = "another"
		}), []Gap{GapOld}},
		{"an update says that it was made from another state", [][]byte{create}, tweaked(t, label, func(e map[string]any) {
			e["verb"], e["requestObject"] = "update", e["responseObject"]
		}), []Gap{GapOld}},
		{"it was shown in another version", [][]byte{create}, tweaked(t, label, func(e map[string]any) {
			field(e, "objectRef").(map[string]any)["apiVersion"] = "v2"
		}), []Gap{GapOld}},
		{"a write in between showed no object", [][]byte{create, tweaked(t, label, func(e map[string]any) {
			delete(e, "responseObject")
			e["level"] = "Metadata"
		})}, label, []Gap{GapOld}},
		{"a dry run in between changed nothing", [][]byte{create, tweaked(t, label, func(e map[string]any) {
			e["requestURI"] = "/apis/apps/v1/namespaces/prod/deployments/web?dryRun=All"
			delete(e, "responseObject")
		})}, label, nil},
		{"managedFields are left out of the log", [][]byte{tweaked(t, create, func(e map[string]any) {
			delete(metadata(e, "responseObject"), "managedFields")
		})}, label, []Gap{GapManagedFields}},
		{"neither object is in the log", nil, tweaked(t, label, func(e map[string]any) {
			delete(e, "responseObject")
		}), []Gap{GapObject, GapOld}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			attempts, _ := translateAll(t, NewTranslator(install, 0), append(test.before, test.line))
			last := attempts[len(attempts)-1]
			if diff := cmp.Diff(test.want, last.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if (last.Request.Old == nil) != (len(test.want) > 0) {
				t.Errorf("old object %v with gaps %v", last.Request.Old, last.Gaps)
			}
		})
	}
}

func TestADeletecollectionThatFoundNothingIsNoAttempt(t *testing.T) {
	line := tweaked(t, sampleLines(t)[15], func(e map[string]any) {
		field(e, "responseObject").(map[string]any)["items"] = []any{}
	})
	attempts, skipped := translateAll(t, NewTranslator(install, 0), [][]byte{line})
	if diff := cmp.Diff([]string{"line 1: nothing"}, skipped); diff != "" || len(attempts) > 0 {
		t.Errorf("%d attempts, skipped (-want +got):\n%s", len(attempts), diff)
	}
}

func parsed(t *testing.T, line []byte) *auditv1.Event {
	t.Helper()
	event, problem := parse(line)
	if problem != "" {
		t.Fatal(problem)
	}
	return event
}
