package figures

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Counter adds up what a process shows of one counter or gauge, or of a histogram's NAME_sum or NAME_count, over the
// series that have these labels. One that isn't shown is 0: it has not counted anything yet.
func Counter(ctx context.Context, client *http.Client, url, name string, labels map[string]string) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("reading the metrics: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("reading the metrics: %s", response.Status)
	}
	return sum(response.Body, name, labels)
}

func sum(shown io.Reader, name string, labels map[string]string) (float64, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(shown)
	if err != nil {
		return 0, fmt.Errorf("reading metric %s: %w", name, err)
	}
	family, read := pick(families, name)
	total := 0.0
	for _, series := range family.GetMetric() {
		if has(series, labels) {
			total += read(series)
		}
	}
	return total, nil
}

// pick finds the family that has the name, or that has it but for a histogram's suffix.
func pick(families map[string]*dto.MetricFamily, name string) (*dto.MetricFamily, func(*dto.Metric) float64) {
	if whole, ok := strings.CutSuffix(name, "_sum"); ok && families[name] == nil {
		return families[whole], func(m *dto.Metric) float64 { return m.GetHistogram().GetSampleSum() }
	}
	if whole, ok := strings.CutSuffix(name, "_count"); ok && families[name] == nil {
		return families[whole], func(m *dto.Metric) float64 { return float64(m.GetHistogram().GetSampleCount()) }
	}
	return families[name], func(m *dto.Metric) float64 {
		return m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
	}
}

func has(series *dto.Metric, labels map[string]string) bool {
	found := 0
	for _, pair := range series.GetLabel() {
		if want, ok := labels[pair.GetName()]; ok {
			if want != pair.GetValue() {
				return false
			}
			found++
		}
	}
	return found == len(labels)
}
