package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// aPoser is somebody with one way to become whom the gate lets through, or to take the gate away.
type aPoser struct {
	subject   string // of a binding
	namespace string // of a RoleBinding; "": it is a ClusterRoleBinding
	rules     string
	// says is what is told of it. "": nothing, since any policy that enforces holds it back.
	says string
	// held: it is told of only where no policy governs RBAC.
	held bool
}

const (
	believes = "acts under a name that the gate believes: "
	edits    = "edits what the gate consists of, of which no webhook is asked: "
	getsInto = "gets into a pod of an account that the gate lets through, or makes one: "
	gives    = "gives itself rights that it does not hold: "
)

// posers have each way that reporter/access knows, once.
func posers() []aPoser {
	const (
		admission   = `{apiGroups: [admissionregistration.k8s.io], resources: [%s], verbs: [%s]}`
		impersonate = `{apiGroups: ["", authentication.k8s.io], resources: [%s], verbs: [impersonate]%s}`
		core        = `{apiGroups: [""], resources: [%s], verbs: [%s]}`
		roles       = `{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [%s]}`
	)
	return []aPoser{
		{subject: "ServiceAccount gate", rules: fmt.Sprintf(admission, "validatingwebhookconfigurations", "patch"), says: edits + "patch admissionregistration.k8s.io/validatingwebhookconfigurations"},
		{subject: "User bindings", rules: fmt.Sprintf(admission, "validatingadmissionpolicybindings", "delete"), says: edits + "delete admissionregistration.k8s.io/validatingadmissionpolicybindings"},
		{subject: "Group names", rules: fmt.Sprintf(impersonate, "users", ""), says: believes + "impersonate users"},
		{subject: "User masters", rules: fmt.Sprintf(impersonate, "groups", ", resourceNames: ['system:masters']"), says: believes + "impersonate groups (only system:masters)"},
		{subject: "ServiceAccount carrier", rules: fmt.Sprintf(impersonate, "serviceaccounts, userextras/gitlatch.dev/sync", ""),
			says: believes + "impersonate authentication.k8s.io/userextras/gitlatch.dev/sync, serviceaccounts"},
		{subject: "User nodes", rules: `{apiGroups: [authentication.k8s.io], resources: [nodes], verbs: ["impersonate:arbitrary-node"]}`, says: believes + "impersonate:arbitrary-node authentication.k8s.io/nodes"},
		{subject: "ServiceAccount kubelet", rules: fmt.Sprintf(core, "nodes/proxy", "create"), says: getsInto + "create nodes/proxy"},
		{subject: "User escalate", rules: fmt.Sprintf(roles, "escalate"), says: gives + "escalate rbac.authorization.k8s.io/clusterroles", held: true},
		{subject: "ServiceAccount bind", rules: fmt.Sprintf(roles, "bind"), says: gives + "bind rbac.authorization.k8s.io/clusterroles", held: true},
		{subject: "User nobody", rules: fmt.Sprintf(impersonate, "users", ", resourceNames: [frank]")},
		{subject: "User token", namespace: "carriers", rules: fmt.Sprintf(core, "serviceaccounts/token", "create")},
		{subject: "User exec", namespace: "carriers", rules: fmt.Sprintf(core, "pods/exec", "create")},
		{subject: "ServiceAccount debug", namespace: "carriers", rules: fmt.Sprintf(core, "pods/ephemeralcontainers", "patch")},
		{subject: "ServiceAccount pods", namespace: "carriers", rules: fmt.Sprintf(core, "pods", "create")},
		{subject: "User cron", namespace: "carriers", rules: `{apiGroups: [batch], resources: [cronjobs], verbs: [update]}`},
	}
}

// toldOfPosers are the findings of all that may pose, under a policy that governs everything or RBAC not at all.
func toldOfPosers(governed bool) []string {
	var out []string
	for _, p := range posers() {
		if p.says == "" || governed && p.held {
			continue
		}
		subject := strings.ToLower(strings.Replace(p.subject, " ", ":poser-", 1))
		subject = strings.Replace(subject, "serviceaccount:", "sa:carriers/", 1)
		out = append(out, fmt.Sprintf("Warns %s: %s; through ClusterRoleBinding/%s → ClusterRole/%[3]s, in cluster", subject, p.says, p.name()))
	}
	const parts = "impersonate authentication.k8s.io/uids, authentication.k8s.io/userextras/authentication.kubernetes.io/"
	out = append(out, "Warns user:mallory: "+believes+parts+"pod-name, authentication.k8s.io/userextras/authentication.kubernetes.io/pod-uid and 3 more resources; "+
		"through ClusterRoleBinding/planted-poser → ClusterRole/planted-poser, in cluster")
	for subject, binding := range map[string]string{"group:devs": "test:devs", "group:oncall": "test:oncall", "sa:ci/pipeline": "test:ci:pipeline:admin"} {
		for _, says := range []string{
			believes + parts + "credential-id, authentication.k8s.io/userextras/authentication.kubernetes.io/pod-name and 5 more resources",
			edits + "create,update,patch,delete,deletecollection admissionregistration.k8s.io/mutatingadmissionpolicies, " +
				"admissionregistration.k8s.io/mutatingadmissionpolicybindings, admissionregistration.k8s.io/mutatingwebhookconfigurations and 3 more resources",
			getsInto + "get,create nodes/proxy",
			gives + "bind,escalate rbac.authorization.k8s.io/clusterroles, rbac.authorization.k8s.io/roles",
		} {
			if !governed || !strings.HasPrefix(says, gives) {
				out = append(out, "Warns "+subject+": "+says+"; through ClusterRoleBinding/"+binding+" → ClusterRole/cluster-admin, in cluster")
			}
		}
	}
	slices.Sort(out)
	return out
}

func (p *aPoser) name() string { return "poser-" + strings.ToLower(strings.Fields(p.subject)[1]) }

// manifest is the role and its binding.
func (p *aPoser) manifest() string {
	kind, name, _ := strings.Cut(p.subject, " ")
	subject := fmt.Sprintf("{apiGroup: rbac.authorization.k8s.io, kind: %s, name: poser-%s}", kind, name)
	if kind == "ServiceAccount" {
		subject = fmt.Sprintf("{kind: ServiceAccount, namespace: carriers, name: poser-%s}", name)
	}
	bound, where := "ClusterRoleBinding", ""
	if p.namespace != "" {
		bound, where = "RoleBinding", ", namespace: "+p.namespace
	}
	return fmt.Sprintf("---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: %[1]s}\nrules: [%[2]s]\n"+
		"---\napiVersion: rbac.authorization.k8s.io/v1\nkind: %[3]s\nmetadata: {name: %[1]s%[4]s}\n"+
		"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %[1]s}\nsubjects: [%[5]s]\n", p.name(), p.rules, bound, where, subject)
}

// looseText lets its carrier through, and governs neither its namespace nor RBAC. What makes its account somebody's is
// guarded all the same.
const looseText = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: loose}
spec:
  mode: Enforce
  match: {excludeNamespaces: [carriers], resources: [{apiGroups: [apps], resources: [deployments]}]}
  sync: [{serviceAccount: {namespace: carriers, name: carrier}, fieldManagers: [carrier]}]
`

// preflightPoses: whoever could pose is told of, by whichever way, and nobody else is.
func (r *rig) preflightPoses(t *testing.T) {
	text := "apiVersion: v1\nkind: Namespace\nmetadata: {name: carriers}\n"
	for _, p := range posers() {
		text += p.manifest()
	}
	defer r.kubectl(t, text, "delete", "--ignore-not-found", "--wait=false", "-f", "-")
	r.kubectl(t, text, "create", "-f", "-")
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(looseText), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{"governed": nil, "loose": {"-f", file}} {
		t.Run(name, func(t *testing.T) {
			report, _ := r.preflightReport(t, 1, args...)
			var got []string
			for _, f := range report.Findings {
				if f.Check == checkPoses {
					got = append(got, fmt.Sprintf("%s %s: %s", f.Severity, f.Subject, f.Message))
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(toldOfPosers(name == "governed"), got); diff != "" {
				t.Errorf("who could pose (-want +got):\n%s", diff)
			}
		})
	}
}
