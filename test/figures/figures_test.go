package figures

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestPercentilesAreOfTheSortedTimes(t *testing.T) {
	var took []time.Duration
	for i := range 200 {
		took = append(took, time.Duration(200-i))
	}
	if p50, p99 := Percentile(took, 50), Percentile(took, 99); p50 != 101 || p99 != 199 {
		t.Errorf("p50 %d, p99 %d", p50, p99)
	}
}

func TestACounterIsAddedUpOverItsLabels(t *testing.T) {
	const shown = `# TYPE gitlatch_decisions_total counter
gitlatch_decisions_total{action="deny",reason="a b"} 3
gitlatch_decisions_total{action="allow",reason="c"} 1e+01
# TYPE gitlatch_decisions_total_other counter
gitlatch_decisions_total_other{action="allow"} 100
# TYPE took_seconds histogram
took_seconds_bucket{le="1"} 1
took_seconds_bucket{le="+Inf"} 2
took_seconds_sum 7.5
took_seconds_count 2
# TYPE go_goroutines gauge
go_goroutines 42
`
	for _, c := range []struct {
		name   string
		labels map[string]string
		want   float64
	}{
		{"gitlatch_decisions_total", nil, 13},
		{"gitlatch_decisions_total", map[string]string{"action": "deny"}, 3},
		{"gitlatch_decisions_total", map[string]string{"nothing": "deny"}, 0},
		{"took_seconds_sum", nil, 7.5},
		{"took_seconds_count", nil, 2},
		{"go_goroutines", nil, 42},
		{"not_counted_yet_total", nil, 0},
	} {
		got, err := sum(strings.NewReader(shown), c.name, c.labels)
		if err != nil || got != c.want {
			t.Errorf("%s %v: %v, %v; want %v", c.name, c.labels, got, err, c.want)
		}
	}
	if _, err := sum(strings.NewReader("<html>"), "go_goroutines", nil); err == nil {
		t.Error("a page that is no metrics was read")
	}
}

func TestAValueIsReadWithItsUnit(t *testing.T) {
	for want, v := range map[string]Value{
		"1.50 ms":  {1.5e6, Time},
		"12.0 µs":  {12e3, Time},
		"2.50 µs":  {2500, Time},
		"7 ns":     {7, Time},
		"48.0 MiB": {48 << 20, Bytes},
		"1.10x":    {1.1, Ratio},
		"3":        {3, ""},
		"3.5":      {3.5, ""},
	} {
		if got := v.String(); got != want {
			t.Errorf("%v: %q, not %q", v, got, want)
		}
	}
}

func TestTheMemoryOfAProcessIsRead(t *testing.T) {
	now, err := Resident(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	peak, err := Peak(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if now < 1<<20 || peak < now {
		t.Errorf("resident %v, at most %v", now, peak)
	}
	if _, err := Resident(-1); err == nil {
		t.Error("a process that isn't there has memory")
	}
}
