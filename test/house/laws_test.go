package house

import (
	"slices"
	"strings"
	"testing"
)

// TestArrowsRunOneWay: cmd → {webhook, applier, reporter} → {policy, reporter/record} → api, and nothing else of ours.
func TestArrowsRunOneWay(t *testing.T) {
	for _, p := range list(t, module+"/...") {
		allowed, ok := arrows(p.room())
		if !ok {
			t.Errorf("%s is in no room of the house", p.ImportPath)
			continue
		}
		for _, room := range p.ours() {
			if !within(room, allowed...) {
				t.Errorf("%s imports %s; it may import only %s", p.room(), room, strings.Join(allowed, ", "))
			}
		}
	}
}

// arrows says which rooms a package may import; false when the package stands outside the house. Each room may import
// what is inside it. Webhook and applier don't see each other, and nobody who ships sees the tests.
func arrows(room string) (allowed []string, ok bool) {
	switch {
	case within(room, "api"):
		return []string{"api"}, true
	case within(room, "policy"):
		return []string{"policy", "api"}, true
	case within(room, "reporter/record"):
		return []string{"reporter/record", "api"}, true
	case within(room, "webhook"):
		return []string{"webhook", "policy", "reporter/record", "api"}, true
	case within(room, "applier"):
		return []string{"applier", "policy", "reporter/record", "api"}, true
	case within(room, "reporter"):
		return []string{"reporter", "policy", "api"}, true
	case within(room, "cmd/internal/gate"): // how the gate is registered, which two commands must be told alike
		return []string{"cmd/internal", "webhook/registration", "policy"}, true
	case within(room, "cmd/internal"): // what commands share; they may not share what they judge or do
		return []string{"cmd/internal"}, true
	case within(room, "cmd"):
		own := strings.Join(strings.SplitN(room, "/", 3)[:min(2, strings.Count(room, "/")+1)], "/")
		return []string{own, "cmd/internal", "webhook", "applier", "reporter", "policy", "api"}, true
	case within(room, "test/process"):
		return []string{"test/process"}, true
	case within(room, "test/cluster"): // what Gitlatch is tested by knows nothing of it
		return []string{"test/cluster", "test/process"}, true
	case within(room, "test", "e2e"):
		return []string{"test", "webhook", "applier", "reporter", "policy", "api", "manifests", "cmd"}, true
	case within(room, "manifests"):
		return nil, true
	}
	return nil, false
}

// TestThePolicyIsPure: no context, client, clock or logger. Time and facts come in as values.
func TestThePolicyIsPure(t *testing.T) {
	mayImport := []string{module + "/api", "k8s.io/apimachinery", "sigs.k8s.io/structured-merge-diff/v6"}
	impure := []string{"context", "database", "log", "net", "os", "plugin", "syscall", "testing", "math/rand", "crypto/rand"}
	for _, p := range list(t, module+"/policy/...") {
		for _, path := range p.Imports {
			first, _, _ := strings.Cut(path, "/")
			switch standard := !strings.Contains(first, "."); {
			case standard && within(path, impure...):
				t.Errorf("%s imports %s, which is not pure", p.room(), path)
			case !standard && !within(path, append(mayImport, p.ImportPath, module+"/policy")...):
				t.Errorf("%s imports %s; outside the standard library it may import only %s",
					p.room(), path, strings.Join(mayImport, ", "))
			}
		}
		for _, call := range calls(t, p, "time", "Now", "Since", "Until", "After", "Sleep", "Tick", "NewTimer", "NewTicker", "AfterFunc") {
			t.Errorf("%s: the judge has no clock", call)
		}
	}
}

// TestTheWebhookStaysSmall: what is heavy lives in one room, and the webhook's binary links none of it.
func TestTheWebhookStaysSmall(t *testing.T) {
	heavy := []string{"github.com/go-git", "sigs.k8s.io/kustomize", "helm.sh", "github.com/getsops", "go.mozilla.org/sops", "github.com/jackc"}
	for _, p := range list(t, "-deps", module+"/cmd/webhook") {
		if within(p.ImportPath, heavy...) {
			t.Errorf("cmd/webhook links %s", p.ImportPath)
		}
	}
}

// TestHeavyDependenciesLiveInOneRoom: the one room that may name each of them.
func TestHeavyDependenciesLiveInOneRoom(t *testing.T) {
	fences := map[string]string{
		"github.com/go-git":     "applier/git",
		"sigs.k8s.io/kustomize": "applier/desired",
		"helm.sh":               "applier/desired",
		"github.com/getsops":    "applier/desired",
		"github.com/jackc":      "reporter/archive/postgres",
	}
	for _, p := range list(t, module+"/...") {
		for _, path := range p.Imports {
			for heavy, fence := range fences {
				if within(path, heavy) && !within(p.room(), fence) {
					t.Errorf("%s imports %s, which belongs in %s alone", p.room(), path, fence)
				}
			}
		}
	}
}

// TestEveryPackageSaysWhatItIs: a doc comment for each.
func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range list(t, module+"/...") {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// TestTheRoomsAreThere guards the tests above from passing because they saw nothing.
func TestTheRoomsAreThere(t *testing.T) {
	var rooms []string
	for _, p := range list(t, module+"/...") {
		rooms = append(rooms, p.room())
	}
	for _, room := range []string{
		"api/v1alpha1", "policy", "webhook", "applier", "applier/git", "applier/desired", "applier/live", "reporter/record",
		"cmd/webhook", "cmd/applier", "cmd/kubectl-gitlatch", "cmd/internal/program",
		"test/cluster", "test/gitlatch", "test/process",
	} {
		if !slices.Contains(rooms, room) {
			t.Errorf("there is no package %s", room)
		}
	}
}
