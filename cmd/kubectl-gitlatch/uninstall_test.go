package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestUninstallIsAskedRightOrNotAtAll(t *testing.T) {
	nobody(t)
	there := filepath.Join(t.TempDir(), "records.jsonl")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"two fates for the records", []string{"--keep-records", "--discard-records"},
			"error: --archive, --keep-records and --discard-records: say one\n"},
		{"a file that is there", []string{"--archive", there}, "error: --archive " + there + ": it is there already; name a new file\n"},
		{"a file below a file", []string{"--archive", there + "/x"}, "error: --archive: lstat " + there + "/x: not a directory\n"},
		{"a file in a directory that is not there", []string{"--archive", there + ".d/x"},
			"error: --archive " + there + ".d/x: its directory: stat " + there + ".d: no such file or directory\n"},
		{"no time", []string{"--timeout", "0s"}, "error: --timeout 0s: use a time such as 2m\n"},
		{"for a program, with nobody to ask", []string{"-o", "json"}, "error: -o json: pass --yes as well, since there is nobody to ask\n"},
		{"another format", []string{"-o", "wide"}, `error: unknown output "wide": use one of table, json, yaml` + "\n"},
		{"an argument", []string{"gitlatch"}, `error: unknown command "gitlatch" for "kubectl gitlatch uninstall"` + "\n"},
		{"no kubeconfig", nil, "error: no kubeconfig: set KUBECONFIG or pass --kubeconfig\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := gitlatch(t.Context(), "", noon, append([]string{"uninstall"}, c.args...)...)
			if diff := cmp.Diff(outcome{Err: c.want, Code: 2}, got); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatTakesTheMarksOff(t *testing.T) {
	pause := "kustomize.toolkit.fluxcd.io/reconcile"
	stamped := map[string]string{"gitlatch.dev/break-glass-record": "cr-1", pause: "disabled", "team": "blue"}
	applied := func(fields string) []metav1.ManagedFieldsEntry {
		return []metav1.ManagedFieldsEntry{{Manager: "kustomize-controller", Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(fields)}}
	}
	for _, c := range []struct {
		name string
		in   metav1.ObjectMeta
		want map[string]any
	}{
		{"nothing of ours", metav1.ObjectMeta{Labels: map[string]string{"app": "web"}, Annotations: map[string]string{pause: "disabled"}}, nil},
		{"the marks of a sync", metav1.ObjectMeta{
			Labels:      map[string]string{"gitlatch.dev/sync": "prod", "app": "web"},
			Annotations: map[string]string{"gitlatch.dev/source": "a.yaml", "gitlatch.dev/commit": "3f2c1ab", "team": "blue"},
		}, map[string]any{
			"labels":      map[string]any{"gitlatch.dev/sync": nil},
			"annotations": map[string]any{"gitlatch.dev/source": nil, "gitlatch.dev/commit": nil},
		}},
		{"an emergency's, with the pause that the gate set", metav1.ObjectMeta{Annotations: stamped}, map[string]any{
			"labels": map[string]any{}, "annotations": map[string]any{"gitlatch.dev/break-glass-record": nil, pause: nil},
		}},
		{"an emergency's, with a pause that git declares", metav1.ObjectMeta{
			Annotations: stamped, ManagedFields: applied(`{"f:metadata":{"f:annotations":{"f:` + pause + `":{}}}}`),
		}, map[string]any{
			"labels": map[string]any{}, "annotations": map[string]any{"gitlatch.dev/break-glass-record": nil},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, unmarking(&metav1.PartialObjectMetadata{ObjectMeta: c.in})); diff != "" {
				t.Errorf("patch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsGitlatchsOwn(t *testing.T) {
	kind := func(group, resource string) removalKind {
		return removalKind{GroupVersionResource: schema.GroupVersionResource{Group: group, Resource: resource}}
	}
	for _, c := range []struct {
		name string
		of   removed
		want bool
	}{
		{"its Deployment", removed{kind("apps", "deployments"), "gitlatch-system", "gitlatch-webhook"}, true},
		{"one of another namespace that carries the label", removed{kind("apps", "deployments"), "prod", "gitlatch-webhook"}, false},
		{"one beside it that carries the label", removed{kind("apps", "deployments"), "gitlatch-system", "redis"}, false},
		{"a deploy key that carries the label and begins as ours do", removed{kind("", "secrets"), "gitlatch-system", "gitlatch-key"}, false},
		{"an archive that carries the label", removed{kind("", "persistentvolumeclaims"), "gitlatch-system", "gitlatch-archive"}, false},
		{"its role", removed{kind(rbacGroup, "clusterroles"), "", "gitlatch-viewer"}, true},
		{"a role of somebody's that carries the label", removed{kind(rbacGroup, "clusterroles"), "", "platform-viewer"}, false},
		{"its CRD", removed{kind("apiextensions.k8s.io", crdResource), "", "gitsyncs.gitlatch.dev"}, true},
		{"another's CRD", removed{kind("apiextensions.k8s.io", crdResource), "", "widgets.notgitlatch.dev"}, false},
		{"a sync in any namespace", removed{kind("gitlatch.dev", "gitsyncs"), "team-a", "prod"}, true},
		{"a record, which goes with its CRD", removed{kind("gitlatch.dev", "changerecords"), "", "cr-1"}, false},
		{"its namespace", removed{kind("", "namespaces"), "", "gitlatch-system"}, true},
		{"another namespace that carries the label", removed{kind("", "namespaces"), "", "gitlatch-tenants"}, false},
	} {
		if got := isOurs(c.of, "gitlatch-system"); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}

func TestWhatIsTriedAgainOnceTheGateIsOff(t *testing.T) {
	for text, want := range map[string]bool{
		`admission webhook "builtin.gate.gitlatch.dev" denied the request: BuiltIn: it keeps the gate standing`:                     true,
		`Internal error occurred: failed calling webhook "gate.gitlatch.dev": failed to call webhook: connection refused`:           true,
		`deployments.apps "web" is forbidden: ValidatingAdmissionPolicy 'gitlatch' with binding 'gitlatch' denied request: no`:      true,
		`deployments.apps "web" is forbidden: ValidatingAdmissionPolicy 'teams' with binding 'gitlatch' denied request: no`:         false,
		`Internal error occurred: failed calling webhook "validate.kyverno.svc": failed to call webhook: connection refused`:        false,
		`clusterroles.rbac.authorization.k8s.io "gitlatch-viewer" is forbidden: User "alice" cannot delete resource "clusterroles"`: false,
	} {
		if got := refusedByGate(errors.New(text)); got != want {
			t.Errorf("%s: %t, want %t", text, got, want)
		}
	}
}
