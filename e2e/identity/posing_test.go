package identity

import (
	"net/http"
	"slices"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/test/world"
)

const (
	accountPrefix = "system:serviceaccount:"
	gcUser        = accountPrefix + "kube-system:generic-garbage-collector"
)

// accountGroups are what the API server puts an account in; masters lets RBAC allow whatever is asked.
func accountGroups(namespace string) []string {
	return []string{"system:masters", "system:authenticated", "system:serviceaccounts", "system:serviceaccounts:" + namespace}
}

// believed are all whom the gate lets through, as --as would show them: name and groups.
func believed() []rest.ImpersonationConfig {
	var out []rest.ImpersonationConfig
	for _, name := range policy.ControlPlaneAccounts() {
		out = append(out, rest.ImpersonationConfig{UserName: accountPrefix + "kube-system:" + name, Groups: accountGroups("kube-system")})
	}
	for _, name := range policy.ControlPlaneUsers() {
		out = append(out, rest.ImpersonationConfig{UserName: name, Groups: []string{"system:masters"}})
	}
	for _, a := range [][2]string{
		{"gitops", "sync"}, {"cert-manager", "cainjector"}, {"operators", "web-operator"},
		{gitlatchSystem, "gitlatch-webhook"}, {gitlatchSystem, "gitlatch-applier"}, {gitlatchSystem, "gitlatch-reporter"},
	} {
		out = append(out, rest.ImpersonationConfig{UserName: accountPrefix + a[0] + ":" + a[1], Groups: accountGroups(a[0])})
	}
	return append(out,
		rest.ImpersonationConfig{UserName: "system:node:gitlatch-node", Groups: []string{"system:nodes", "system:masters"}},
		rest.ImpersonationConfig{UserName: "somebody", Groups: []string{"system:masters"}},
		rest.ImpersonationConfig{UserName: "system:bootstrap:abcdef", Groups: []string{"system:bootstrappers", "system:masters"}},
	)
}

// Under whatever name: --as is no proof, and a part of one is none.
func TestPosingAsWhoIsBelieved(t *testing.T) {
	ns := here.NewNamespace(t, "{}")
	here.Declare(t, configMap(ns, "settings"))
	var users []string
	for _, as := range believed() {
		users = append(users, as.UserName)
		t.Run(as.UserName, func(t *testing.T) {
			for i, r := range writes(ns) {
				if i != 1 {
					r = r.dry()
				}
				posing(t, "alice", as).send(t, r).mustDeny(t, v1alpha1.ReasonOutOfBand)
			}
			for what, shown := range partly(as.UserName) {
				as := as
				as.UID, as.Extra = shown.UID, shown.Extra
				if answer := posing(t, "alice", as).send(t, writes(ns)[1].dry()); !answer.denied(v1alpha1.ReasonOutOfBand) {
					t.Errorf("with %s: want a denial, got %d: %.300s", what, answer.code, answer.said)
				}
			}
		})
	}
	var recorded []string
	for _, r := range here.Records(t, world.InNamespace(ns)) {
		if r.Spec.Outcome == v1alpha1.OutcomeDenied && r.Spec.Request.Operation == "UPDATE" && r.Spec.Requester.UID == "" && len(r.Spec.Requester.Extra) == 0 {
			recorded = append(recorded, r.Spec.Requester.Username)
		}
	}
	for _, user := range users {
		if !slices.Contains(recorded, user) {
			t.Errorf("no denial of %s is recorded", user)
		}
	}
}

// partly are proofs with something left out, which no authenticator gives to this user.
func partly(user string) map[string]rest.ImpersonationConfig {
	name, uid, id := map[string][]string{policy.ExtraPodName: {"x-0"}}, map[string][]string{policy.ExtraPodUID: {"1"}}, map[string][]string{policy.ExtraCredentialID: {"JTI=1"}}
	both := map[string][]string{policy.ExtraPodName: {"x-0"}, policy.ExtraPodUID: {"1"}}
	shown := map[string]rest.ImpersonationConfig{
		"a pod's name alone":   {Extra: name},
		"a pod's uid alone":    {Extra: uid},
		"a pod without a uid":  {Extra: both},
		"an empty id":          {Extra: map[string][]string{policy.ExtraCredentialID: {""}}},
		"ids of somebody else": {Extra: map[string][]string{"example.com/credential-id": {"JTI=1"}, "authentication.kubernetes.io/node-name": {"n1"}}},
	}
	u := policy.User{Name: user}
	if _, _, isAccount := u.Account(); isAccount {
		shown["a uid alone"] = rest.ImpersonationConfig{UID: "1"}
		shown["a credential alone"] = rest.ImpersonationConfig{Extra: id}
		shown["a uid and half a pod"] = rest.ImpersonationConfig{UID: "1", Extra: name}
		shown["a uid and an empty pod"] = rest.ImpersonationConfig{UID: "1", Extra: map[string][]string{policy.ExtraPodName: {""}, policy.ExtraPodUID: {""}}}
	}
	return shown
}

// A control-plane account that is bound to a pod, but shows no token's id, is nobody's; nor is one with a node's group.
func TestPosingAsNobodyInParticular(t *testing.T) {
	ns := here.NewNamespace(t, "{}")
	here.Declare(t, configMap(ns, "settings"))
	pod := map[string][]string{policy.ExtraPodName: {"x-0"}, policy.ExtraPodUID: {"1"}, policy.ExtraCredentialID: {"X509SHA256=1"}}
	for what, as := range map[string]rest.ImpersonationConfig{
		"an add-on's account of kube-system":   {UserName: accountPrefix + "kube-system:coredns", UID: "1", Extra: pod, Groups: accountGroups("kube-system")},
		"a controller's name elsewhere":        {UserName: accountPrefix + "default:generic-garbage-collector", UID: "1", Extra: pod, Groups: accountGroups("default")},
		"a user called like a component":       {UserName: "system:kube-controller-manager2", UID: "1", Extra: pod, Groups: []string{"system:masters"}},
		"a node without its group":             {UserName: "system:node:gitlatch-node", UID: "1", Extra: pod, Groups: []string{"system:masters"}},
		"a person in the group of nodes":       {UserName: "dave", UID: "1", Extra: pod, Groups: []string{"system:nodes", "system:masters"}},
		"an account's name with one too many":  {UserName: accountPrefix + "kube-system:generic-garbage-collector:x", UID: "1", Extra: pod, Groups: accountGroups("kube-system")},
		"an account's name that is not one":    {UserName: accountPrefix + "gitops", UID: "1", Extra: pod, Groups: accountGroups("gitops")},
		"an administrator by group":            {UserName: "root", UID: "1", Extra: pod, Groups: []string{"system:masters"}},
		"the mark of Gitlatch's on no account": {UserName: "dave", UID: "1", Extra: map[string][]string{v1alpha1.ExtraSync: {"apps"}}, Groups: []string{"system:masters"}},
	} {
		t.Run(what, func(t *testing.T) {
			posing(t, "alice", as).send(t, writes(ns)[1].dry()).mustDeny(t, v1alpha1.ReasonOutOfBand)
			posing(t, "alice", as).send(t, writes(ns)[2].dry()).mustDeny(t, v1alpha1.ReasonOutOfBand)
		})
	}
	// What is there stays.
	if answer := known(t, "admin").send(t, request{http.MethodGet, core + ns + "/configmaps/settings", "", ""}); answer.code != http.StatusOK {
		t.Errorf("the ConfigMap is gone: %d", answer.code)
	}
}
