//go:build peers

package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// TestADeniedEditReachesTheReceiver is scenario 26: alice edits by hand, the gate refuses and records it, and a real
// Alertmanager tells a receiver, on both ways.
//   - By Prometheus: the reporter counts that somebody new was denied, and a rule fires. No metric has a name in it, so
//     the notification has none; it has the command that shows user and target.
//   - Directly, from the record: user, target and the command that shows this one are in it.
//
// Both commands are run here as they stand.
func TestADeniedEditReachesTheReceiver(t *testing.T) {
	in := newInbox(t)
	alertmanager := startAlertmanager(t, in.url)
	prometheus := startPrometheus(t, alertmanager)
	ns := named("shop")
	synced(t, fmt.Sprintf("{apiVersion: v1, kind: Namespace, metadata: {name: %s}}", ns))
	synced(t, fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: %s}, data: {color: blue}}", ns))
	file := filepath.Join(t.TempDir(), "receivers.yaml")
	must(t, os.WriteFile(file, fmt.Appendf(nil, "receivers:\n- {name: %s, type: alertmanager, url: %q, namespaces: [%s], since: %s}\n",
		ns, alertmanager, ns, time.Now().UTC().Format(time.RFC3339)), 0o600))
	directLoop(t, file)
	quiet(t, prometheus)

	t.Setenv("KUBE_EDITOR", editor(t, "s/blue/red/"))
	denied(t, "alice", "-n", ns, "edit", "configmap", "settings")

	plugin(t)
	byRule := in.wait(t, "firing", "GitlatchDeniedNewRequester")
	if want := "https://github.com/gitlatch/gitlatch/blob/main/docs/runbooks/denied.md#gitlatchdeniednewrequester"; byRule.Annotations["runbook_url"] != want {
		t.Errorf("the rule's runbook is %q, not %q", byRule.Annotations["runbook_url"], want)
	}
	command := regexp.MustCompile("`(kubectl gitlatch records list [^`]*)`").FindStringSubmatch(byRule.Annotations["description"])
	if command == nil {
		t.Fatalf("the rule's description names no command that lists records: %q", byRule.Annotations["description"])
	}
	listed := typed(t, command[1])
	if !regexp.MustCompile(`(?m)^.*\balice\b.*\b` + ns + `\b.*\bsettings\b.*$`).MatchString(listed) {
		t.Errorf("%s does not show alice and %s/settings:\n%s", command[1], ns, listed)
	}

	direct := in.wait(t, "firing", "GitlatchRecordDenied")
	got := map[string]string{"user": direct.Annotations["user"], "target": direct.Annotations["target"], "namespace": direct.Labels["namespace"]}
	want := map[string]string{"user": "alice", "target": "ConfigMap " + ns + "/settings", "namespace": ns}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the direct notification (-want +got):\n%s", diff)
	}
	if shown := typed(t, direct.Annotations["review"]); !strings.Contains(shown, "alice") || !strings.Contains(shown, "settings") {
		t.Errorf("%s does not show alice and settings:\n%s", direct.Annotations["review"], shown)
	}
}

// TestAGateThatIsGoneIsAnAlert: every replica dies, the reporter's canary finds it, and whoever is told of it is told of its
// end as well.
func TestAGateThatIsGoneIsAnAlert(t *testing.T) {
	in := newInbox(t)
	quiet(t, startPrometheus(t, startAlertmanager(t, in.url)))
	t.Cleanup(func() { must(t, gate.Start(context.Background(), 0)) })
	gate.Kill(0)
	in.wait(t, "firing", "GitlatchGateNotEnforcing")
	must(t, gate.Start(t.Context(), 0))
	in.wait(t, "resolved", "GitlatchGateNotEnforcing")
}

// typed runs a command of a notification as somebody would who reads it.
func typed(t *testing.T, command string) string {
	t.Helper()
	words, ok := strings.CutPrefix(command, "kubectl ")
	if !ok {
		t.Fatalf("%q is no command of kubectl", command)
	}
	stdout, stderr, code := plane.Kubectl(t.Context(), "admin", "", strings.Fields(words)...)
	if code != 0 {
		t.Fatalf("%s: exit %d: %s%s", command, code, stdout, stderr)
	}
	return stdout
}

// quiet wants every target read and every rule evaluated, and no alert of a cluster in which nothing is wrong: not even
// one that only waits for its time. Somebody may have been denied before, by another test.
func quiet(t *testing.T, prometheus string) {
	t.Helper()
	eventually(t, "all is well, and no alert", 90*time.Second, func() error {
		var targets struct {
			ActiveTargets []struct{ Health, LastError, ScrapePool string }
		}
		if err := ask(t.Context(), prometheus, "/api/v1/targets", nil, &targets); err != nil {
			return err
		}
		for _, target := range targets.ActiveTargets {
			if target.Health != "up" {
				return fmt.Errorf("%s is %s: %s", target.ScrapePool, target.Health, target.LastError)
			}
		}
		var rules struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError, State string }
			}
		}
		if err := ask(t.Context(), prometheus, "/api/v1/rules", nil, &rules); err != nil {
			return err
		}
		evaluated := 0
		for _, group := range rules.Groups {
			for _, rule := range group.Rules {
				evaluated++
				switch {
				case rule.Health != "ok":
					return fmt.Errorf("%s is %s: %s", rule.Name, rule.Health, rule.LastError)
				case rule.State != "inactive" && rule.Name != "GitlatchDeniedNewRequester":
					return fmt.Errorf("%s is %s", rule.Name, rule.State)
				}
			}
		}
		if len(targets.ActiveTargets) != 3 || evaluated == 0 {
			return fmt.Errorf("%d targets, %d rules", len(targets.ActiveTargets), evaluated)
		}
		return nil
	})
}

// TestTheDashboardAsksRealQuestions: Prometheus understands every query, and what tells its series apart is in the legend.
func TestTheDashboardAsksRealQuestions(t *testing.T) {
	prometheus := startPrometheus(t, freeAddress(t))
	quiet(t, prometheus)
	content, err := os.ReadFile("../../manifests/monitoring/dashboard.json")
	must(t, err)
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	must(t, json.Unmarshal(content, &board))
	asked, answered := 0, 0
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			asked++
			query := strings.ReplaceAll(target.Expr, "$__rate_interval", "1m")
			var answer struct {
				Result []struct{ Metric map[string]string }
			}
			if err := ask(t.Context(), prometheus, "/api/v1/query", url.Values{"query": {query}}, &answer); err != nil {
				t.Errorf("the panel %q: %v", panel.Title, err)
				continue
			}
			if len(answer.Result) == 0 {
				continue // nothing of the kind has happened here
			}
			answered++
			for _, series := range answer.Result {
				for label := range series.Metric {
					if !strings.Contains(target.LegendFormat, "{{"+label+"}}") {
						t.Errorf("the panel %q: %s answers by %s, which its legend %q does not show", panel.Title, target.Expr, label, target.LegendFormat)
					}
				}
			}
		}
	}
	t.Logf("%d of %d queries had an answer", answered, asked)
	if answered == 0 {
		t.Error("no query had an answer")
	}
}

// editor is a program that changes the file that it is given, as a person would in theirs.
func editor(t *testing.T, change string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "editor")
	must(t, os.WriteFile(path, []byte("#!/bin/sh\nexec sed -i '"+change+"' \"$1\"\n"), 0o755))
	return path
}

// plugin puts `kubectl gitlatch` on the path.
func plugin(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	must(t, gitlatch.Build(t.Context(), dir, "kubectl-gitlatch"))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}
