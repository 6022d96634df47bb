package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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

// posers are who takes another's name here: a person, and a controller with the token of its pod.
func posers() []string { return []string{"alice", operator} }

// pose is a name that is taken to change a ConfigMap of its own.
type pose struct {
	as     rest.ImpersonationConfig
	target string
}

// recorded is what the record of a pose says: all that was shown, and the group that the API server adds.
func (p pose) recorded(t *testing.T) string {
	t.Helper()
	who := v1alpha1.Requester{Username: p.as.UserName, UID: p.as.UID, Groups: slices.Clone(p.as.Groups), Extra: p.as.Extra}
	if !slices.Contains(who.Groups, "system:authenticated") {
		who.Groups = append(who.Groups, "system:authenticated")
	}
	return recordedOn(t, &who, p.target)
}

func recordedOn(t *testing.T, who *v1alpha1.Requester, target string) string {
	t.Helper()
	text, err := json.Marshal(who)
	world.Must(t, err)
	return string(text) + " UPDATE " + target
}

// tried has every poser take every pose, and wants each denied, and recorded as it was shown. Whoever it was that posed
// shows nothing of themselves, so that theirs is one record with a count.
func tried(t *testing.T, ns string, poses []pose) {
	t.Helper()
	want := map[string]int64{}
	for _, p := range poses {
		for _, who := range posers() {
			posing(t, who, p.as).send(t, request{http.MethodPatch, core + ns + "/configmaps/" + p.target, `{"data":{"color":"red"}}`, ""}).mustDeny(t, v1alpha1.ReasonOutOfBand)
			want[p.recorded(t)]++
		}
	}
	world.Eventually(t, "all that was posed to be recorded", waitLong, func(context.Context) error {
		got := map[string]int64{}
		for _, r := range here.Records(t, world.InNamespace(ns)) {
			if r.Spec.Outcome != v1alpha1.OutcomeDenied || r.Spec.Request.Operation != "UPDATE" || r.Spec.Class != v1alpha1.ClassOutOfBand {
				return fmt.Errorf("there is a record of something else: %+v", r.Spec)
			}
			got[recordedOn(t, &r.Spec.Requester, r.Spec.Request.Name)] += int64(r.Status.Count)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("records and their counts (-want +got):\n%s", diff)
		}
		return nil
	})
}

// partlyTried are those of whom every part of a proof is shown and recorded: one of each kind. Of the others each is tried
// as a dry run, since a flood of records is folded.
func partlyTried() []string {
	return []string{gcUser, syncUser, trustedUser, accountPrefix + "operators:web-operator", accountPrefix + gitlatchSystem + ":gitlatch-applier",
		"system:kube-scheduler", "system:node:gitlatch-node"}
}

// Under whatever name, by a person or by an operator: --as is no proof, and a part of one is none.
func TestPosingAsWhoIsBelieved(t *testing.T) {
	ns := here.NewNamespace(t, "{}")
	text := configMap(ns, "settings")
	for what := range partly(gcUser) {
		text += "---\n" + configMap(ns, targetOf(what))
	}
	here.Declare(t, text)
	var poses []pose
	for _, as := range believed() {
		poses = append(poses, pose{as, "settings"})
		t.Run(as.UserName, func(t *testing.T) {
			for _, who := range posers() {
				posing(t, who, as).send(t, writes(ns)[0].dry()).mustDeny(t, v1alpha1.ReasonOutOfBand)
				posing(t, who, as).send(t, writes(ns)[2].dry()).mustDeny(t, v1alpha1.ReasonOutOfBand)
			}
			for what, shown := range partly(as.UserName) {
				as := as
				as.UID, as.Extra = shown.UID, shown.Extra
				if slices.Contains(partlyTried(), as.UserName) {
					poses = append(poses, pose{as, targetOf(what)})
				} else if answer := posing(t, "alice", as).send(t, writes(ns)[1].dry()); !answer.denied(v1alpha1.ReasonOutOfBand) {
					t.Errorf("with %s: want a denial, got %d: %.300s", what, answer.code, answer.said)
				}
			}
		})
	}
	tried(t, ns, poses)
}

// targetOf is the ConfigMap that is changed with a part of a proof, so that each part has a record of its own.
func targetOf(what string) string {
	return strings.NewReplacer(" ", "-", "'", "").Replace(strings.ToLower(what))
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
	pod := map[string][]string{policy.ExtraPodName: {"x-0"}, policy.ExtraPodUID: {"1"}, policy.ExtraCredentialID: {"X509SHA256=1"}}
	nobodies := map[string]rest.ImpersonationConfig{
		"an add-on's account of kube-system":   {UserName: accountPrefix + "kube-system:coredns", UID: "1", Extra: pod, Groups: accountGroups("kube-system")},
		"a controller's name elsewhere":        {UserName: accountPrefix + "default:generic-garbage-collector", UID: "1", Extra: pod, Groups: accountGroups("default")},
		"a user called like a component":       {UserName: "system:kube-controller-manager2", UID: "1", Extra: pod, Groups: []string{"system:masters"}},
		"a node without its group":             {UserName: "system:node:gitlatch-node", UID: "1", Extra: pod, Groups: []string{"system:masters"}},
		"a person in the group of nodes":       {UserName: "dave", UID: "1", Extra: pod, Groups: []string{"system:nodes", "system:masters"}},
		"an account's name with one too many":  {UserName: accountPrefix + "kube-system:generic-garbage-collector:x", UID: "1", Extra: pod, Groups: accountGroups("kube-system")},
		"an account's name that is not one":    {UserName: accountPrefix + "gitops", UID: "1", Extra: pod, Groups: accountGroups("gitops")},
		"an administrator by group":            {UserName: "root", UID: "1", Extra: pod, Groups: []string{"system:masters"}},
		"the mark of Gitlatch's on no account": {UserName: "dave", UID: "1", Extra: map[string][]string{v1alpha1.ExtraSync: {"apps"}}, Groups: []string{"system:masters"}},
	}
	var poses []pose
	text := configMap(ns, "settings")
	for what, as := range nobodies {
		target := targetOf(what)
		text += "---\n" + configMap(ns, target)
		poses = append(poses, pose{as, target})
	}
	here.Declare(t, text)
	tried(t, ns, poses)
	for what, as := range nobodies {
		for _, who := range posers() {
			t.Run(what+", by "+who, func(t *testing.T) {
				posing(t, who, as).send(t, writes(ns)[2].dry()).mustDeny(t, v1alpha1.ReasonOutOfBand)
			})
		}
	}
	// What is there stays.
	if answer := known(t, "admin").send(t, request{http.MethodGet, core + ns + "/configmaps/settings", "", ""}); answer.code != http.StatusOK {
		t.Errorf("the ConfigMap is gone: %d", answer.code)
	}
}
