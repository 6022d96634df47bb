package monitoring

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/metrics"
)

func TestMain(m *testing.M) {
	logf.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestWhatIsDeclaredIsShown: the tests of manifests/monitoring hold rules and dashboard against the source of the
// commands; this holds the source against the commands.
func TestWhatIsDeclaredIsShown(t *testing.T) {
	declared, err := metrics.Declared("../..")
	must(t, err)
	gate := busy(t)
	commands := map[string]string{
		"webhook": gate.MetricsURL(0), "applier": gate.Applier().MetricsURL(), "reporter": gate.Reporter().MetricsURL(),
	}
	must(t, gitlatch.WaitFor(t.Context(), time.Minute, "every metric that has no labels, and those that count what was done",
		func(ctx context.Context) error {
			shown := map[string]bool{}
			for command, url := range commands {
				here, err := metrics.Scrape(ctx, url)
				if err != nil {
					return fmt.Errorf("%s: %w", command, err)
				}
				for _, m := range here {
					shown[m.Name] = true
				}
			}
			var missing []string
			for _, m := range declared {
				if !shown[m.Name] && (!m.Vector || slices.Contains(done(), m.Name)) {
					missing = append(missing, m.Name+" of "+m.Room)
				}
			}
			if len(missing) > 0 {
				return fmt.Errorf("no command shows %s", strings.Join(missing, ", "))
			}
			return nil
		}))
	for command, url := range commands {
		here, err := metrics.Scrape(t.Context(), url)
		must(t, err)
		for _, got := range here {
			at := slices.IndexFunc(declared, func(m metrics.Metric) bool { return m.Name == got.Name })
			if at < 0 {
				t.Errorf("%s shows %s, which no source declares", command, got.Name)
				continue
			}
			want := declared[at]
			want.Room, want.Vector = "", false
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s (-declared +shown):\n%s", command, got.Name, diff)
			}
		}
	}
}

// done are metrics that are shown only once something has happened, and that [busy] makes happen.
func done() []string {
	return []string{
		"gitlatch_decisions_total", "gitlatch_webhook_duration_seconds", "gitlatch_records_total", "gitlatch_registration_policies",
		"gitlatch_certificate_expiry_timestamp_seconds", "gitlatch_break_glass_opened_total", "gitlatch_break_glass_refused_total",
		"gitlatch_syncs", "gitlatch_syncs_unhealthy", "gitlatch_drift_corrections_total", "gitlatch_sync_runs_total",
		"gitlatch_records", "gitlatch_records_recent", "gitlatch_requesters", "gitlatch_requesters_new",
		"gitlatch_records_waiting", "gitlatch_reviews_overdue", "gitlatch_gate_state", "gitlatch_gate_expected", "gitlatch_gate_enforcing",
		"gitlatch_heartbeat_total", "gitlatch_heartbeat_timestamp_seconds", "gitlatch_gap_open", "gitlatch_gaps_total",
	}
}

// busy is an installation in which alice was denied, and break-glass was refused to one and used by another.
func busy(t *testing.T) *gitlatch.Gitlatch {
	t.Helper()
	plane, err := cluster.Start(t.Context(), cluster.Options{Progress: os.Stderr})
	must(t, err)
	t.Cleanup(func() { must(t, plane.Stop()) })
	gate, err := gitlatch.Install(t.Context(), plane, gitlatch.Options{Applier: true, Reporter: true, Progress: os.Stderr})
	must(t, err)
	t.Cleanup(func() { must(t, gate.Stop()) })
	must(t, gate.Policy(t.Context(), gitlatch.EnforceAll()))
	must(t, gate.Apply(t.Context(), "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}"))
	must(t, gate.Apply(t.Context(), "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}, data: {color: blue}}"))
	for _, args := range [][]string{
		{"label", "configmap", "settings", "team=blue"},
		{"annotate", "configmap", "settings", "gitlatch.dev/break-glass=INC-42: db failover"},
	} {
		stdout, stderr, code := plane.Kubectl(t.Context(), "alice", "", append([]string{"-n", "shop"}, args...)...)
		if code == 0 {
			t.Fatalf("kubectl %v: it was let through: %s%s", args, stdout, stderr)
		}
	}
	must(t, gitlatch.WaitFor(t.Context(), time.Minute, "oncall to open a window", func(ctx context.Context) error {
		return opened(ctx, plane)
	}))
	return gate
}

// opened breaks glass as oncall. A gate that was too slow to answer lets them through, and opens no window.
func opened(ctx context.Context, plane *cluster.Cluster) error {
	reason := fmt.Sprintf("gitlatch.dev/break-glass=INC-42: db failover, seen at %s", time.Now().Format(time.StampMilli))
	for _, args := range [][]string{
		{"annotate", "--overwrite", "configmap", "settings", reason},
		{"get", "configmap", "settings", "-o", `jsonpath={.metadata.annotations.gitlatch\.dev/break-glass-until}`},
	} {
		stdout, stderr, code := plane.Kubectl(ctx, "oncall", "", append([]string{"-n", "shop"}, args...)...)
		if code != 0 || stdout == "" {
			return fmt.Errorf("kubectl %v: exit %d: %s%s", args, code, stdout, stderr)
		}
	}
	return nil
}
