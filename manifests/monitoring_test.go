package manifests_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// rules is a Prometheus rule file. Whatever else one says fails to decode.
type rules struct {
	Groups []struct {
		Name  string  `json:"name"`
		Rules []alert `json:"rules"`
	} `json:"groups"`
}

type alert struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func ruleFile(t *testing.T) rules {
	t.Helper()
	var file rules
	if err := yaml.UnmarshalStrict(read(t, "monitoring/rules.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	return file
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var all []alert
	for _, group := range ruleFile(t).Groups {
		all = append(all, group.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are no alerts")
	}
	return all
}

// TestMonitoringIsThisAndNothingElse, as kustomize builds it.
func TestMonitoringIsThisAndNothingElse(t *testing.T) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "monitoring")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, object := range built.Resources() {
		got = append(got, fmt.Sprintf("%s %s %s/%s", object.GetApiVersion(), object.GetKind(), object.GetNamespace(), object.GetName()))
		switch object.GetKind() {
		case "PrometheusRule":
			var rule struct {
				Spec rules `json:"spec"`
			}
			if err := yaml.Unmarshal([]byte(object.MustYaml()), &rule); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(ruleFile(t), rule.Spec); diff != "" {
				t.Errorf("the operator's rules are not those of rules.yaml: make generate (-want +got):\n%s", diff)
			}
		case "ConfigMap":
			if got := object.GetLabels()["grafana_dashboard"]; got != "1" {
				t.Errorf("Grafana's sidecar looks for the label grafana_dashboard: \"1\"; the dashboard has %q", got)
			}
			if diff := cmp.Diff(map[string]string{"gitlatch.json": string(read(t, "monitoring/dashboard.json"))}, object.GetDataMap()); diff != "" {
				t.Errorf("the dashboard (-want +got):\n%s", diff)
			}
		}
	}
	want := []string{
		"monitoring.coreos.com/v1 PodMonitor gitlatch-system/gitlatch",
		"monitoring.coreos.com/v1 PrometheusRule gitlatch-system/gitlatch",
		"v1 ConfigMap gitlatch-system/gitlatch-dashboard",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifests/monitoring (-want +got):\n%s", diff)
	}
}

// TestEveryCommandIsScraped: the PodMonitor finds the pods by a label and the port by its name.
func TestEveryCommandIsScraped(t *testing.T) {
	var monitor struct {
		Spec struct {
			Selector struct {
				MatchLabels map[string]string `json:"matchLabels"`
			} `json:"selector"`
			PodMetricsEndpoints []struct {
				Port string `json:"port"`
			} `json:"podMetricsEndpoints"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(read(t, "monitoring/podmonitor.yaml"), &monitor); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, object := range build(t, "default") {
		deployment, ok := object.(*appsv1.Deployment)
		if !ok {
			continue
		}
		found++
		for key, value := range monitor.Spec.Selector.MatchLabels {
			if got := deployment.Spec.Template.Labels[key]; got != value {
				t.Errorf("%s: its pods have %s=%q, the PodMonitor looks for %q", deployment.Name, key, got, value)
			}
		}
		var ports []string
		for _, port := range deployment.Spec.Template.Spec.Containers[0].Ports {
			ports = append(ports, port.Name)
		}
		for _, endpoint := range monitor.Spec.PodMetricsEndpoints {
			if !slices.Contains(ports, endpoint.Port) {
				t.Errorf("%s: its pods have no port %s, only %v", deployment.Name, endpoint.Port, ports)
			}
		}
	}
	if found != 3 || len(monitor.Spec.Selector.MatchLabels) == 0 || len(monitor.Spec.PodMetricsEndpoints) == 0 {
		t.Errorf("%d Deployments, and the PodMonitor is %+v", found, monitor)
	}
}

const runbooks = "https://github.com/gitlatch/gitlatch/blob/main/docs/runbooks/"

// TestEveryAlertSaysWhatToDo: how bad it is, what it is, what to look at, and where the rest stands: under a heading of
// its name, in a page of docs/runbooks.
func TestEveryAlertSaysWhatToDo(t *testing.T) {
	named := regexp.MustCompile(`^Gitlatch[A-Z][A-Za-z]+$`)
	for _, a := range alerts(t) {
		switch severity := a.Labels["severity"]; {
		case !named.MatchString(a.Alert):
			t.Errorf("%s: a name is Gitlatch and words", a.Alert)
		case len(a.Labels) != 1 || !slices.Contains([]string{"critical", "warning", "info"}, severity):
			t.Errorf("%s: its labels are %v, not a severity alone", a.Alert, a.Labels)
		case len(a.Annotations) != 3 || a.Annotations["summary"] == "" || a.Annotations["description"] == "":
			t.Errorf("%s: its annotations are %v, not summary, description and runbook_url", a.Alert, a.Annotations)
		}
		page, ok := strings.CutPrefix(a.Annotations["runbook_url"], runbooks)
		file, anchor, _ := strings.Cut(page, "#")
		if !ok || anchor != strings.ToLower(a.Alert) {
			t.Errorf("%s: its runbook is %s, not %s<page>.md#%s", a.Alert, a.Annotations["runbook_url"], runbooks, strings.ToLower(a.Alert))
			continue
		}
		if !slices.Contains(headings(t)[file], a.Alert) {
			t.Errorf("%s: docs/runbooks/%s has no heading of that name", a.Alert, file)
		}
	}
}

// TestEveryRunbookIsOfAnAlert: a heading that looks like an alert's is one, and stands once.
func TestEveryRunbookIsOfAnAlert(t *testing.T) {
	var want, got []string
	for _, a := range alerts(t) {
		want = append(want, a.Alert)
	}
	for _, names := range headings(t) {
		got = append(got, names...)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("alerts and the headings of docs/runbooks (-alerts +headings):\n%s", diff)
	}
}

// headings are the alerts that each page of the runbooks speaks of.
func headings(t *testing.T) map[string][]string {
	t.Helper()
	pages, err := filepath.Glob("../docs/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, page := range pages {
		for _, match := range regexp.MustCompile(`(?m)^#+ (Gitlatch[A-Z]\w+)$`).FindAllStringSubmatch(string(read(t, page)), -1) {
			found[filepath.Base(page)] = append(found[filepath.Base(page)], match[1])
		}
	}
	return found
}

// TestEveryAlertIsTried: promtool's tests (make test-peers) have a case in which it fires, and one in which it is quiet.
func TestEveryAlertIsTried(t *testing.T) {
	files, err := filepath.Glob("monitoring/tests/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, file := range files {
		var content struct {
			Tests []struct {
				Queries []struct {
					Expr    string `json:"expr"`
					Samples []any  `json:"exp_samples"`
				} `json:"promql_expr_test"`
			} `json:"tests"`
		}
		if err := yaml.Unmarshal(read(t, file), &content); err != nil {
			t.Fatal(err)
		}
		for _, test := range content.Tests {
			for _, query := range test.Queries {
				name := strings.TrimSuffix(strings.TrimPrefix(query.Expr, `ALERTS{alertname="`), `",alertstate="firing"}`)
				if len(query.Samples) > 0 {
					fires[name] = true
				} else {
					quiet[name] = true
				}
			}
		}
	}
	for _, a := range alerts(t) {
		if !fires[a.Alert] || !quiet[a.Alert] {
			t.Errorf("%s: a case in which it fires: %t; one in which it is quiet: %t", a.Alert, fires[a.Alert], quiet[a.Alert])
		}
		delete(fires, a.Alert)
		delete(quiet, a.Alert)
	}
	if len(fires)+len(quiet) > 0 {
		t.Errorf("there are cases of alerts that do not exist: %v %v", fires, quiet)
	}
}
