package retention

import (
	"runtime"
	"testing"
	"time"
)

// BenchmarkPass: one pass over a thousand records of which none is to go, and one that
// archives and deletes a thousand. The heap is this process's at the end of a pass.
func BenchmarkPass(b *testing.B) {
	const records = 1000
	for name, age := range map[string]time.Duration{"of young records": 10 * day, "that deletes": 95 * day} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				r := newRig(b, Options{MaxAge: 90 * day, MaxRecords: DefaultMaxRecords})
				r.seedMany(b, records, age)
				b.StartTimer()
				r.pass(b)
				b.StopTimer()
				var heap runtime.MemStats
				runtime.ReadMemStats(&heap)
				b.ReportMetric(float64(heap.HeapAlloc)/1e6, "MB")
				b.StartTimer()
			}
		})
	}
}
