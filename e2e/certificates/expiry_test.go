package certificates

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/gitlatch/gitlatch/test/world"
)

// What a replica shows of its certificates, and the alerts go by, is when those end that it serves and that are kept.
func TestTheMetricSaysWhenTheCertificatesEnd(t *testing.T) {
	for i := range here.Gate.Replicas() {
		world.Eventually(t, "the metric to be of what is served", time.Minute, func(ctx context.Context) error {
			leaf, err := served(ctx, &here, i)
			if err != nil {
				return err
			}
			got, err := expiries(ctx, here.Gate.MetricsURL(i))
			if err != nil {
				return err
			}
			kept := authority(t, &here)
			if kept == nil {
				return errors.New("there is no authority")
			}
			want := map[string]int64{"leaf": leaf.NotAfter.Unix(), "ca": kept.NotAfter.Unix()}
			if diff := cmp.Diff(want, got); diff != "" {
				return fmt.Errorf("replica %d (-served +shown):\n%s", i, diff) // renewed in between, perhaps
			}
			return nil
		})
	}
}

// expiries are the values of the metric by kind.
func expiries(ctx context.Context, url string) (map[string]int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, m := range families["gitlatch_certificate_expiry_timestamp_seconds"].GetMetric() {
		out[label(m, "kind")] = int64(m.GetGauge().GetValue())
	}
	return out, nil
}
