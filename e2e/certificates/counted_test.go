package certificates

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// counts is what the API server counts of our webhooks.
type counts struct {
	// Calls to a webhook that were answered.
	calls float64
	// FailedOpen are calls without an answer, whose write passed; failed those whose
	// write was refused for that.
	failedOpen, failed float64
	// Conditions that could not be evaluated.
	conditions float64
}

// count reads them. The names are those of k8s.io/apiserver v0.37.2, pkg/admission/metrics/metrics.go; a counter that has
// never counted isn't shown.
func count(t *testing.T, w *world.World) counts {
	t.Helper()
	client, err := rest.HTTPClientFor(w.Plane.Config("admin"))
	world.Must(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.Plane.URL()+"/metrics", nil)
	world.Must(t, err)
	response, err := client.Do(request)
	world.Must(t, err)
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(response.Body)
	world.Must(t, err)
	sum := func(name string, labels map[string]string) (n float64) {
		for _, m := range families["apiserver_admission_"+name].GetMetric() {
			if ours(label(m, "name")) && !slices.ContainsFunc(m.GetLabel(), func(p *dto.LabelPair) bool {
				want, asked := labels[p.GetName()]
				return asked && want != p.GetValue()
			}) {
				n += m.GetCounter().GetValue()
			}
		}
		return n
	}
	out := counts{
		calls:      sum("webhook_request_total", nil),
		failedOpen: sum("webhook_fail_open_count", nil),
		failed:     sum("webhook_rejection_count", map[string]string{"error_type": "calling_webhook_error"}) + sum("webhook_rejection_count", map[string]string{"error_type": "apiserver_internal_error"}),
		conditions: sum("match_condition_evaluation_errors_total", nil),
	}
	if out.calls == 0 {
		t.Fatal("the API server has not counted one call: the names of its metrics have changed")
	}
	return out
}

func label(m *dto.Metric, name string) string {
	for _, p := range m.GetLabel() {
		if p.GetName() == name {
			return p.GetValue()
		}
	}
	return ""
}

// ours: the name of one of our webhooks, or of the configurations that hold them.
func ours(name string) bool {
	return name == "gitlatch" || strings.HasSuffix(name, "gate.gitlatch.dev") || strings.HasSuffix(name, "final.gitlatch.dev")
}

// mustHaveAsked: since before, the API server had an answer for all its calls.
func mustHaveAsked(t *testing.T, w *world.World, before counts) {
	t.Helper()
	after := count(t, w)
	if after.calls <= before.calls {
		t.Error("the API server called no webhook")
	}
	t.Logf("%.0f calls, %.0f without an answer", after.calls-before.calls, after.failedOpen+after.failed-before.failedOpen-before.failed)
	after.calls, before.calls = 0, 0
	if diff := cmp.Diff(before, after, cmp.AllowUnexported(counts{})); diff != "" {
		t.Errorf("calls that had no answer (-before +after):\n%s\n%s", diff, whatFailed(t, w))
	}
}

// whatFailed are the API server's own words for the last calls that it could not make.
func whatFailed(t *testing.T, w *world.World) string {
	t.Helper()
	log, err := os.ReadFile(w.Plane.LogFile(cluster.APIServer))
	world.Must(t, err)
	var found []string
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "alling webhook") {
			found = append(found, line)
		}
	}
	return strings.Join(found[max(0, len(found)-10):], "")
}

// audited is an event of the API server's audit log, as far as it matters here.
type audited struct {
	Stage          string                                `json:"stage"`
	Verb           string                                `json:"verb"`
	User           struct{ Username string }             `json:"user"`
	ObjectRef      *struct{ Namespace, Resource string } `json:"objectRef"`
	ResponseStatus struct{ Code int }                    `json:"responseStatus"`
	Annotations    map[string]string                     `json:"annotations"`
}

// verdict is what the audit log says of a write: its code, what the gate said, what the validating webhook said, and
// whether one of them was passed over.
func (a *audited) verdict() string {
	passed := ""
	for key, value := range a.Annotations {
		if strings.HasPrefix(key, "failed-open.") && ours(value) {
			passed = ", passed over"
		}
	}
	return fmt.Sprintf("%d gate=%s final=%s%s", a.ResponseStatus.Code,
		a.Annotations["gate.gitlatch.dev/decision"], a.Annotations["final.gitlatch.dev/decision"], passed)
}

// mustBeAudited: the audit log has each write of the load, and in each the gate's word, where it is to be asked.
func (l *load) mustBeAudited(t *testing.T, w *world.World) {
	t.Helper()
	want, got := map[string]int64{}, map[string]int64{}
	for _, v := range l.writers {
		verdict := map[string]string{
			"alice": "403 gate=deny final=", "bob": "200 gate=flag final=flag",
			gitlatch.SyncLogin: "200 gate= final=", // the API server leaves it out, by the conditions
			operator:           "200 gate= final=",
		}[v.user]
		want[v.namespace+" "+username(v.user)+" "+verdict] = v.answered.Load()
	}
	file, err := os.Open(w.Plane.AuditLog())
	world.Must(t, err)
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e audited
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Stage != "ResponseComplete" || e.Verb != "patch" || e.ObjectRef == nil || e.ObjectRef.Resource != "configmaps" {
			continue
		}
		if slices.ContainsFunc(l.writers, func(v *writer) bool {
			return v.namespace == e.ObjectRef.Namespace && username(v.user) == e.User.Username
		}) {
			got[e.ObjectRef.Namespace+" "+e.User.Username+" "+e.verdict()]++
		}
	}
	world.Must(t, lines.Err())
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("writes in the audit log, by who, the answer and the gate's word (-want +got):\n%s", diff)
	}
}

func username(login string) string {
	if namespace, name, ok := strings.Cut(login, "/"); ok {
		return "system:serviceaccount:" + namespace + ":" + name
	}
	return login
}
