package metrics

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Scrape reads Gitlatch's own metrics from a process, as Prometheus does. One whose labels have no values yet isn't
// shown.
func Scrape(ctx context.Context, url string) ([]Metric, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reading the metrics: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("reading the metrics: %s", response.Status)
	}
	return parse(response.Body)
}

func parse(shown io.Reader) ([]Metric, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(shown)
	if err != nil {
		return nil, fmt.Errorf("reading the metrics: %w", err)
	}
	var all []Metric
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), Prefix) {
			continue
		}
		all = append(all, Metric{
			Name:   family.GetName(),
			Type:   strings.ToLower(family.GetType().String()),
			Help:   family.GetHelp(),
			Labels: labels(family),
		})
	}
	slices.SortFunc(all, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// labels of the first series; the others have the same.
func labels(family *dto.MetricFamily) []string {
	var names []string
	for _, pair := range family.GetMetric()[0].GetLabel() {
		names = append(names, pair.GetName())
	}
	slices.Sort(names)
	return names
}
