package e2e

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// reviewers binds the role gitlatch-reviewer, and no other, to the group reviewers.
func reviewers(t *testing.T) {
	t.Helper()
	declare(t, `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reviewers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gitlatch-reviewer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: reviewers}]
`)
}

// noted is the record of a ConfigMap that somebody made by hand where the gate warns.
func noted(t *testing.T, user, ns, name string) string {
	t.Helper()
	kubectl(t, user, "create", "configmap", name, "-n", ns).MustAllow(t)
	return one(t, user+"'s "+name, func(r *v1alpha1.ChangeRecord) bool {
		return r.Spec.Request.Namespace == ns && r.Spec.Request.Name == name
	}).Name
}

func reviewStatus(t *testing.T, user, record, patch string, more ...string) world.Result {
	t.Helper()
	return kubectl(t, user, append([]string{"patch", "changerecord", record, "--subresource=status", "--type=merge", "-p", `{"status":{"review":` + patch + `}}`}, more...)...)
}

// holds compares a review but for its times, which are there.
func holds(t *testing.T, record string, want *v1alpha1.Review) {
	t.Helper()
	got := recordNamed(t, record).Status.Review
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(v1alpha1.Review{}, "At"), cmpopts.IgnoreFields(v1alpha1.ReviewComment{}, "At")); diff != "" {
		t.Fatalf("review (-want +got):\n%s", diff)
	}
	if got == nil {
		return
	}
	if got.At.IsZero() != (got.Verdict == "") {
		t.Errorf("the verdict %q is dated %s", got.Verdict, got.At)
	}
	for _, said := range got.Comments {
		if said.At.IsZero() {
			t.Errorf("what %s said is not dated", said.Author)
		}
	}
}

// Scenario 28: nobody reviews their own, and nobody signs for somebody else, by plain
// kubectl.
func TestNobodyReviewsTheirOwnByKubectl(t *testing.T) {
	reviewers(t)
	ns := newNamespace(t, "warn")
	rec := noted(t, "alice", ns, "note")

	const approved, asBob = `{"verdict":"Approved"}`, `{"verdict":"Approved","reviewer":"bob","at":"2001-01-01T00:00:00Z"}`
	for _, patch := range []string{approved, asBob} {
		reviewStatus(t, "alice", rec, patch).MustDeny(t, v1alpha1.ReasonSelfReview)
	}
	reviewStatus(t, "admin", rec, approved, "--as=alice", "--as-group=devs").MustDeny(t, v1alpha1.ReasonSelfReview)
	own := noted(t, runner, ns, "by-a-pipeline")
	reviewStatus(t, runner, own, approved).MustDeny(t, v1alpha1.ReasonSelfReview)
	holds(t, rec, nil)

	// One's own words are welcome, under one's own name.
	reviewStatus(t, "alice", rec, `{"comments":[{"text":"it was urgent","author":"bob","at":"2001-01-01T00:00:00Z"}]}`).MustAllow(t)
	said := v1alpha1.ReviewComment{Author: "alice", Text: "it was urgent"}
	holds(t, rec, &v1alpha1.Review{Comments: []v1alpha1.ReviewComment{said}})
	for what, patch := range map[string]string{
		"another's words":           `{"comments":[{"text":"I was wrong","author":"alice"}]}`,
		"another's words and more":  `{"comments":[{"text":"I was wrong","author":"alice"},{"text":"see?"}]}`,
		"the words of nobody":       `{"comments":null}`,
		"the whole review":          `null`,
		"words on no verdict":       `{"comment":"fine"}`,
		"more words than one takes": `{"comments":[{"text":"a"},{"text":"b"},{"text":"c"},{"text":"d"},{"text":"e"}]}`,
	} {
		t.Run("the reviewer changes "+what, func(t *testing.T) {
			reviewStatus(t, "reviewer", rec, patch).MustDeny(t, v1alpha1.ReasonInvalidReview)
		})
	}

	reviewStatus(t, "reviewer", rec, approved, "--dry-run=server").MustAllow(t)
	holds(t, rec, &v1alpha1.Review{Comments: []v1alpha1.ReviewComment{said}})
	reviewStatus(t, "reviewer", rec, asBob).MustAllow(t)
	holds(t, rec, &v1alpha1.Review{Verdict: v1alpha1.ReviewApproved, Reviewer: "reviewer", Comments: []v1alpha1.ReviewComment{said}})
	for _, patch := range []string{`{"verdict":null}`, `{"verdict":null,"reviewer":null,"at":null}`, `null`} {
		reviewStatus(t, "bob", rec, patch).MustDeny(t, v1alpha1.ReasonInvalidReview)
	}
	reviewStatus(t, "alice", rec, `{"comment":"alice did well"}`).MustDeny(t, v1alpha1.ReasonSelfReview)

	// Another verdict is another's, and the one before it is kept.
	reviewStatus(t, "bob", rec, `{"verdict":"Rejected","comment":"no ticket","reviewer":"reviewer"}`).MustAllow(t)
	holds(t, rec, &v1alpha1.Review{
		Verdict: v1alpha1.ReviewRejected, Reviewer: "bob", Comment: "no ticket",
		Comments: []v1alpha1.ReviewComment{said, {Author: "reviewer", Text: "Approved"}},
	})
}

// kubectl edit reads the subresource and patches it: the role holds both verbs.
func TestAReviewerWithNothingElseEdits(t *testing.T) {
	reviewers(t)
	rec := noted(t, "alice", newNamespace(t, "warn"), "note")
	for _, test := range []struct{ verb, resource, want string }{
		{"patch", "changerecords.gitlatch.dev/status", "yes"}, {"patch", "changerecords.gitlatch.dev", "no"},
		{"delete", "changerecords.gitlatch.dev", "no"}, {"get", "configmaps", "no"},
	} {
		resource, subresource, _ := strings.Cut(test.resource, "/")
		got := strings.TrimSpace(kubectl(t, "reviewer", "auth", "can-i", test.verb, resource, "--subresource="+subresource).Out)
		if got != test.want {
			t.Errorf("can the reviewer %s %s: %s, want %s", test.verb, test.resource, got, test.want)
		}
	}
	var errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), plane.Assets().Kubectl, "edit", "changerecord", rec, "--subresource=status")
	cmd.Env = append(plane.KubectlEnv("reviewer"), `KUBE_EDITOR=sed -i -e 's/^status:/status:\n  review: {verdict: Rejected, comment: "undo it"}/'`)
	cmd.Stderr = &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("kubectl edit: %v: %s", err, &errs)
	}
	holds(t, rec, &v1alpha1.Review{Verdict: v1alpha1.ReviewRejected, Reviewer: "reviewer", Comment: "undo it"})
}

// The same by the plugin, whose words are the gate's where the gate refuses.
func TestNobodyReviewsTheirOwnByThePlugin(t *testing.T) {
	reviewers(t)
	ns := newNamespace(t, "warn")
	rec, other := noted(t, "alice", ns, "note"), noted(t, "alice", ns, "more")

	plugin(t, "alice", "review", "approve", rec).MustDeny(t, v1alpha1.ReasonSelfReview)
	plugin(t, "alice", "review", "reject", rec, other, "--comment", "undo it").MustDeny(t, v1alpha1.ReasonSelfReview)
	plugin(t, "alice", "review", "comment", rec, "--comment", "it was urgent").MustAllow(t)
	plugin(t, "reviewer", "review", "comment", rec, "--comment", "why?").MustAllow(t)
	plugin(t, "alice", "review", "comment", rec, "--comment", "INC-42").MustAllow(t)
	said := []v1alpha1.ReviewComment{{Author: "alice", Text: "it was urgent"}, {Author: "reviewer", Text: "why?"}, {Author: "alice", Text: "INC-42"}}
	holds(t, rec, &v1alpha1.Review{Comments: said})

	list := plugin(t, "reviewer", "review", "-n", ns, "-o", "name").MustAllow(t)
	if want := "changerecord.gitlatch.dev/" + rec + "\nchangerecord.gitlatch.dev/" + other + "\n"; list.Out != want {
		t.Errorf("what waits: %q, want %q", list.Out, want)
	}
	got := plugin(t, "reviewer", "review", "approve", "cr-none", "changerecord.gitlatch.dev/"+rec, "--comment", "thanks")
	if !strings.Contains(got.Err, `no record "cr-none"`) || got.Code != 1 || got.Out != rec+" approved by reviewer: alice create ConfigMap "+ns+"/note\n" {
		t.Errorf("approving one of two: exit %d: %s%s", got.Code, got.Out, got.Err)
	}
	holds(t, rec, &v1alpha1.Review{Verdict: v1alpha1.ReviewApproved, Reviewer: "reviewer", Comment: "thanks", Comments: said})
	got = plugin(t, "bob", "review", "approve", rec)
	if want := "error: record " + rec + " is approved by reviewer already: --overrule gives another verdict\n"; got.Code != 1 || got.Err != want {
		t.Errorf("approving it again: exit %d: %s, want %s", got.Code, got.Err, want)
	}
	plugin(t, "bob", "review", "approve", rec, "--overrule").MustAllow(t)
	holds(t, rec, &v1alpha1.Review{
		Verdict: v1alpha1.ReviewApproved, Reviewer: "bob", Comments: append(said, v1alpha1.ReviewComment{Author: "reviewer", Text: "Approved: thanks"}),
	})
	shown := plugin(t, "reviewer", "review", "show", rec).MustAllow(t).Out
	for _, want := range []string{"Who:        alice\n", "Review:     Approved, by bob, ", " alice: it was urgent\n", " reviewer: Approved: thanks\n"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the record is shown without %q:\n%s", want, shown)
		}
	}
}
