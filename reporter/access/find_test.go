package access

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestFind(t *testing.T) {
	one := func(who string, act Act, gate, where string, rights ...string) line {
		return line{Who: who, Act: act, Gate: gate, Where: where, Rights: rights}
	}
	for _, tc := range []struct {
		name   string
		tweaks []func(*Objects)
		want   []line
	}{
		{"nobody holds anything", nil, nil},
		{"a reader is nobody to tell of", []func(*Objects){everywhere("user:alice", may(verbs("get", "list", "watch"), "*", "configmaps"))}, nil},
		{"but one of everything reads a way in: exec may begin with a GET", []func(*Objects){everywhere("user:alice", may(verbs("get", "list", "watch"), "*", "*"))},
			[]line{
				one("user:alice", ActPod, "open", "everywhere", "get nodes/proxy"),
				one("user:alice", ActPod, "held", "everywhere", "get pods/attach, pods/exec, pods/portforward, pods/proxy in gitlatch-system, gitops"),
			}},
		{"alice writes Deployments in prod, and the gate holds her back",
			[]func(*Objects){in("prod", "user:alice", may(verbs("create", "patch"), "apps", "deployments"))},
			[]line{one("user:alice", ActWrite, "held", "prod", "create,patch apps/deployments")}},
		{"a subresource is a way to write, and * among resources is no way to its own",
			[]func(*Objects){in("prod", "user:alice", may(verbs("update"), "apps", "deployments/scale"))},
			[]line{one("user:alice", ActWrite, "held", "prod", "update apps/deployments/scale")}},
		{"*/scale is the subresource of each", []func(*Objects){in("prod", "user:alice", may(verbs("patch"), "*", "*/scale"))},
			[]line{one("user:alice", ActWrite, "held", "prod", "patch apps/deployments/scale")}},
		{"deployments/* is no pattern", []func(*Objects){in("prod", "user:alice", may(verbs("patch"), "apps", "deployments/*"))}, nil},
		{"names limit what is not created", []func(*Objects){in("prod", "user:alice", may(verbs("create", "patch", "deletecollection"), "", "configmaps", "web"))},
			[]line{one("user:alice", ActWrite, "held", "prod", "patch configmaps (only web)")}},
		{"what is evicted, and what tells of events, is no write around git",
			[]func(*Objects){everywhere("user:alice", may(verbs("create"), "", "pods/eviction"), may(verbs("create"), "", "events"))}, nil},
		{"what the policy leaves out is nobody's concern", []func(*Objects){
			everywhere("user:alice", may(verbs("update"), "certificates.k8s.io", "*")),
			in("kube-node-lease", "user:bob", may(verbs("update"), "", "configmaps")),
		}, nil},
		{"a right in a namespace reaches nothing of the cluster, but the namespace itself",
			[]func(*Objects){in("prod", "user:alice", may(verbs("delete", "create"), "", "nodes"), may(verbs("delete", "create"), "", "namespaces"))},
			[]line{one("user:alice", ActWrite, "held", "prod", "delete namespaces (only prod)")}},
		{"an account of kube-system that is no controller is told of", []func(*Objects){
			everywhere("sa:kube-system/generic-garbage-collector", may(verbs("delete"), "", "configmaps")),
			everywhere("sa:kube-system/addon", may(verbs("delete"), "", "configmaps")),
			everywhere("sa:gitops/sync", may(verbs("delete"), "", "configmaps")),
			everywhere("sa:gitlatch-system/gitlatch-applier", may(verbs("delete"), "", "configmaps")),
		}, []line{
			one("sa:kube-system/addon", ActWrite, "held", "everywhere", "delete configmaps"),
			one("sa:gitlatch-system/gitlatch-applier", ActWrite, ExpectedGitlatch, "everywhere", "delete configmaps"),
			one("sa:gitops/sync", ActWrite, ExpectedSync, "everywhere", "delete configmaps"),
			one("sa:kube-system/generic-garbage-collector", ActWrite, ExpectedControlPlane, "everywhere", "delete configmaps"),
		}},
		{"who edits the gate is held back by nobody", []func(*Objects){
			everywhere("group:platform", may(verbs("update", "create"), "admissionregistration.k8s.io", "validatingwebhookconfigurations")),
			everywhere("sa:cert-manager/injector", may(verbs("update"), "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "cert-manager-webhook")),
			everywhere("user:carol", may(verbs("patch"), "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "gitlatch", "other")),
		}, []line{
			one("group:platform", ActGate, "open", "everywhere", "create,update admissionregistration.k8s.io/validatingwebhookconfigurations"),
			one("user:carol", ActGate, "open", "everywhere", "patch admissionregistration.k8s.io/mutatingwebhookconfigurations (only gitlatch)"),
		}},
		{"a token of the sync identity is refused by the gate; another's is nobody's concern", []func(*Objects){
			in("gitops", "user:alice", may(verbs("create"), "", "serviceaccounts/token", "sync")),
			in("gitops", "user:bob", may(verbs("create"), "", "serviceaccounts/token", "web")),
			in("prod", "user:carol", may(verbs("create"), "", "serviceaccounts/token")),
		}, []line{one("user:alice", ActToken, "held", "gitops", "create serviceaccounts/token (only sync)")}},
		{"into the sync's pod", []func(*Objects){
			in("gitops", "user:alice", may(verbs("create"), "", "pods/exec")),
			in("prod", "user:bob", may(verbs("create"), "", "pods/exec")),
			in("gitops", "user:carol", may(verbs("create"), "batch", "jobs")),
		}, []line{
			one("user:alice", ActPod, "held", "gitops", "create pods/exec"),
			one("user:carol", ActPod, "held", "gitops", "create batch/jobs"),
		}},
		{"the kubelet asks no webhook", []func(*Objects){everywhere("user:alice", may(verbs("get"), "", "nodes/proxy"))},
			[]line{one("user:alice", ActPod, "open", "everywhere", "get nodes/proxy")}},
		{"on the list, and with the verb", []func(*Objects){
			in("prod", "group:oncall", may(verbs("breakglass"), "apps", "deployments")),
			in("prod", "user:alice", may(verbs("breakglass"), "apps", "deployments")),
		}, []line{
			one("group:oncall", ActBreakGlass, "open", "prod", "breakglass apps/deployments"),
			one("user:alice", ActBreakGlass, "held", "prod", "breakglass apps/deployments"),
		}},
		{"escalate and bind are held back with the roles that they take", []func(*Objects){
			everywhere("user:alice", may(verbs("escalate"), "rbac.authorization.k8s.io", "clusterroles")),
			in("prod", "user:bob", may(verbs("bind"), "rbac.authorization.k8s.io", "clusterroles", "cluster-admin")),
		}, []line{
			one("user:alice", ActGrant, "held", "everywhere", "escalate rbac.authorization.k8s.io/clusterroles"),
			one("user:bob", ActGrant, "held", "prod", "bind rbac.authorization.k8s.io/clusterroles (only cluster-admin)"),
		}},
		{"policies and syncs; a reviewer is nobody to tell of", []func(*Objects){
			everywhere("user:alice", may(verbs("update"), "gitlatch.dev", "changepolicies")),
			in("gitlatch-system", "user:bob", may(verbs("patch"), "gitlatch.dev", "gitsyncs")),
			everywhere("user:carol", may(verbs("patch"), "gitlatch.dev", "changerecords/status")),
		}, []line{
			one("user:alice", ActPolicy, "held", "everywhere", "update gitlatch.dev/changepolicies"),
			one("user:bob", ActPolicy, "held", "gitlatch-system", "patch gitlatch.dev/gitsyncs"),
		}},
		{"a binding to a role that is not there gives nothing", []func(*Objects){func(o *Objects) {
			o.ClusterRoleBindings = append(o.ClusterRoleBindings, rbacv1.ClusterRoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: "ghost"}, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "ghost"}, Subjects: []rbacv1.Subject{named("user:alice")},
			})
		}}, nil},
		{"under Audit nobody is held back", []func(*Objects){
			func(o *Objects) { o.Policies[0].Spec.Mode = v1alpha1.ModeAudit },
			in("prod", "user:alice", may(verbs("patch"), "", "configmaps")),
			in("gitops", "user:bob", may(verbs("create"), "", "serviceaccounts/token")),
		}, []line{
			one("user:alice", ActWrite, "open", "prod", "patch configmaps"),
			one("user:bob", ActToken, "open", "gitops", "create serviceaccounts/token"),
		}},
		{"without a policy all that could be governed counts", []func(*Objects){
			func(o *Objects) { o.Policies = nil },
			in("prod", "user:alice", may(verbs("patch"), "", "configmaps")),
		}, []line{one("user:alice", ActWrite, "open", "prod", "patch configmaps")}},
		{"where half of the namespaces are only audited, a right on all is not held back", []func(*Objects){
			func(o *Objects) {
				o.Policies[0].Spec.Match.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "web"}}
				o.Namespaces[3].Labels = map[string]string{"team": "web"}
				audit := o.Policies[0].DeepCopy()
				audit.Name, audit.Spec.Mode, audit.Spec.Match.NamespaceSelector = "audit", v1alpha1.ModeAudit, nil
				o.Policies = append(o.Policies, *audit)
			},
			everywhere("user:alice", may(verbs("patch"), "", "configmaps")),
			in("prod", "user:bob", may(verbs("patch"), "", "configmaps")),
		}, []line{
			one("user:alice", ActWrite, "open", "everywhere", "patch configmaps"),
			one("user:bob", ActWrite, "held", "prod", "patch configmaps"),
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, lines(Find(shop(tc.tweaks...)).Findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestImpersonation(t *testing.T) {
	uids := may(verbs("impersonate"), "authentication.k8s.io", "uids")
	extra := func(key string) rbacv1.PolicyRule {
		return may(verbs("impersonate"), "authentication.k8s.io", "userextras/"+key)
	}
	account := func(names ...string) rbacv1.PolicyRule {
		return may(verbs("impersonate"), "", "serviceaccounts", names...)
	}
	for _, tc := range []struct {
		name  string
		grant func(*Objects)
		gate  map[string]string // by resource
	}{
		{"any user may be one who holds more", everywhere("user:alice", may(verbs("impersonate"), "", "users")), map[string]string{"users": "open"}},
		{"bob is judged as bob", everywhere("user:alice", may(verbs("impersonate"), "", "users", "bob")), map[string]string{"users": "held"}},
		{"the group that breaks glass", everywhere("user:alice", may(verbs("impersonate"), "", "groups", "oncall")), map[string]string{"groups": "open"}},
		{"system:masters", everywhere("user:alice", may(verbs("impersonate"), "", "groups", "system:masters")), map[string]string{"groups": "open"}},
		{"a group that nothing is said of", everywhere("user:alice", may(verbs("impersonate"), "", "groups", "devs")), map[string]string{"groups": "held"}},
		{"the sync's account by its name alone", in("gitops", "user:alice", account("sync")), map[string]string{"serviceaccounts": "held"}},
		{"and with the applier's mark", func(o *Objects) {
			in("gitops", "user:alice", account("sync"))(o)
			everywhere("user:alice", extra("gitlatch.dev/sync"))(o)
		}, map[string]string{"serviceaccounts": "open", "authentication.k8s.io/userextras/gitlatch.dev/sync": "open"}},
		{"and as if from its pod", func(o *Objects) {
			in("gitops", "user:alice", account())(o)
			everywhere("user:alice", uids, extra("authentication.kubernetes.io/pod-name"), extra("authentication.kubernetes.io/pod-uid"))(o)
		}, map[string]string{
			"serviceaccounts": "open", "authentication.k8s.io/uids": "open",
			"authentication.k8s.io/userextras/authentication.kubernetes.io/pod-name": "open",
			"authentication.k8s.io/userextras/authentication.kubernetes.io/pod-uid":  "open",
		}},
		{"uids and extras with nobody to take", everywhere("user:alice", uids, extra("scopes")),
			map[string]string{"authentication.k8s.io/uids": "held", "authentication.k8s.io/userextras/scopes": "held"}},
		{"the control plane's user by its name alone", everywhere("user:alice", may(verbs("impersonate"), "", "users", "system:kube-scheduler")),
			map[string]string{"users": "held"}},
		{"and with a uid", everywhere("user:alice", may(verbs("impersonate"), "", "users", "system:kube-scheduler"), uids),
			map[string]string{"users": "open", "authentication.k8s.io/uids": "open"}},
		{"what everybody holds completes what one holds", func(o *Objects) {
			in("gitops", "user:alice", account("sync"))(o)
			everywhere("group:system:authenticated", extra("gitlatch.dev/sync"))(o)
		}, map[string]string{"serviceaccounts": "open", "authentication.k8s.io/userextras/gitlatch.dev/sync": "held"}},
		{"constrained impersonation", everywhere("user:alice", may(verbs("impersonate:user-info"), "authentication.k8s.io", "users")),
			map[string]string{"authentication.k8s.io/users": "open"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := map[string]string{}
			for _, l := range Find(shop(tc.grant)).Findings {
				if l.Act != ActImpersonate {
					t.Errorf("an act that is none: %+v", l)
				}
				for _, r := range l.Rights {
					for _, resource := range r.Resources {
						got[resource] = map[bool]string{true: "held", false: "open"}[l.Held]
					}
				}
			}
			if diff := cmp.Diff(tc.gate, got); diff != "" {
				t.Errorf("gate (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAnAdministratorHoldsEverything: and each act is said in one line.
func TestAnAdministratorHoldsEverything(t *testing.T) {
	var got []string
	for _, f := range Find(shop(everywhere("group:devs", admin()))).Findings {
		gate := "open"
		if f.Held {
			gate = "held"
		}
		got = append(got, string(f.Act)+" "+gate+": "+f.Message)
	}
	want := []string{
		"Gate open: edits what the gate consists of, of which no webhook is asked: create,update,patch,delete,deletecollection " +
			"admissionregistration.k8s.io/mutatingadmissionpolicies, admissionregistration.k8s.io/mutatingadmissionpolicybindings, " +
			"admissionregistration.k8s.io/mutatingwebhookconfigurations and 3 more resources",
		"Impersonate open: acts under a name that the gate believes: impersonate authentication.k8s.io/uids, " +
			"authentication.k8s.io/userextras/authentication.kubernetes.io/credential-id, authentication.k8s.io/userextras/authentication.kubernetes.io/pod-name and 5 more resources",
		"Pod open: gets into a pod of an account that the gate lets through, or makes one: get,create nodes/proxy",
		"Token held: takes a token of an account that the gate lets through: create serviceaccounts/token in gitlatch-system, gitops, kube-system",
		"Pod held: gets into a pod of an account that the gate lets through, or makes one: " +
			"get,create pods/attach, pods/exec, pods/portforward, pods/proxy in gitlatch-system, gitops, " +
			"update,patch pods/ephemeralcontainers in gitlatch-system, gitops, " +
			"create,update,patch apps/daemonsets, apps/deployments, apps/replicasets and 5 more resources in gitlatch-system, gitops, kube-system",
		"Grant held: gives itself rights that it does not hold: bind,escalate rbac.authorization.k8s.io/clusterroles, rbac.authorization.k8s.io/roles",
		"Policy held: edits policies, syncs or records: create,update,patch,delete,deletecollection gitlatch.dev/changepolicies, gitlatch.dev/changerecords, gitlatch.dev/gitsyncs",
		"Write held: writes what git declares: create,update,patch,delete,deletecollection *",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestNotesSayWhatRBACCantTell(t *testing.T) {
	got := Find(shop(func(o *Objects) {
		o.RoleBindings = append(o.RoleBindings, rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "ghost"}, RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "gone"}, Subjects: []rbacv1.Subject{named("user:alice")},
		})
	})).Notes
	want := []string{
		"group system:masters may do everything: the API server asks no authorizer about it; who is in it, by certificate or identity provider, is not to be read here",
		"who is in a group is not to be read here either; a group's rights are its members'",
		"other authorizers (Node, Webhook, ABAC) may allow more; this is RBAC alone",
		"what is held back is held while the gate is shut: kubectl gitlatch status tells whether it is",
		"group oncall is on a policy's list for break-glass, and holds the verb breakglass through no binding of its own",
		"RoleBinding/prod/ghost → Role/gone: the role is not there, and whoever makes it decides what it gives",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}

func TestParseSubject(t *testing.T) {
	for text, want := range map[string]string{
		"alice": "user:alice", "user:alice": "user:alice", "group:devs": "group:devs", "sa:gitops/sync": "sa:gitops/sync",
		"system:serviceaccount:gitops:sync": "sa:gitops/sync", "system:kube-scheduler": "user:system:kube-scheduler",
		"group:system:masters": "group:system:masters", "oidc:alice@example.com": "user:oidc:alice@example.com",
	} {
		if got, err := ParseSubject(text); err != nil || got.String() != want {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":           `subject "": use user:NAME, group:NAME or sa:NAMESPACE/NAME`,
		"group:":     `subject "group:": use user:NAME, group:NAME or sa:NAMESPACE/NAME`,
		"sa:sync":    `subject "sa:sync": name a service account as sa:NAMESPACE/NAME`,
		"sa:a/b/c":   `subject "sa:a/b/c": name a service account as sa:NAMESPACE/NAME`,
		"sa:gitops/": `subject "sa:gitops/": name a service account as sa:NAMESPACE/NAME`,
	} {
		if _, err := ParseSubject(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
	}
}
