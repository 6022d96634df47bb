package applier

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
)

// A spec that can't work is refused at admission, and the field is named.
func TestABadSpecIsRefusedAtAdmission(t *testing.T) {
	for _, test := range []struct{ name, spec, want string }{
		{"no url", "path: deploy", `spec.url: Required value`},
		{"an empty url", "url: ''", `spec.url: Invalid value: ""`},
		{"a scheme that is not read", "url: git://git.example/ops.git", `spec.url: Invalid value: "git://git.example/ops.git": must begin with https://, ssh:// or file://`},
		{"a url in scp's form", "url: git@git.example:ops.git", `spec.url: Invalid value: "git@git.example:ops.git": must begin with https://, ssh:// or file://`},
		{"two refs", "url: https://git.example/ops.git\n  ref: {branch: main, tag: v1}", `spec.ref: Invalid value: `},
		{"a short commit", "url: https://git.example/ops.git\n  ref: {commit: 3f2c1ab}", `spec.ref.commit: Invalid value: "3f2c1ab"`},
		{"an absolute path", "url: https://git.example/ops.git\n  path: /deploy", `spec.path: Invalid value: "/deploy": must be relative to the repository's root`},
		{"a path out of the repository", "url: https://git.example/ops.git\n  path: a/../../b", `spec.path: Invalid value: "a/../../b": must not leave the repository: no '..'`},
		{"an interval that is too short", "url: https://git.example/ops.git\n  interval: 10ms", `spec.interval: Invalid value: "10ms": must be at least 1s`},
		{"an interval that is none", "url: https://git.example/ops.git\n  interval: soon", `spec.interval: Invalid value: `},
		{"a timeout of nothing", "url: https://git.example/ops.git\n  timeout: 0s", `spec.timeout: Invalid value: "0s": must be between 1s and 1h`},
		{"a deletion policy that there is not", "url: https://git.example/ops.git\n  deletionPolicy: Delete", `spec.deletionPolicy: Unsupported value: "Delete": supported values: "Prune", "Orphan"`},
		{"a way with drift that there is not", "url: https://git.example/ops.git\n  drift: Ignore", `spec.drift: Unsupported value: "Ignore": supported values: "Correct", "Report"`},
		{"an ignore rule without fields", "url: https://git.example/ops.git\n  ignore: [{kind: Deployment}]", `spec.ignore[0].fields: Required value`},
		{"an ignore rule without a kind", "url: https://git.example/ops.git\n  ignore: [{fields: [spec.replicas]}]", `spec.ignore[0].kind: Required value`},
		{"too many reviewers", "url: https://git.example/ops.git\n  verify: {allowedSigners: {name: s}, minReviewers: 11}", `spec.verify.minReviewers: Invalid value: 11`},
		{"verification without trust roots", "url: https://git.example/ops.git\n  verify: {minReviewers: 1}", `spec.verify.allowedSigners: Required value`},
		{"a reference without a name", "url: https://git.example/ops.git\n  secretRef: {}", `spec.secretRef.name: Required value`},
		{"a field that there is not", "url: https://git.example/ops.git\n  prunes: true", `.spec.prunes: field not declared in schema`},
	} {
		t.Run(test.name, func(t *testing.T) {
			yaml := "apiVersion: gitlatch.dev/v1alpha1\nkind: GitSync\nmetadata: {name: bad, namespace: gitlatch-system}\nspec:\n  " + test.spec + "\n"
			_, stderr, code := plane.Kubectl(t.Context(), syncer, yaml, "apply", "--server-side", "--field-manager=sync", "-f", "-")
			if code == 0 || !strings.Contains(stderr, test.want) {
				t.Errorf("exit %d, without %q: %s", code, test.want, stderr)
			}
		})
	}
	t.Run("credentials in the url", func(t *testing.T) {
		const want = "must not carry credentials: put them into the Secret that secretRef names"
		yaml := "apiVersion: gitlatch.dev/v1alpha1\nkind: GitSync\nmetadata: {name: bad, namespace: gitlatch-system}\nspec: {url: 'https://alice:hunter2@git.example/ops.git'}\n"
		_, stderr, code := plane.Kubectl(t.Context(), syncer, yaml, "apply", "--server-side", "--field-manager=sync", "-f", "-")
		if code == 0 || !strings.Contains(stderr, "spec.url: Invalid value: ") || !strings.Contains(stderr, want) {
			t.Errorf("exit %d, without %q: %s", code, want, stderr)
		}
	})
}

// What the schema can't say of a spec is said by the sync: it is Stalled, and names the
// field.
func TestASpecThatCannotWorkIsStalled(t *testing.T) {
	w := newProject(t, "")
	first := w.commit("declare a namespace")
	w.follow("ignore: [{kind: Deployment, fields: ['spec[']}]")
	w.request()
	message := w.failing(v1alpha1.SyncSpecInvalid)
	if !strings.HasPrefix(message, "spec.ignore[0].fields[0]: ") {
		t.Errorf("the message does not name the field: %s", message)
	}
	s := w.await("the sync", acceptAll)
	if c := condition(s, v1alpha1.ConditionStalled); c.Status != "True" || c.Reason != v1alpha1.SyncSpecInvalid || c.Message != message {
		t.Errorf("Stalled is %+v", c)
	}
	declare(t, w.manifest())
	w.caughtUp(first)
}

// A sync waits for those that it depends on, and goes on by itself when they are Ready.
func TestASyncWaitsForThoseThatItDependsOn(t *testing.T) {
	infra, app := newProject(t, ""), newProject(t, "")
	second := app.commit("declare a namespace")
	app.follow("dependsOn: [{name: " + infra.sync + "}]")
	app.request()
	want := fmt.Sprintf(`getting GitSync gitlatch-system/%s, on which this one depends: gitsyncs.gitlatch.dev "%s" not found`, infra.sync, infra.sync)
	if got := app.failing(v1alpha1.SyncDependencyNotReady); !strings.HasPrefix(got, want[:strings.Index(want, ": ")]) || !strings.HasSuffix(got, "not found") {
		t.Errorf("the message is %q, not like %q", got, want)
	}
	infra.write("deploy/broken.yaml", "just: notes\n")
	infra.follow()
	infra.refused(infra.commit("broken"), string(desired.ReasonDocument))
	app.request()
	if got, want := app.failing(v1alpha1.SyncDependencyNotReady), "waiting for GitSync gitlatch-system/"+infra.sync+", which is not Ready"; got != want {
		t.Errorf("the message is %q, not %q", got, want)
	}
	infra.remove("deploy/broken.yaml")
	infra.applied(infra.commit("mended"))
	app.caughtUp(second)
}

// A cycle of dependencies is Stalled, with the way back, until somebody breaks it.
func TestACycleOfDependenciesIsStalled(t *testing.T) {
	a, b := newProject(t, ""), newProject(t, "")
	first, second := a.commit("declare a namespace"), b.commit("declare a namespace")
	a.follow("dependsOn: [{name: " + b.sync + "}]")
	b.follow("dependsOn: [{name: " + a.sync + ", namespace: gitlatch-system}]")
	for _, w := range []struct{ world, other *project }{{a, b}, {b, a}} {
		w.world.request()
		want := fmt.Sprintf("spec.dependsOn leads back to this sync: gitlatch-system/%s → gitlatch-system/%s → gitlatch-system/%s", w.world.sync, w.other.sync, w.world.sync)
		if got := w.world.failing(v1alpha1.SyncDependencyCycle); got != want {
			t.Errorf("the message is %q, not %q", got, want)
		}
		s := w.world.await("the sync", acceptAll)
		if c := condition(s, v1alpha1.ConditionStalled); c.Status != "True" || c.Reason != v1alpha1.SyncDependencyCycle {
			t.Errorf("Stalled is %+v", c)
		}
	}
	declare(t, b.manifest())
	b.caughtUp(second)
	a.caughtUp(first)
}

// The deletion policy is carried out before the sync goes, which a finalizer sees to.
func TestTheDeletionPolicyIsCarriedOut(t *testing.T) {
	for _, test := range []struct {
		name, policy string
		suspended    bool
		stays        bool
	}{
		{"Prune deletes what was applied", "Prune", false, false},
		{"Prune does so when the sync is suspended too", "Prune", true, false},
		{"Orphan leaves it", "Orphan", false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newProject(t, "")
			w.write("deploy/app.yaml", configMap("app"))
			first := w.commit("declare app")
			manifest := strings.Replace(w.manifest(), "deletionPolicy: Prune", "deletionPolicy: "+test.policy, 1)
			declare(t, manifest)
			s := w.applied(first)
			if diff := cmp.Diff([]string{v1alpha1.FinalizerSync}, s.Finalizers); diff != "" {
				t.Errorf("the finalizers (-want +got):\n%s", diff)
			}
			if test.suspended {
				declare(t, manifest+"  suspend: true\n")
			}
			w.drop()
			if there := w.get("configmap/app", ".metadata.name") != ""; there != test.stays {
				t.Errorf("app is there: %t", there)
			}
			if !test.stays {
				return
			}
			// Another sync may have what was left.
			uid := w.get("configmap/app", ".metadata.uid")
			w.sync = named("sync")
			w.follow()
			w.applied(first)
			if got := w.get("configmap/app", ".metadata.uid"); got != uid {
				t.Error("what was left was not taken over, but made anew")
			}
		})
	}
}

// What people and programs ask of a sync: kubectl wait, kubectl get, kstatus.
func TestASyncReadsAsKubernetesObjectsDo(t *testing.T) {
	w := newProject(t, "")
	first := w.commit("declare a namespace")
	w.follow()
	kubectl(t, "alice", "wait", "--for=condition=Ready", "gitsync/"+w.sync, "-n", system, "--timeout=30s").MustAllow(t)
	kubectl(t, "alice", "wait", "--for=condition=Healthy", "gitsync/"+w.sync, "-n", system, "--timeout=30s").MustAllow(t)
	w.computes(status.CurrentStatus)

	columns := func(args ...string) []string {
		out := kubectl(t, "alice", append([]string{"get", "gsync", w.sync, "-n", system}, args...)...).MustAllow(t).Out
		var cells []string
		for line := range strings.Lines(out) {
			cells = append(cells, strings.Join(regexp.MustCompile(`\s{2,}`).Split(strings.TrimSpace(line), -1), "|"))
		}
		return cells
	}
	got := columns()
	row := regexp.MustCompile(`^` + w.sync + `\|True\|True\|` + first + `\|\d+s\|applied main@` + first[:7] + `: 1 objects$`)
	if len(got) != 2 || got[0] != "NAME|READY|HEALTHY|COMMIT|AGE|MESSAGE" || !row.MatchString(got[1]) {
		t.Errorf("the columns are %q", got)
	}
	if got := columns("-o", "wide"); got[0] != "NAME|READY|HEALTHY|COMMIT|SUSPENDED|URL|PATH|AGE|MESSAGE" {
		t.Errorf("the wide columns are %q", got[0])
	}

	w.write("deploy/notes.yaml", "just: notes\n")
	w.refused(w.commit("what is no object"), string(desired.ReasonDocument))
	w.computes(status.FailedStatus)
	w.remove("deploy/notes.yaml")
	w.write("deploy/bad.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: bad, namespace: NS}\nspec: {ports: [{port: 70000}]}\n")
	w.refused(w.commit("what can't be applied, yet"), v1alpha1.SyncApplyFailed)
	w.computes(status.InProgressStatus)
	w.remove("deploy/bad.yaml")
	w.applied(w.commit("mended"))
	w.computes(status.CurrentStatus)
}

// computes waits until kstatus makes this of the sync.
func (w *project) computes(want status.Status) {
	w.t.Helper()
	c := here.Client(w.t, "admin")
	eventually(w.t, "kstatus to find the sync "+want.String(), func(ctx context.Context) error {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("GitSync"))
		if err := c.Get(ctx, client.ObjectKey{Namespace: w.home, Name: w.sync}, u); err != nil {
			return err
		}
		result, err := status.Compute(u)
		if err != nil {
			return err
		}
		if result.Status != want {
			return fmt.Errorf("it finds it %s: %s", result.Status, result.Message)
		}
		return nil
	})
}
