package figures

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Value is a number with its unit: ns, B, x (a ratio) or "" (a count).
type Value struct {
	Number float64 `json:"number"`
	Unit   string  `json:"unit,omitempty"`
}

// Units of values.
const (
	Time  = "ns"
	Bytes = "B"
	Ratio = "x"
)

func (v Value) String() string {
	switch v.Unit {
	case Time:
		return Readable(time.Duration(v.Number))
	case Bytes:
		return fmt.Sprintf("%.1f MiB", v.Number/(1<<20))
	case Ratio:
		return fmt.Sprintf("%.2fx", v.Number)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v.Number), ".0")
}

// Readable has two or three digits after which the machine's noise begins.
func Readable(d time.Duration) string {
	switch size := d.Abs(); {
	case size < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case size < 10*time.Microsecond:
		return fmt.Sprintf("%.2f µs", float64(d)/float64(time.Microsecond))
	case size < time.Millisecond:
		return fmt.Sprintf("%.1f µs", float64(d)/float64(time.Microsecond))
	default:
		return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
	}
}

// Percentile of the times, which need no order; 0 of none.
func Percentile(took []time.Duration, p int) time.Duration {
	if len(took) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(took))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}
