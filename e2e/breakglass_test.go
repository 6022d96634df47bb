package e2e

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

const (
	reason = "INC-42: the database is gone"
	glass  = v1alpha1.AnnotationBreakGlass + "=" + reason
)

// policyStandby is for what the shared policies can't show: people who are in an
// allowed group and do not hold the verb, and exec denied without a window.
const policyStandby = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: standby}
spec:
  mode: Enforce
  match:
    clusterScoped: false
    namespaceSelector: {matchLabels: {gate: standby}}
  sync:
  - serviceAccount: {namespace: gitops, name: sync}
    fieldManagers: [sync]
  operations: {exec: Deny}
  breakGlass:
    allowedGroups: [oncall, standby]
    maxDuration: 30m
    reasonPattern: '^INC-[0-9]+: .{10,}'
`

// Who may not break glass, or does not say why, or for too long, or claims that
// somebody has allowed it, is denied; and nothing is left behind.
func TestBreakGlassIsRefused(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	for _, c := range []struct {
		what, user string
		annotate   []string
		want       v1alpha1.Reason
	}{
		{"without the group", "alice", []string{glass}, v1alpha1.ReasonBreakGlassUnauthorized},
		{"a pipeline that is cluster-admin", "pipeline", []string{glass}, v1alpha1.ReasonBreakGlassUnauthorized},
		{"without a reason", "oncall", []string{v1alpha1.AnnotationBreakGlass + "="}, v1alpha1.ReasonBreakGlassReason},
		{"a duration without a reason", "oncall", []string{v1alpha1.AnnotationBreakGlassFor + "=5m"}, v1alpha1.ReasonOutOfBand},
		{"a reason of another form", "oncall", []string{v1alpha1.AnnotationBreakGlass + "=because I can"}, v1alpha1.ReasonBreakGlassReason},
		{"a reason that is too short", "oncall", []string{v1alpha1.AnnotationBreakGlass + "=INC-42: db"}, v1alpha1.ReasonBreakGlassReason},
		{"for longer than the policy lets", "oncall", []string{glass, v1alpha1.AnnotationBreakGlassFor + "=61m"}, v1alpha1.ReasonBreakGlassDuration},
		{"for no duration", "oncall", []string{glass, v1alpha1.AnnotationBreakGlassFor + "=soon"}, v1alpha1.ReasonBreakGlassDuration},
		{"for less than nothing", "oncall", []string{glass, v1alpha1.AnnotationBreakGlassFor + "=-5m"}, v1alpha1.ReasonBreakGlassDuration},
		{"under a forged stamp", "alice", forgedStamp("alice"), v1alpha1.ReasonForged},
		{"under a forged stamp with a reason", "alice", append(forgedStamp("alice"), glass), v1alpha1.ReasonForged},
		{"under a forged stamp of one who might", "oncall", forgedStamp("oncall"), v1alpha1.ReasonForged},
	} {
		t.Run(c.what, func(t *testing.T) {
			args := append([]string{"-n", ns, "annotate", "configmap", "settings"}, c.annotate...)
			kubectl(t, c.user, args...).MustDeny(t, c.want)
		})
	}
	if got := annotationsOf(t, ns, "settings"); len(got) != 0 {
		t.Errorf("what was refused left annotations: %v", got)
	}
	opened := here.Records(t, func(r *v1alpha1.ChangeRecord) bool {
		return world.InNamespace(ns)(r) && r.Spec.Outcome != v1alpha1.OutcomeDenied
	})
	if len(opened) != 0 {
		t.Errorf("what was refused is recorded as admitted: %s", summary(opened))
	}
}

func forgedStamp(by string) []string {
	return []string{
		v1alpha1.AnnotationBreakGlassBy + "=" + by, v1alpha1.AnnotationBreakGlassUntil + "=2099-01-01T00:00:00Z",
		v1alpha1.AnnotationBreakGlassRecord + "=cr-forged",
	}
}

// A group of the policy is half of the right; the verb breakglass is the other.
func TestBreakGlassNeedsTheVerb(t *testing.T) {
	ns := newStandbyNamespace(t)
	declareShop(t, ns)
	declare(t, bindStandby("administrators", "gitlatch-administrator"))
	dave := newVisitor(t, "dave", "standby")
	annotate := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationBreakGlass, reason)
	eventually(t, "dave's rights", func(ctx context.Context) error {
		return dave.Get(ctx, client.ObjectKey{Namespace: ns, Name: "settings"}, &corev1.ConfigMap{})
	})
	err := dave.Patch(t.Context(), configMap(ns, "settings"), patchOf(annotate))
	deniedFor(t, err, v1alpha1.ReasonBreakGlassUnauthorized)
	if !strings.Contains(err.Error(), "needs the verb breakglass on configmaps") {
		t.Errorf("the denial does not name the verb: %v", err)
	}
	if strings.Contains(err.Error(), "emergency: ") {
		t.Errorf("the denial advises what dave has just been refused: %v", err)
	}
	declare(t, bindStandby("glass-breakers", "gitlatch-breakglass"))
	eventually(t, "dave to hold the verb", func(ctx context.Context) error {
		return dave.Patch(ctx, configMap(ns, "settings"), patchOf(annotate))
	})
}

func bindStandby(name, role string) string {
	return fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: standby-%s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %s}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: standby}]
`, name, role)
}

func newStandbyNamespace(t *testing.T) string {
	t.Helper()
	if err := gate.Policy(t.Context(), policyStandby); err != nil {
		t.Fatal(err)
	}
	return newNamespace(t, "standby")
}

// With group, verb and reason: admitted, stamped, recorded; until the end that user
// may do what it takes, each act with its own record, and nobody else may.
func TestBreakGlassOpensOneObjectToOneUser(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	began := time.Now()
	cm := configMap(ns, "settings")
	oncall := here.Client(t, "oncall")
	body := fmt.Sprintf(`{"data":{"color":"red"},"metadata":{"annotations":{%q:%q,%q:"20m"}}}`,
		v1alpha1.AnnotationBreakGlass, reason, v1alpha1.AnnotationBreakGlassFor)
	if err := oncall.Patch(t.Context(), cm, patchOf(body)); err != nil {
		t.Fatalf("break-glass was refused: %v", err)
	}
	opening := one(t, "the opening of the window", world.InNamespace(ns))
	wantOpening(t, &opening, cm, began)
	wantRecordedFirst(t, &opening, cm)

	for _, who := range []string{"alice", "admin"} {
		kubectl(t, who, "-n", ns, "label", "configmap", "settings", "who="+who).MustDeny(t, v1alpha1.ReasonOutOfBand)
	}
	kubectl(t, "oncall", "-n", ns, "label", "deployment", "web", "not=covered").MustDeny(t, v1alpha1.ReasonOutOfBand)
	kubectl(t, "oncall", "-n", ns, "label", "configmap", "settings", "team=oncall").MustAllow(t)
	within := one(t, "the label", func(r *v1alpha1.ChangeRecord) bool {
		return world.InNamespace(ns)(r) && len(r.Spec.Changes) == 1 && r.Spec.Outcome == v1alpha1.OutcomeBreakGlass
	})
	wantGlass := &v1alpha1.RecordedWindow{Reason: reason, Until: opening.Spec.BreakGlass.Until, Scope: v1alpha1.WindowObject, Window: opening.Name}
	if diff := cmp.Diff(wantGlass, within.Spec.BreakGlass); diff != "" {
		t.Errorf("window of the record of a write inside it (-want +got):\n%s", diff)
	}
	wantChange := []v1alpha1.Change{{Path: ".metadata.labels.team", To: `"oncall"`}}
	if diff := cmp.Diff(wantChange, within.Spec.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	kubectl(t, "oncall", "-n", ns, "delete", "configmap", "settings").MustAllow(t)
	deletion := one(t, "the deletion", func(r *v1alpha1.ChangeRecord) bool {
		return world.InNamespace(ns)(r) && r.Spec.Request.Operation == "DELETE"
	})
	if diff := cmp.Diff(wantGlass, deletion.Spec.BreakGlass); diff != "" {
		t.Errorf("window of the record of a deletion (-want +got):\n%s", diff)
	}
}

// wantOpening asserts the stamp and the record of an opened window, whole.
func wantOpening(t *testing.T, rec *v1alpha1.ChangeRecord, cm *corev1.ConfigMap, began time.Time) {
	t.Helper()
	until := rec.Spec.BreakGlass.Until
	if got := until.Sub(began); got < 20*time.Minute-2*time.Second || got > 20*time.Minute+10*time.Second {
		t.Errorf("the window is open for %s, not 20m", got)
	}
	stamps := map[string]string{
		v1alpha1.AnnotationBreakGlass:       reason,
		v1alpha1.AnnotationBreakGlassFor:    "20m",
		v1alpha1.AnnotationBreakGlassBy:     "oncall",
		v1alpha1.AnnotationBreakGlassUntil:  until.UTC().Format(time.RFC3339),
		v1alpha1.AnnotationBreakGlassRecord: rec.Name,
	}
	if diff := cmp.Diff(stamps, cm.Annotations); diff != "" {
		t.Errorf("annotations of the object (-want +got):\n%s", diff)
	}
	want := v1alpha1.ChangeRecordSpec{
		Outcome: v1alpha1.OutcomeBreakGlass, Class: v1alpha1.ClassBreakGlass, Reason: v1alpha1.ReasonBreakGlass, Policy: "cluster",
		Requester: v1alpha1.Requester{
			Username: "oncall", UID: "oncall-uid", Groups: []string{"oncall", "system:authenticated"}, Extra: rec.Spec.Requester.Extra,
		},
		Request: v1alpha1.RecordedRequest{
			UID: rec.Spec.Request.UID, Operation: "UPDATE", Version: "v1", Resource: "configmaps", Kind: "ConfigMap",
			Namespace: cm.Namespace, Name: cm.Name, FieldManager: rec.Spec.Request.FieldManager,
		},
		Target: &v1alpha1.Target{UID: cm.UID, ResourceVersion: rec.Spec.Target.ResourceVersion},
		Changes: []v1alpha1.Change{
			{Path: ".data.color", From: `"blue"`, To: `"red"`, Declared: true},
			{Path: `.metadata.annotations["gitlatch.dev/break-glass"]`, To: `"` + reason + `"`},
			{Path: `.metadata.annotations["gitlatch.dev/break-glass-for"]`, To: `"20m"`},
		},
		Evidence: v1alpha1.EvidenceAdmission, Confidence: v1alpha1.ConfidenceProven,
		BreakGlass: &v1alpha1.RecordedWindow{Reason: reason, Until: until, Scope: v1alpha1.WindowObject},
		Message:    rec.Spec.Message,
	}
	if diff := cmp.Diff(want, rec.Spec); diff != "" {
		t.Errorf("record of the opening (-want +got):\n%s", diff)
	}
	if rec.Labels[v1alpha1.LabelWindow] != "open" {
		t.Errorf("labels of the opening: %v", rec.Labels)
	}
}

// Annotating again opens a window that ends later; the old one does no harm.
func TestBreakGlassIsExtended(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	plugin(t, "oncall", "break-glass", "configmap/settings", "-n", ns, "--reason", reason, "--for", "5m").MustAllow(t)
	first := annotationsOf(t, ns, "settings")
	plugin(t, "oncall", "break-glass", "configmap/settings", "-n", ns, "--reason", reason, "--for", "30m").MustAllow(t)
	second := annotationsOf(t, ns, "settings")
	was, is := until(t, first), until(t, second)
	if longer := is.Sub(was); longer < 24*time.Minute || longer > 26*time.Minute {
		t.Errorf("the window ended at %s and now ends at %s", was, is)
	}
	if first[v1alpha1.AnnotationBreakGlassRecord] == second[v1alpha1.AnnotationBreakGlassRecord] {
		t.Error("the extension has no record of its own")
	}
	rec := recordNamed(t, second[v1alpha1.AnnotationBreakGlassRecord])
	if !rec.Spec.BreakGlass.Until.Time.Equal(is) {
		t.Errorf("the record says %s, the stamp %s", rec.Spec.BreakGlass.Until, is)
	}
	kubectl(t, "oncall", "-n", ns, "label", "configmap", "settings", "team=oncall").MustAllow(t)
}

// A namespace's annotation covers all in it: scale, exec, create and delete, and
// nothing outside.
func TestBreakGlassOnANamespace(t *testing.T) {
	ns, other := newStandbyNamespace(t), newNamespace(t, "standby")
	declareShop(t, ns)
	declareShop(t, other)
	pod := podOf(t, ns)
	kubectl(t, "oncall", "-n", ns, "exec", pod, "-c", "web", "--", "sh").MustDeny(t, v1alpha1.ReasonOperation)
	kubectl(t, "oncall", "-n", ns, "scale", "deployment", "web", "--replicas=3").MustDeny(t, v1alpha1.ReasonOutOfBand)

	kubectl(t, "oncall", "annotate", "namespace", ns, glass).MustAllow(t)
	kubectl(t, "oncall", "-n", ns, "scale", "deployment", "web", "--replicas=3").MustAllow(t)
	kubectl(t, "oncall", "-n", ns, "set", "image", "deployment/web", "web=registry.example/web:2").MustAllow(t)
	kubectl(t, "oncall", "-n", ns, "create", "configmap", "more").MustAllow(t)
	kubectl(t, "oncall", "-n", ns, "delete", "service", "web").MustAllow(t)
	exec := kubectl(t, "oncall", "-n", ns, "exec", pod, "-c", "web", "--", "sh")
	if exec.Code == 0 || strings.Contains(exec.Err, "gitlatch") {
		t.Errorf("want exec to fail for want of a kubelet only, got exit %d: %s", exec.Code, exec.Err)
	}
	kubectl(t, "alice", "-n", ns, "scale", "deployment", "web", "--replicas=4").MustDeny(t, v1alpha1.ReasonOutOfBand)
	kubectl(t, "oncall", "-n", other, "scale", "deployment", "web", "--replicas=3").MustDeny(t, v1alpha1.ReasonOutOfBand)

	opening := one(t, "the opening", func(r *v1alpha1.ChangeRecord) bool {
		return world.InNamespace(ns)(r) && r.Spec.Request.Resource == "namespaces"
	})
	got := map[string]string{}
	for _, r := range here.Records(t, world.InNamespace(ns)) {
		if g := r.Spec.BreakGlass; g != nil && g.Window == opening.Name {
			got[r.Spec.Request.Operation+" "+r.Spec.Request.Resource+"/"+r.Spec.Request.Subresource] = string(g.Scope)
		}
	}
	want := map[string]string{
		"UPDATE deployments/scale": "Namespace", "UPDATE deployments/": "Namespace", "CREATE configmaps/": "Namespace",
		"DELETE services/": "Namespace", "CONNECT pods/exec": "Namespace",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records of what was done in the window (-want +got):\n%s", diff)
	}
	wantExecAdmitted(t, ns)
}

// wantExecAdmitted: one exec was denied, and one admitted before it failed.
func wantExecAdmitted(t *testing.T, ns string) {
	t.Helper()
	var got []string
	for _, e := range audited(t, isExecIn(ns)) {
		got = append(got, e.Annotations["gate.gitlatch.dev/decision"]+" "+e.Annotations["gate.gitlatch.dev/class"])
	}
	// kubectl asks again over SPDY where a web socket was refused: repeats count once.
	seen := map[string]bool{}
	for _, g := range got {
		seen[g] = true
	}
	if want := map[string]bool{"deny operation": true, "flag break-glass": true}; !maps.Equal(seen, want) {
		t.Errorf("decisions on exec in the audit log: %v", got)
	}
}

// A CREATE carries its own window, and is stamped as it is born.
func TestBreakGlassOnCreate(t *testing.T) {
	ns := newNamespace(t, "")
	oncall := here.Client(t, "oncall")
	cm := configMap(ns, "stopgap")
	cm.Annotations = map[string]string{v1alpha1.AnnotationBreakGlass: reason}
	cm.Data = map[string]string{"a": "b"}
	if err := oncall.Create(t.Context(), cm); err != nil {
		t.Fatalf("a create with its own break-glass: %v", err)
	}
	rec := one(t, "the create", world.InNamespace(ns))
	want := map[string]string{
		v1alpha1.AnnotationBreakGlass:       reason,
		v1alpha1.AnnotationBreakGlassBy:     "oncall",
		v1alpha1.AnnotationBreakGlassUntil:  rec.Spec.BreakGlass.Until.UTC().Format(time.RFC3339),
		v1alpha1.AnnotationBreakGlassRecord: rec.Name,
	}
	if diff := cmp.Diff(want, cm.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	kubectl(t, "oncall", "-n", ns, "label", "configmap", "stopgap", "team=oncall").MustAllow(t)
	kubectl(t, "bob", "-n", ns, "label", "configmap", "stopgap", "who=bob").MustDeny(t, v1alpha1.ReasonOutOfBand)
}

// What one replica opened, the other honours at once.
func TestBreakGlassHoldsOnEveryReplica(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	oncall := here.Client(t, "oncall")
	for round := range 5 {
		name := fmt.Sprintf("fresh-%d", round)
		declare(t, fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s}\n", name, ns))
		cm := configMap(ns, name)
		open := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationBreakGlass, reason)
		if err := oncall.Patch(t.Context(), cm, patchOf(open)); err != nil {
			t.Fatal(err)
		}
		var patches sync.WaitGroup
		for i := range 12 {
			patches.Go(func() {
				err := oncall.Patch(t.Context(), configMap(ns, name), patchOf(fmt.Sprintf(`{"data":{"k%d":"v"}}`, i)))
				if err != nil && !apierrors.IsConflict(err) {
					t.Errorf("a write in the window: %v", err)
				}
			})
		}
		patches.Wait()
	}
	replicas := map[string]bool{}
	eventually(t, "both replicas' shares in the records", func(context.Context) error {
		for _, r := range here.Records(t, world.InNamespace(ns)) {
			for _, c := range r.Status.Counts {
				replicas[c.Replica] = true
			}
		}
		if len(replicas) != gate.Replicas() {
			return fmt.Errorf("only %v have recorded anything", replicas)
		}
		return nil
	})
}

// On what keeps the gate standing, system:masters may always break glass; without
// it they are denied like anybody.
func TestBreakGlassOnGitlatchItself(t *testing.T) {
	on := func(user, note string) world.Result {
		return kubectl(t, user, "-n", "gitlatch-system", "annotate", "deployment", "gitlatch-webhook", note)
	}
	on("admin", "note=mine").MustDeny(t, v1alpha1.ReasonBuiltIn)
	on("alice", glass).MustDeny(t, v1alpha1.ReasonBreakGlassUnauthorized)
	on("admin", glass).MustAllow(t)
	on("admin", "note=mine").MustAllow(t)
	on("admin", "note-").MustAllow(t)
	on("alice", "note=mine").MustDeny(t, v1alpha1.ReasonBuiltIn)
	out := kubectl(t, "admin", "-n", "gitlatch-system", "get", "deployment", "gitlatch-webhook", "-o",
		`jsonpath={.metadata.annotations.gitlatch\.dev/break-glass-by}`).MustAllow(t)
	if out.Out != "admin" {
		t.Errorf("the stamp names %q", out.Out)
	}
	on("admin", v1alpha1.AnnotationBreakGlass+"-").MustAllow(t)
	on("admin", "note=mine").MustDeny(t, v1alpha1.ReasonBuiltIn)
}

func annotationsOf(t *testing.T, ns, name string) map[string]string {
	t.Helper()
	cm := configMap(ns, name)
	if err := here.Client(t, "admin").Get(t.Context(), client.ObjectKeyFromObject(cm), cm); err != nil {
		t.Fatal(err)
	}
	return cm.Annotations
}

func until(t *testing.T, annotations map[string]string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, annotations[v1alpha1.AnnotationBreakGlassUntil])
	if err != nil {
		t.Fatal(err)
	}
	return metav1.NewTime(at).Time
}
