package policy

import (
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Of the kubelet's paths only those that read are let through; one that writes a container's memory to the node's disk,
// where its token is found, is none of them.
func TestPathsOfTheKubelet(t *testing.T) {
	for path, guarded := range map[string]bool{
		"metrics": false, "/metrics/cadvisor": false, "healthz": false, "stats/summary": false, "pods": false, "runningpods/": false, "configz": false,
		"logs/": false, "containerLogs/gitops/sync-0/a": false, "": false,
		"run/gitops/sync-0/a": true, "exec/gitops/sync-0/a": true, "attach/gitops/sync-0/a": true, "portForward/gitops/sync-0": true, "cri/exec/token": true,
		"debug/pprof/heap": true, "checkpoint/gitops/sync-0/a": true, "Run/gitops/sync-0/a": true, "pods/../run/x/y/z": true, "unheardof": true,
	} {
		for _, u := range []User{alice(), operatorPod()} {
			got := newScene(by(u), of("", "v1", "nodes", "Node"), named("", "n1"), connects("proxy", `{path: "`+path+`"}`)).decide(t)
			if (got.Class == v1alpha1.ClassCredential) != guarded {
				t.Errorf("%q by %s: %s %s: %s", path, u.Name, got.Action, got.Class, got.Message)
			}
		}
	}
}
