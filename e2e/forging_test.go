package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// What says that git declared something is written by git's carrier alone: by nobody else, in no mode of judging, and
// inside a break-glass window neither.
func TestForgedMarks(t *testing.T) {
	everywhere(t, func(t *testing.T, user, ns string) {
		for _, key := range []string{
			"label kustomize.toolkit.fluxcd.io/name=apps",
			"label kustomize.toolkit.fluxcd.io/namespace=flux-system",
			"label helm.toolkit.fluxcd.io/name=apps",
			"annotate kustomize.toolkit.fluxcd.io/prune=disabled",
			"annotate argocd.argoproj.io/tracking-id=shop:/ConfigMap:x/settings",
			"annotate gitlatch.dev/break-glass-by=alice",
			"annotate gitlatch.dev/break-glass-until=2099-01-01T00:00:00Z",
			"annotate gitlatch.dev/break-glass-record=cr-aaaaaaaa",
			"label gitlatch.dev/owner=gitlatch",
			"annotate gitlatch.dev/declared=true",
			"label kustomize.toolkit.fluxcd.io/name-", // git's own, on marked
			"annotate argocd.argoproj.io/tracking-id-",
		} {
			verb, mark, _ := strings.Cut(key, " ")
			t.Run(key, func(t *testing.T) {
				name := "settings"
				if strings.HasSuffix(mark, "-") {
					name = "marked"
				}
				kubectl(t, user, "-n", ns, verb, "configmap", name, mark, "--overwrite").MustDeny(t, v1alpha1.ReasonForged)
			})
		}
		t.Run("an object that is born with a mark", func(t *testing.T) {
			here.KubectlIn(t, user, fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: born, namespace: %s, labels: {kustomize.toolkit.fluxcd.io/name: apps}}\n", ns),
				"create", "-f", "-").MustDeny(t, v1alpha1.ReasonForged)
		})
	})
}

func TestForgedManagers(t *testing.T) {
	everywhere(t, func(t *testing.T, user, ns string) {
		patch := func(what, kind, patch string, more ...string) {
			t.Run(what, func(t *testing.T) {
				kubectl(t, user, append([]string{"-n", ns, "patch", "configmap/settings", "--type=" + kind, "-p", patch}, more...)...).
					MustDeny(t, v1alpha1.ReasonForged)
			})
		}
		patch("clear managedFields", "merge", `{"metadata":{"managedFields":[{}]}}`)
		patch("remove the sync's entry", "json", `[{"op":"replace","path":"/metadata/managedFields","value":`+entries(t, ns, func(e entry) entry {
			if e["manager"] == "sync" {
				return nil
			}
			return e
		})+`}]`)
		patch("take a path out of the sync's entry", "json", `[{"op":"replace","path":"/metadata/managedFields","value":`+entries(t, ns, func(e entry) entry {
			if e["manager"] == "sync" {
				delete(e["fieldsV1"].(map[string]any)["f:data"].(map[string]any), "f:color")
			}
			return e
		})+`}]`)
		patch("give the sync's entry another name", "json", `[{"op":"replace","path":"/metadata/managedFields","value":`+entries(t, ns, func(e entry) entry {
			if e["manager"] == "sync" {
				e["manager"] = "kubectl"
			}
			return e
		})+`}]`)
		patch("add an entry of the sync's", "json", `[{"op":"add","path":"/metadata/managedFields/-","value":`+
			`{"manager":"sync","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:mine":{}}}}}]`)
		patch("patch under the sync's name", "merge", `{"data":{"mine":"1"}}`, "--field-manager=sync")
		own := fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: %s}\ndata: {color: red}\n", ns)
		t.Run("apply under the sync's name", func(t *testing.T) {
			here.KubectlIn(t, user, own, "apply", "--server-side", "--force-conflicts", "--field-manager=sync", "-f", "-").MustDeny(t, v1alpha1.ReasonForged)
		})
		t.Run("create under the sync's name", func(t *testing.T) {
			kubectl(t, user, "-n", ns, "create", "configmap", "born", "--field-manager=sync").MustDeny(t, v1alpha1.ReasonForged)
		})
		out := kubectl(t, "admin", "-n", ns, "get", "configmap/settings", "-o", "jsonpath={.data}").Out
		if want := `{"color":"blue","motto":"git is the only path"}`; out != want {
			t.Errorf("the ConfigMap holds %s, want %s", out, want)
		}
	})
}

// everywhere runs a test as alice under objects and fields All and Declared, and as oncall inside a window of theirs.
func everywhere(t *testing.T, test func(t *testing.T, user, ns string)) {
	t.Helper()
	for _, c := range []struct{ what, user, gate string }{
		{"everything is guarded", "alice", ""},
		{"what git declared is guarded", "alice", "declared"},
		{"inside a window", "oncall", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			ns := newNamespace(t, c.gate)
			declareShop(t, ns)
			declare(t, fmt.Sprintf(`apiVersion: v1
kind: ConfigMap
metadata:
  name: marked
  namespace: %s
  labels: {kustomize.toolkit.fluxcd.io/name: apps}
  annotations: {argocd.argoproj.io/tracking-id: "shop:/ConfigMap:x/marked"}
`, ns))
			if c.user == "oncall" {
				kubectl(t, "oncall", "annotate", "namespace", ns, "gitlatch.dev/break-glass=INC-42: the shop is down").MustAllow(t)
				kubectl(t, "oncall", "-n", ns, "patch", "configmap/marked", "-p", `{"data":{"open":"yes"}}`).MustAllow(t)
			}
			test(t, c.user, ns)
			for _, r := range here.Records(t, world.InNamespace(ns)) {
				if r.Spec.Outcome == v1alpha1.OutcomeDenied && r.Spec.Requester.Username != c.user {
					t.Errorf("a denial is recorded of %s", r.Spec.Requester.Username)
				}
			}
		})
	}
}

// entry is one of managedFields.
type entry map[string]any

// entries are the managedFields of ConfigMap settings, each changed; nil leaves one out.
func entries(t *testing.T, ns string, change func(entry) entry) string {
	t.Helper()
	got := kubectl(t, "admin", "-n", ns, "get", "configmap/settings", "--show-managed-fields", "-o", "jsonpath={.metadata.managedFields}").MustAllow(t)
	var list, out []entry
	if err := json.Unmarshal([]byte(got.Out), &list); err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if e = change(e); e != nil {
			out = append(out, e)
		}
	}
	if out == nil {
		return "[{}]"
	}
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
