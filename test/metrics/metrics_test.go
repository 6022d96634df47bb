package metrics

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func source(t *testing.T, text string) string {
	t.Helper()
	root := t.TempDir()
	for _, room := range rooms {
		if err := os.Mkdir(filepath.Join(root, room), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "webhook", "metrics.go"), []byte("package webhook\n\nimport "+library+"\n\nfunc f() {\n"+text+"\n}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestWhatIsDeclared(t *testing.T) {
	got, err := Declared(source(t, `
		prometheus.NewGauge(prometheus.GaugeOpts{Name: "gitlatch_open", Help: "Windows " + "open."})
		prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gitlatch_calls_total", Help: "Calls."}, []string{"phase", "action"})
		prometheus.NewHistogram(prometheus.HistogramOpts{Name: "gitlatch_seconds", Help: "Seconds.", Buckets: b})
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gitlatch_asked", Help: "Asked."}, ask)
		prometheus.NewDesc("gitlatch_syncs", "Syncs.", []string{"state"}, nil)
		prometheus.NewDesc("gitlatch_bare", "Bare.", nil, nil)
		counter := func(name, help string) prometheus.Counter { return nil }
		counter("gitlatch_done_total", "Done.")
		gauge := func(name, help string, labels ...string) *prometheus.GaugeVec { return nil }
		gauge("gitlatch_known", "Known.")
		gauge("gitlatch_states", "States.", "state")
		other.NewGauge("gitlatch-reporter")`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Metric{
		{Name: "gitlatch_asked", Type: "gauge", Help: "Asked.", Room: "webhook"},
		{Name: "gitlatch_bare", Type: "gauge", Help: "Bare.", Vector: true, Room: "webhook"},
		{Name: "gitlatch_calls_total", Type: "counter", Help: "Calls.", Labels: []string{"action", "phase"}, Vector: true, Room: "webhook"},
		{Name: "gitlatch_done_total", Type: "counter", Help: "Done.", Room: "webhook"},
		{Name: "gitlatch_known", Type: "gauge", Help: "Known.", Vector: true, Room: "webhook"},
		{Name: "gitlatch_open", Type: "gauge", Help: "Windows open.", Room: "webhook"},
		{Name: "gitlatch_seconds", Type: "histogram", Help: "Seconds.", Room: "webhook"},
		{Name: "gitlatch_states", Type: "gauge", Help: "States.", Labels: []string{"state"}, Vector: true, Room: "webhook"},
		{Name: "gitlatch_syncs", Type: "gauge", Help: "Syncs.", Labels: []string{"state"}, Vector: true, Room: "webhook"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsNotUnderstoodIsAnError(t *testing.T) {
	for what, text := range map[string]string{
		"a name by itself":           `const n = "gitlatch_open"`,
		"labels that are a variable": `prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "gitlatch_open", Help: "Open."}, labels)`,
		"a label that is a variable": "gauge := func(name, help string, labels ...string) *prometheus.GaugeVec { return nil }\n" +
			`gauge("gitlatch_open", "Open.", label)`,
		"a maker that is not there": `gauge("gitlatch_open", "Open.")`,
		"no help":                   `prometheus.NewGauge(prometheus.GaugeOpts{Name: "gitlatch_open"})`,
		"a summary":                 `prometheus.NewSummary(prometheus.SummaryOpts{Name: "gitlatch_open", Help: "Open."})`,
		"the same name twice": `prometheus.NewDesc("gitlatch_open", "Open.", nil, nil)
			prometheus.NewDesc("gitlatch_open", "Open.", nil, nil)`,
	} {
		t.Run(what, func(t *testing.T) {
			if got, err := Declared(source(t, text)); err == nil || !strings.Contains(err.Error(), "gitlatch_open") {
				t.Errorf("Declared() = %v, %v; want an error that names it", got, err)
			}
		})
	}
}

func TestWhatIsShown(t *testing.T) {
	got, err := parse(strings.NewReader(`# HELP go_goroutines Goroutines.
# TYPE go_goroutines gauge
go_goroutines 7
# HELP gitlatch_calls_total Calls.
# TYPE gitlatch_calls_total counter
gitlatch_calls_total{phase="mutating",action="deny"} 3
# HELP gitlatch_open Open.
# TYPE gitlatch_open gauge
gitlatch_open 0
`))
	want := []Metric{
		{Name: "gitlatch_calls_total", Type: "counter", Help: "Calls.", Labels: []string{"action", "phase"}},
		{Name: "gitlatch_open", Type: "gauge", Help: "Open."},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestWhatAQueryAsksFor(t *testing.T) {
	declared := []Metric{
		{Name: "gitlatch_open", Type: "gauge"},
		{Name: "gitlatch_calls_total", Type: "counter", Labels: []string{"action", "phase"}},
		{Name: "gitlatch_seconds", Type: "histogram", Labels: []string{"action"}},
	}
	for _, tc := range []struct{ query, wrong string }{
		{`max(gitlatch_open) > 0`, ""},
		{`sum by (action) (rate(gitlatch_calls_total{action!="allow", phase=~"m.*"}[5m])) > 0`, ""},
		{`histogram_quantile(0.99, sum by (le) (rate(gitlatch_seconds_bucket{action="deny"}[5m])))`, ""},
		{`max by (pod) (gitlatch_open)`, ""},
		{`up == 0`, `up == 0: asks for no metric of ours`},
		{`max(gitlatch_opened)`, `max(gitlatch_opened): there is no metric gitlatch_opened`},
		{`gitlatch_seconds`, `gitlatch_seconds: there is no metric gitlatch_seconds`},
		{`gitlatch_calls_total{user="alice"}`, `gitlatch_calls_total{user="alice"}: gitlatch_calls_total has no label user, only [action phase]`},
		{`sum by (state) (gitlatch_open)`, `sum by (state) (gitlatch_open): groups by state, which none of its metrics has`},
	} {
		got := ""
		if err := Check(tc.query, declared, "pod"); err != nil {
			got = err.Error()
		}
		if got != tc.wrong {
			t.Errorf("Check(%s) = %q, not %q", tc.query, got, tc.wrong)
		}
	}
}
