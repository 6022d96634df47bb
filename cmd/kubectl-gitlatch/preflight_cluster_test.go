package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// preflight plants one cause of each finding in a cluster without Gitlatch, and takes it away again.
func (r *rig) preflight(t *testing.T) {
	today := time.Now().UTC().Format(time.DateOnly)
	planted := strings.ReplaceAll(plantedText, "TODAY", today)
	defer r.kubectl(t, planted, "delete", "--ignore-not-found", "-f", "-")
	r.kubectl(t, planted, "create", "-f", "-")
	r.kubectl(t, "", "create", "configmap", "old", "-n", "planted", "--field-manager=ci-deployer", "--from-literal=a=hunter2")
	r.kubectl(t, "", "create", "configmap", "driven", "-n", "planted", "--field-manager=driver", "--from-literal=a=hunter2")

	report, got := r.preflightReport(t, 1)
	if strings.Contains(got.Out+got.Err, "hunter2") {
		t.Error("preflight shows a value")
	}
	var found []string
	for _, f := range report.Findings {
		if strings.Contains(f.Subject, "planted") || slices.Contains([]string{"ci-deployer", "driver", "kubectl-create", "sa:ci/pipeline", "user:mallory"}, f.Subject) {
			found = append(found, fmt.Sprintf("%s %s %s: %s", f.Severity, f.Check, f.Subject, f.Message))
		}
		if f.Next == "" || f.Message == "" || f.Subject == "" {
			t.Errorf("a finding says too little: %+v", f)
		}
	}
	want := []string{
		"Blocks Accounts sa:planted/robot: ",
		"Blocks Managers kubectl-create: ",
		"Blocks Webhooks ValidatingWebhookConfiguration planted-fail (fail.planted.example): it must allow the pods of gitlatch-system (failurePolicy Fail): while it is down they can't be written, and the gate does not start or does not record; its Service planted/none is not there, so that they can't now",
		"Warns Accounts sa:ci/pipeline: may create,update,patch,delete,deletecollection *, and no pod runs as it: from outside the cluster it is judged as a person, and denied (OutOfBand)",
		"Warns Managers ci-deployer: wrote 1 object (such as ConfigMap planted/old), and nothing of this name runs in the cluster",
		"Warns Poses sa:ci/pipeline: ", // whole in preflightPoses
		"Warns Poses user:mallory: ",
		"Warns Webhooks MutatingWebhookConfiguration zz-planted (all.planted.example): ",
		"Notes Webhooks MutatingWebhookConfiguration aa-planted (again.planted.example): it may be asked again after the gate (reinvocationPolicy IfNeeded): the gate's second call judges what comes out, as the requester's own change",
		"Notes Unguarded APIService v1.planted.example: answered by Service planted/none: the gate is asked only if that server asks admission webhooks itself",
	}
	if !slices.ContainsFunc(found, func(l string) bool {
		return strings.HasPrefix(l, "Blocks Accounts sa:planted/robot: may create,") &&
			strings.HasSuffix(l, "judged as a person, and denied (OutOfBand); a token of it from a Secret was used on "+today)
	}) {
		t.Errorf("the pipeline is not told of as it should be: %q", found)
	}
	checkLines(t, want, found)
	if len(report.NotExamined) == 0 || !strings.Contains(fmt.Sprint(report.NotExamined), "planted.example") {
		t.Errorf("that the aggregated API could not be asked is not said: %+v", report.NotExamined)
	}
	if report.Totals.Kinds < 30 || report.Totals.Objects < 100 || report.Version != r.Assets().Version {
		t.Errorf("read %+v of %s", report.Totals, report.Version)
	}
	if !report.Incomplete {
		t.Error("it is not incomplete")
	}
	t.Run("in another namespace", r.preflightElsewhere)
	t.Run("policies", r.preflightPolicies)
	t.Run("platforms", r.preflightPlatforms)
	t.Run("poses", r.preflightPoses)
	t.Run("without rights", r.preflightForbidden)
	t.Run("without some rights", r.preflightPartly)
}

// checkLines compares findings; one that ends in ": " is a beginning.
func checkLines(t *testing.T, want, found []string) {
	t.Helper()
	for i, line := range found {
		for _, w := range want {
			if strings.HasSuffix(w, ": ") && strings.HasPrefix(line, w) {
				found[i] = w
			}
		}
	}
	slices.Sort(found)
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Compact(found)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// preflightPolicies: a policy that governs next to nothing blocks nothing; what the backstop can't judge of it is
// said; a platform wants its component.
func (r *rig) preflightPolicies(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const narrow = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: narrow}
spec:
  mode: Audit
  fields: Declared
  match: {resources: [{apiGroups: [example.org], resources: [widgets]}]}
  sync: [{user: robot, fieldManagers: [robot]}]
`
	write(narrow)
	r.kubectl(t, "", "delete", "validatingwebhookconfiguration", "planted-fail")
	report, _ := r.preflightReport(t, 3, "-f", file) // the aggregated API could not be asked
	if !report.Incomplete {
		t.Error("it is not incomplete")
	}
	r.kubectl(t, "", "delete", "apiservice", "v1.planted.example")
	report, _ = r.preflightReport(t, 0, "-f", file)
	if report.Incomplete || len(report.NotExamined) > 0 {
		t.Errorf("incomplete %t: %+v", report.Incomplete, report.NotExamined)
	}
	want := []string{"Warns Poses robot", "Warns Poses user:mallory"}
	if got := subjects(report, checkManagers, checkAccounts, checkPoses); !holdsAll(got, want) || slices.ContainsFunc(got, func(l string) bool {
		return strings.Contains(l, " Managers ") || strings.Contains(l, " Accounts ")
	}) {
		t.Errorf("want %v among, and no manager or account: %v", want, got)
	}
	if diff := cmp.Diff([]string{"Warns Backstop policy narrow", "Warns Backstop policy narrow", "Notes Backstop every policy"}, subjects(report, checkBackstop)); diff != "" {
		t.Errorf("behind the webhook (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"narrow (of -f)"}, report.Policies); diff != "" {
		t.Error(diff)
	}

	report, _ = r.preflightReport(t, 1, "--platform", "k3s")
	want = []string{"Blocks Platform k3s-cloud-controller-manager", "Blocks Platform system:k3s-controller", "Blocks Platform system:k3s-supervisor"}
	if diff := cmp.Diff(want, subjects(report, checkPlatform)); diff != "" {
		t.Errorf("k3s (-want +got):\n%s", diff)
	}
	write(withPlatforms(t, "k3s"))
	report, _ = r.preflightReport(t, 1, "--platform", "k3s", "-f", file)
	if got := subjects(report, checkPlatform); len(got) > 0 {
		t.Errorf("k3s with its component: %v", got)
	}
	if got := subjects(report, checkPoses); slices.ContainsFunc(got, func(l string) bool { return strings.Contains(l, "k3s") }) {
		t.Errorf("what is trusted with everything is told of: %v", got)
	}
}

// preflightReport runs it as admin, or with --as-nobody as somebody without rights.
func (r *rig) preflightReport(t *testing.T, code int, args ...string) (*preflightReport, outcome) {
	t.Helper()
	user := "admin"
	if i := slices.Index(args, "--as-nobody"); i >= 0 {
		user, args = "reviewer", slices.Delete(args, i, i+1)
	}
	got := gitlatch(t.Context(), "", time.Now, append([]string{"preflight", "-o", "json", "--kubeconfig", r.Kubeconfig(user)}, args...)...)
	report := &preflightReport{}
	if err := json.Unmarshal([]byte(got.Out), report); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	if got.Code != code {
		t.Errorf("%v: exit %d, want %d: %+v", args, got.Code, code, report.Findings)
	}
	return report, got
}

func subjects(r *preflightReport, checks ...preflightCheck) []string {
	var out []string
	for _, f := range r.Findings {
		if slices.Contains(checks, f.Check) {
			out = append(out, fmt.Sprintf("%s %s %s", f.Severity, f.Check, f.Subject))
		}
	}
	return out
}

func holdsAll(all, some []string) bool {
	return !slices.ContainsFunc(some, func(one string) bool { return !slices.Contains(all, one) })
}

const plantedText = `apiVersion: v1
kind: Namespace
metadata: {name: planted}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot, namespace: planted}
---
apiVersion: v1
kind: Secret
type: kubernetes.io/service-account-token
metadata:
  name: robot
  namespace: planted
  labels: {kubernetes.io/legacy-token-last-used: "TODAY"}
  annotations: {kubernetes.io/service-account.name: robot}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: robot, namespace: planted}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: ServiceAccount, name: robot, namespace: planted}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: driver, namespace: planted}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: driver, namespace: planted}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: ServiceAccount, name: driver, namespace: planted}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: planted-driver, namespace: planted}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {spec: {template: {spec: {serviceAccountName: driver, restartPolicy: Never, containers: [{name: c, image: "registry.example/driver:1"}]}}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: planted-poser}
rules:
- {apiGroups: [""], resources: [users, groups, serviceaccounts], verbs: [impersonate]}
- {apiGroups: [authentication.k8s.io], resources: [uids, "userextras/authentication.kubernetes.io/pod-name", "userextras/authentication.kubernetes.io/pod-uid"], verbs: [impersonate]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: planted-poser}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: planted-poser}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: mallory}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.planted.example}
spec:
  group: planted.example
  version: v1
  groupPriorityMinimum: 1000
  versionPriority: 10
  insecureSkipTLSVerify: true
  service: {namespace: planted, name: none}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: planted-fail}
webhooks:
- name: fail.planted.example
  failurePolicy: Fail
  sideEffects: None
  admissionReviewVersions: [v1]
  clientConfig: {service: {namespace: planted, name: none}}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: gitlatch-system}}
  rules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: zz-planted}
webhooks:
- name: all.planted.example
  failurePolicy: Ignore
  timeoutSeconds: 1
  sideEffects: None
  admissionReviewVersions: [v1]
  clientConfig: {url: "https://127.0.0.1:1/"}
  namespaceSelector: {matchLabels: {planted: nowhere}}
  rules: [{apiGroups: ["*"], apiVersions: ["*"], resources: ["*/*"], operations: [CREATE], scope: Namespaced}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: aa-planted}
webhooks:
- name: again.planted.example
  failurePolicy: Ignore
  timeoutSeconds: 1
  sideEffects: None
  reinvocationPolicy: IfNeeded
  admissionReviewVersions: [v1]
  clientConfig: {url: "https://127.0.0.1:1/"}
  namespaceSelector: {matchLabels: {planted: nowhere}}
  rules: [{apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [CREATE]}]
`
