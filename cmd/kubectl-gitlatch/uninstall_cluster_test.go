package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// uninstall removes an installation in another namespace than the usual one, from a cluster that has more than its share
// of what can go wrong.
func (r *rig) uninstall(t *testing.T) {
	manifests, err := filepath.Abs("../../manifests/default")
	if err != nil {
		t.Fatal(err)
	}
	r.kubectl(t, strings.ReplaceAll(r.kubectl(t, "", "kustomize", manifests), "gitlatch-system", "latch"), "apply", "-f", "-")
	r.kubectl(t, "", "create", "configmap", "gitlatch-reporter", "-n", "latch", "--from-literal=archive-head-file=812:9f2c")
	t.Run("where nothing of Gitlatch runs", r.uninstallElsewhere)
	t.Run("records that are written after it was asked", r.uninstallUnsaid)
	t.Run("pods that outlived their Deployment", r.uninstallGoesOn)
	t.Run("others that don't answer", r.uninstallAmongOthers)
	t.Run("what was kept", r.uninstallKept)
}

func (r *rig) uninstallElsewhere(t *testing.T) {
	want := "is for service account gitlatch-applier of namespace latch, and not of gitlatch-system: say where Gitlatch runs, -n latch\n"
	got := r.as(t, "admin", "uninstall", "--discard-records", "--yes")
	if got.Code != 2 || !strings.HasSuffix(got.Err, want) {
		t.Errorf("without -n: %+v", got)
	}
	r.kubectl(t, "", "get", "deployment/gitlatch-webhook", "clusterrole/gitlatch-webhook", "crd/gitsyncs.gitlatch.dev", "-n", "latch")
}

// answering types the word, once something has happened meanwhile.
type answering struct{ meanwhile func() }

func (a answering) Read(p []byte) (int, error) {
	a.meanwhile()
	return copy(p, confirmation+"\n"), nil
}

// uninstalled is what a person sees who is asked.
func (r *rig) uninstalled(t *testing.T, meanwhile func(), args ...string) outcome {
	var out, errs bytes.Buffer
	root := newRoot(genericiooptions.IOStreams{In: answering{meanwhile}, Out: &out, ErrOut: &errs}, noon)
	root.SetArgs(append([]string{"uninstall", "-n", "latch", "--kubeconfig", r.Kubeconfig("admin")}, args...))
	code := 0
	if err := root.ExecuteContext(t.Context()); err != nil {
		code = report(&errs, err)
	}
	return outcome{Out: out.String(), Err: errs.String(), Code: code}
}

func says(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
}

// uninstallUnsaid: the plan saw no record. What was done and seen is told though it stops.
func (r *rig) uninstallUnsaid(t *testing.T) {
	r.kubectl(t, "", "delete", "changerecords", "--all")
	got := r.uninstalled(t, func() { r.remember(t) })
	if got.Code != 2 {
		t.Errorf("exit %d", got.Code)
	}
	where := "(" + r.Config("admin").Host + "), namespace latch"
	says(t, got.Err, "records: there are 3 records now: run this again, and say what becomes of them", "to remove Gitlatch from context ", where)
	plan, end, _ := strings.Cut(got.Out, "stop          done")
	says(t, plan, "Gitlatch is to be removed from context ", where, "0 changerecords, and what is written until then", "ends at 812:9f2c")
	says(t, end, "rights        done", "Gitlatch is not removed from ", "not done: records, rest", "ends at 812:9f2c")
	if left := strings.Count(r.kubectl(t, "", "get", "changerecords", "-o", "name"), "\n"); left != 3 {
		t.Errorf("%d records are left", left)
	}
}

// uninstallGoesOn: a run that was ended while the pods still wrote down what they had. The next one waits for them too.
func (r *rig) uninstallGoesOn(t *testing.T) {
	r.kubectl(t, latePod, "create", "-f", "-")
	r.kubectl(t, "", "delete", "pod/gitlatch-late", "-n", "latch", "--wait=false")
	got := r.as(t, "admin", "uninstall", "-n", "latch", "--dry-run")
	r.kubectl(t, "", "patch", "pod/gitlatch-late", "-n", "latch", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	says(t, got.Out, "pod/gitlatch-late -n latch", "3 changerecords, and what is written until then (say what becomes of them, --archive FILE")
}

const latePod = `apiVersion: v1
kind: Pod
metadata:
  name: gitlatch-late
  namespace: latch
  labels: {app.kubernetes.io/part-of: gitlatch}
  finalizers: [others.example/hold]
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: webhook
    image: registry.example/webhook:1
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

// uninstallAmongOthers: an aggregated API that is down, a kind that can't be converted, a policy that refuses, and a
// controller that puts marks back.
func (r *rig) uninstallAmongOthers(t *testing.T) {
	kinds, objects, _ := strings.Cut(othersText, "--- # objects\n")
	defer r.kubectl(t, kinds, "delete", "--ignore-not-found", "--wait=false", "-f", "-")
	defer r.kubectl(t, "", "delete", "widgets.v1beta1.others.example", "--all", "-n", "prod", "--wait=false")
	r.kubectl(t, kinds, "create", "-f", "-")
	r.kubectl(t, "", "wait", "--for=condition=established", "crd/widgets.others.example", "--timeout=30s")
	r.kubectl(t, objects, "create", "-f", "-")
	r.until(t, "the policy that refuses", func() bool {
		_, _, code := r.Kubectl(t.Context(), "admin", "", "annotate", "--overwrite", "configmap/refused", "-n", "prod", "tried=yes")
		return code != 0
	})
	r.until(t, "the kind that can't be listed", func() bool {
		_, _, code := r.Kubectl(t.Context(), "admin", "", "get", "widgets.v1.others.example", "-A")
		return code != 0
	})
	r.kubectl(t, "", "delete", "changerecords", "--all")
	stop := r.copies(t)
	file := filepath.Join(t.TempDir(), "records.jsonl")
	got := r.uninstalled(t, func() { r.remember(t) }, "--archive", file, "--remove-marks")
	uids := strings.Fields(r.whatIsIn(t, file))
	stop()
	if got.Code != 0 || len(uids) != 3 {
		t.Errorf("exit %d, with %d records in the file: %s", got.Code, len(uids), got.Err)
	}
	says(t, got.Out, "3 records are in "+file, "Gitlatch is removed from ",
		"note: marks on widgets.others.example are not looked for: ",
		"note: the marks stay: patching configmap/refused -n prod: ",
		"objects had marks again after they were taken off 3 times, such as configmap/copied -n prod: ",
		"namespace/latch: it holds what Gitlatch did not make: ", "perhaps objects of down.example/v1, which does not answer",
		"persistentvolumeclaim/gitlatch-archive -n latch", "secret/gitlatch-deploy-key -n latch")
	if verified := gitlatch(t.Context(), "", noon, "archive", "verify", file, "--head", "none"); verified.Code != 0 {
		t.Errorf("the archive: %+v", verified)
	}
	r.kubectl(t, "", "get", "secret/gitlatch-deploy-key", "persistentvolumeclaim/gitlatch-archive", "-n", "latch")
}

// whatIsIn is the records of an archive.
func (r *rig) whatIsIn(t *testing.T, file string) (uids string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, rest, ok := strings.Cut(line, `"uid":"`); ok && strings.Contains(line, `"name":"cr-`) {
			uid, _, _ := strings.Cut(rest, `"`)
			uids += uid + "\n"
		}
	}
	return uids
}

// copies puts a mark back as soon as it is gone, as a controller does that copies annotations.
func (r *rig) copies(t *testing.T) (stop func()) {
	config := rest.CopyConfig(r.Config("admin"))
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		patch := []byte(`{"metadata":{"annotations":{"gitlatch.dev/source":"a.yaml"}}}`)
		for ctx.Err() == nil {
			_, _ = client.CoreV1().ConfigMaps("prod").Patch(ctx, "copied", types.MergePatchType, patch, metav1.PatchOptions{})
			time.Sleep(5 * time.Millisecond)
		}
	}()
	return func() { cancel(); <-ended }
}

func (r *rig) until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waiting for %s", what)
		}
	}
}

// uninstallKept goes on where that ended.
func (r *rig) uninstallKept(t *testing.T) {
	r.until(t, "the aggregated API to be gone", func() bool {
		return !strings.Contains(r.kubectl(t, "", "get", "apiservices", "-o", "name"), "down.example")
	})
	got := r.as(t, "admin", "uninstall", "-n", "latch", "--delete-namespace", "--yes")
	says(t, got.Out, "Gitlatch is removed from ", "with the namespace goes what Gitlatch did not make: ", "secret/gitlatch-deploy-key -n latch")
	if got.Code != 0 {
		t.Errorf("exit %d: %s", got.Code, got.Err)
	}
	r.kubectl(t, "", "get", "namespace/prod")
	if left := r.kubectl(t, "", "get", "namespaces,crds,clusterroles,clusterrolebindings,priorityclasses,flowschemas", "-o", "name"); strings.Contains(left, "latch") {
		t.Errorf("this is left:\n%s", left)
	}
}

// othersText is what others have in the cluster. A widget is stored in a version that nobody converts to the one that is
// asked for.
const othersText = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.others.example}
spec:
  group: others.example
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
  - {name: v1, served: true, storage: false, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
  - {name: v1beta1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
  conversion:
    strategy: Webhook
    webhook:
      conversionReviewVersions: [v1]
      clientConfig: {service: {namespace: prod, name: none}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: others}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [UPDATE], resources: [configmaps], resourceNames: [refused]}
  validations:
  - {expression: "false", message: nobody changes it}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: others}
spec: {policyName: others, validationActions: [Deny]}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.down.example}
spec:
  group: down.example
  version: v1
  groupPriorityMinimum: 1000
  versionPriority: 10
  insecureSkipTLSVerify: true
  service: {namespace: prod, name: none}
--- # objects
apiVersion: others.example/v1beta1
kind: Widget
metadata: {name: one, namespace: prod}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: refused, namespace: prod, annotations: {gitlatch.dev/source: a.yaml}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: copied, namespace: prod, annotations: {gitlatch.dev/source: a.yaml}}
---
apiVersion: v1
kind: Secret
metadata: {name: gitlatch-deploy-key, namespace: latch, labels: {app.kubernetes.io/part-of: gitlatch}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: gitlatch-archive, namespace: latch, labels: {app.kubernetes.io/part-of: gitlatch}}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`
