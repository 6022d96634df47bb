package reporter

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/reporter/audit"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// bypass is one way around git, and what each witness finds of it.
type bypass struct {
	name string
	// object that is written, which no other bypass writes. It is in git where its kind
	// stands before it, cm/ or deploy/.
	object string
	do     func(u *unguarded, object string)
	fields []string // by managedFields: Indicated
	log    []string // by the audit log: Proven
}

// with runs kubectl as somebody in the namespace shop; OBJECT stands for the object.
func with(user, stdin string, args ...string) func(*unguarded, string) {
	return func(u *unguarded, object string) {
		u.t.Helper()
		line := []string{"-n", "shop"}
		for _, arg := range args {
			line = append(line, strings.ReplaceAll(arg, "OBJECT", object))
		}
		u.kubectl(user, strings.ReplaceAll(stdin, "OBJECT", object), line...)
	}
}

const newConfigMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: OBJECT, namespace: shop}\ndata: {color: red}\n"

const collector = "system:serviceaccount:kube-system:generic-garbage-collector"

func bypasses() []bypass {
	return slices.Concat(bypassesByVerb(), bypassesInDisguise())
}

// bypassesByVerb are kubectl's own.
func bypassesByVerb() []bypass {
	return []bypass{
		{"create", "created", with("alice", "", "create", "configmap", "OBJECT", "--from-literal=color=red"),
			[]string{"ForeignManager CREATE configmaps created kubectl-create"}, []string{"FailedOpen CREATE configmaps created alice"}},
		{"apply", "applied", with("alice", newConfigMap, "apply", "-f", "-"),
			[]string{"ForeignManager CREATE configmaps applied kubectl-client-side-apply"}, []string{"FailedOpen CREATE configmaps applied alice"}},
		{"apply on the server's side", "applied-there", with("alice", newConfigMap, "apply", "--server-side", "-f", "-"),
			[]string{"ForeignManager CREATE configmaps applied-there kubectl"}, []string{"FailedOpen CREATE configmaps applied-there alice"}},
		{"edit", "cm/edited", with("alice", "", "edit", "configmap", "OBJECT"),
			[]string{"ForeignManager UPDATE configmaps edited kubectl-edit"}, []string{"FailedOpen UPDATE configmaps edited alice"}},
		{"patch", "cm/patched", with("alice", "", "patch", "configmap", "OBJECT", "-p", `{"data":{"color":"red"}}`),
			[]string{"ForeignManager UPDATE configmaps patched kubectl-patch"}, []string{"FailedOpen UPDATE configmaps patched alice"}},
		{"replace", "cm/replaced", with("alice", newConfigMap, "replace", "-f", "-"),
			[]string{"Erased UPDATE configmaps replaced", "ForeignManager UPDATE configmaps replaced kubectl-replace"}, []string{"FailedOpen UPDATE configmaps replaced alice"}},
		{"set image", "deploy/imaged", with("alice", "", "set", "image", "deployment/OBJECT", "web=registry.example/other:1"),
			[]string{"ForeignManager UPDATE deployments imaged kubectl-set"}, []string{"FailedOpen UPDATE deployments imaged alice"}},
		{"scale", "deploy/scaled", with("alice", "", "scale", "deployment/OBJECT", "--replicas=4"),
			[]string{"ForeignManager UPDATE deployments/scale scaled kubectl"}, []string{"FailedOpen UPDATE deployments/scale scaled alice"}},
		{"label", "cm/labelled", with("alice", "", "label", "configmap", "OBJECT", "mine=yes"),
			[]string{"ForeignManager UPDATE configmaps labelled kubectl-label"}, []string{"FailedOpen UPDATE configmaps labelled alice"}},
		{"annotate", "cm/annotated", with("alice", "", "annotate", "configmap", "OBJECT", "mine=yes"),
			[]string{"ForeignManager UPDATE configmaps annotated kubectl-annotate"}, []string{"FailedOpen UPDATE configmaps annotated alice"}},
		{"taint", cluster.NodeName, with("alice", "", "taint", "node", "OBJECT", "mine=yes:NoSchedule"),
			[]string{"ForeignManager UPDATE nodes " + cluster.NodeName + " kubectl-taint"}, []string{"FailedOpen UPDATE nodes " + cluster.NodeName + " alice"}},
		{"rollout restart", "deploy/restarted", with("alice", "", "rollout", "restart", "deployment/OBJECT"),
			[]string{"ForeignManager UPDATE deployments restarted kubectl-rollout"}, []string{"FailedOpen UPDATE deployments restarted alice"}},
		{"rollout undo", "deploy/undone", undo,
			[]string{"ForeignManager UPDATE deployments undone kubectl"}, []string{"FailedOpen UPDATE deployments undone alice", "FailedOpen UPDATE deployments undone alice"}},
		{"run", "run", with("alice", "", "run", "OBJECT", "--image=registry.example/debug:1"),
			[]string{"ForeignManager CREATE pods run kubectl-run"}, []string{"FailedOpen CREATE pods run alice"}},
		{"expose", "exposed", with("alice", "", "expose", "deployment/scaled", "--name=OBJECT", "--port=80"),
			[]string{"ForeignManager CREATE services exposed kubectl-expose"}, []string{"FailedOpen CREATE services exposed alice"}},
		{"autoscale", "autoscaled", with("alice", "", "autoscale", "deployment/scaled", "--name=OBJECT", "--min=1", "--max=9"),
			[]string{"ForeignManager CREATE horizontalpodautoscalers autoscaled kubectl-autoscale"}, []string{"FailedOpen CREATE horizontalpodautoscalers autoscaled alice"}},
		{"delete what git declares", "cm/deleted", with("alice", "", "delete", "configmap", "OBJECT"),
			[]string{"Missing DELETE configmaps deleted"}, []string{"FailedOpen DELETE configmaps deleted alice"}},
		{"delete what git does not declare", "made-by-operator", with("alice", "", "delete", "configmap", "OBJECT"),
			nil, []string{"FailedOpen DELETE configmaps made-by-operator alice"}},
	}
}

// bypassesInDisguise are those of somebody who would rather not be found, or of another
// tool.
func bypassesInDisguise() []bypass {
	return []bypass{
		{"helm", "helmed", with("alice", newConfigMap, "apply", "--server-side", "--field-manager=helm", "-f", "-"),
			[]string{"ForeignManager CREATE configmaps helmed helm"}, []string{"FailedOpen CREATE configmaps helmed alice"}},
		{"a dashboard in a browser", "cm/browsed", browse,
			[]string{"ForeignManager UPDATE configmaps browsed Mozilla"}, []string{"FailedOpen UPDATE configmaps browsed bob"}},
		{"a renamed manager", "renamed", with("alice", "", "create", "configmap", "OBJECT", "--from-literal=color=red", "--field-manager=nobody-knows"),
			nil, []string{"FailedOpen CREATE configmaps renamed alice"}}, // it may be a controller's: see Stats.Undecided
		{"the sync's manager", "forged", with("alice", newConfigMap, "apply", "--server-side", "--field-manager="+gitlatch.SyncFieldManager, "-f", "-"),
			nil, []string{"FailedOpen CREATE configmaps forged alice"}}, // a name is no more than a name
		{"the applier's manager, without applying", "cm/posed", with("alice", "", "patch", "configmap", "OBJECT", "-p", `{"data":{"color":"red"}}`, "--field-manager=gitlatch"),
			[]string{"Forged UPDATE configmaps posed gitlatch"}, []string{"FailedOpen UPDATE configmaps posed alice"}},
		{"a token of the sync account", "cm/stolen", with(stolenLogin, "", "annotate", "configmap", "OBJECT", "mine=yes"),
			[]string{"ForeignManager UPDATE configmaps stolen kubectl-annotate"}, []string{"FailedOpen UPDATE configmaps stolen system:serviceaccount:gitops:sync"}},
		{"a token of the sync account, and its manager", "stolen-well", with(stolenLogin, newConfigMap, "apply", "--server-side", "--field-manager="+gitlatch.SyncFieldManager, "-f", "-"),
			nil, []string{"FailedOpen CREATE configmaps stolen-well system:serviceaccount:gitops:sync"}},
		{"impersonation", "cm/impersonated", with("alice", "", "annotate", "configmap", "OBJECT", "mine=yes", "--as="+collector),
			[]string{"ForeignManager UPDATE configmaps impersonated kubectl-annotate"}, []string{"Impersonation UPDATE configmaps impersonated " + collector}},
		{"managedFields are cleared", "cm/cleared", with("alice", "", "patch", "configmap", "OBJECT", "--type=json", "-p", `[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]`),
			[]string{"Erased UPDATE configmaps cleared"}, []string{"FailedOpen UPDATE configmaps cleared alice"}},
	}
}

// undo goes back on a rollout of one's own, of which the second write takes the field.
func undo(u *unguarded, object string) {
	with("alice", "", "set", "image", "deployment/OBJECT", "web=registry.example/other:1")(u, object)
	time.Sleep(2 * time.Second) // the controller notes the revision
	with("alice", "", "rollout", "undo", "deployment/OBJECT")(u, object)
}

// browse is a dashboard that passes its user's browser on.
func browse(u *unguarded, object string) {
	config := rest.CopyConfig(u.plane.Config("bob"))
	config.UserAgent = "Mozilla/5.0 (X11; Linux x86_64)"
	c := clientWith(u.t, config)
	must(u.t, c.Patch(u.t.Context(), configMapNamed(object), mergePatch(`{"data":{"color":"red"}}`)))
}

// inGit declares the objects that have to be there.
func inGit(all []bypass) string {
	text := "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
	for _, b := range all {
		kind, name, _ := strings.Cut(b.object, "/")
		switch kind {
		case "cm":
			text += "---\n" + strings.ReplaceAll(strings.ReplaceAll(newConfigMap, "color: red", "color: blue"), "OBJECT", name)
		case "deploy":
			text += fmt.Sprintf(`---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %s, namespace: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: web, image: registry.example/web:1}]}
`, name)
		}
	}
	return text
}

// TestWhichWitnessFindsWhichBypass: while the gate and the applier are away, everything
// is done that can be done around git.
func TestWhichWitnessFindsWhichBypass(t *testing.T) {
	all := bypasses()
	u := newUnguarded(t, map[string]string{"shop.yaml": inGit(all)})
	u.kubectl(operatorLogin, strings.ReplaceAll(newConfigMap, "OBJECT", "made-by-operator"), "apply", "--server-side", "--field-manager=operator", "-f", "-")
	editor := filepath.Join(t.TempDir(), "editor")
	must(t, os.WriteFile(editor, []byte("#!/bin/sh\nsed -i s/blue/red/ \"$1\"\n"), 0o700))
	t.Setenv("KUBE_EDITOR", editor)

	time.Sleep(3 * time.Second) // or what is written next may look as old as the objects are
	u.gate.Kill(0)
	must(t, u.gate.RemoveBackstop(t.Context())) // which the audit log finds by itself
	from := time.Now()
	u.gate.Applier().Kill() // or it would pull back what it can
	for _, b := range all {
		_, name, declared := strings.Cut(b.object, "/")
		if !declared {
			name = b.object
		}
		b.do(u, name)
	}

	f := u.fields()
	f.From = from
	found, stats := survey(t, f)
	compare(t, "managedFields", "Indicated", all, found, func(b *bypass) []string { return b.fields })
	if diff := cmp.Diff([]string{"kubectl", "nobody-knows"}, undecided(&stats)); diff != "" {
		t.Errorf("managers that may be controllers' (-want +got):\n%s", diff)
	}
	compare(t, "the audit log", "Proven", all, logged(t, u, from), func(b *bypass) []string { return b.log })
}

// compare wants each bypass to be found as it says, and nothing else to be.
func compare(t *testing.T, witness, confidence string, all []bypass, found []audit.Finding, want func(*bypass) []string) {
	t.Helper()
	got := map[string][]string{}
	for i := range found {
		f := &found[i]
		if f.Explained() || string(f.Confidence) != confidence {
			t.Errorf("%s: %s is %s, explained by %v", witness, brief(f), f.Confidence, f.Records)
		}
		got[f.Request.Name] = append(got[f.Request.Name], brief(f))
	}
	for i := range all {
		b := &all[i]
		_, name, declared := strings.Cut(b.object, "/")
		if !declared {
			name = b.object
		}
		if diff := cmp.Diff(want(b), got[name]); diff != "" {
			t.Errorf("%s, of %s (-want +got):\n%s", witness, b.name, diff)
		}
		delete(got, name)
	}
	for _, more := range got {
		t.Errorf("%s found what nobody did: %v", witness, more)
	}
}
