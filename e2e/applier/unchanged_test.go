package applier

import (
	"strings"
	"testing"
)

// Scenario 12: the same commit twice changes no resourceVersion; one changed object is
// one patch.
func TestTheSameCommitTwiceWritesNothing(t *testing.T) {
	w := newProject(t, "")
	w.write("deploy/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app, namespace: NS}\ndata: {level: info}\n")
	w.write("deploy/other.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: NS}\ndata: {level: info}\n")
	first := w.commit("declare app")
	w.follow()
	w.applied(first)
	versions := func() string {
		return kubectl(t, "admin", "get", "configmap/app", "configmap/other", "namespace/"+w.namespace, "-n", w.namespace,
			"-o", "jsonpath={range .items[*]}{.metadata.name}={.metadata.resourceVersion} {end}").MustAllow(t).Out
	}
	before := versions()
	w.applied(first)
	if after := versions(); after != before {
		t.Errorf("the second sync of one commit wrote: %s, then %s", before, after)
	}

	w.write("deploy/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app, namespace: NS}\ndata: {level: debug}\n")
	w.applied(w.commit("debug app"))
	if got := w.get("configmap/app", ".data.level"); got != "debug" {
		t.Errorf("level is %q", got)
	}
	was, is := strings.Fields(before), strings.Fields(versions())
	if was[0] == is[0] || was[1] != is[1] {
		t.Errorf("one object changed in git; the versions were %v and are %v", was, is)
	}
}
