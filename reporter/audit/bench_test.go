package audit

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkALog reads a log of a busy cluster: mostly controllers, with whole objects,
// some operators, some people whom the gate answered, and few whom it did not.
func BenchmarkALog(b *testing.B) {
	full := func(n int) func(map[string]any) {
		return func(e map[string]any) {
			object := webAt(strings.Repeat("1", n%7+1))
			object["status"] = map[string]any{"conditions": strings.Repeat(`{"type": "Available"} `, 150)}
			metadata := object["metadata"].(map[string]any)
			metadata["name"] = fmt.Sprintf("web-%d", n%500)
			e["objectRef"].(map[string]any)["name"] = metadata["name"]
			e["level"], e["requestObject"], e["responseObject"] = "RequestResponse", object, object
		}
	}
	var events []map[string]any
	for n := range 1000 {
		switch {
		case n%100 == 0:
			events = append(events, logged("alice", "patch", "apps/deployments", "prod/web", full(n)))
		case n%20 == 0:
			events = append(events, logged("alice", "patch", "apps/deployments", "prod/web", full(n), annotated("gate.gitlatch.dev/decision", "flag")))
		case n%10 == 0:
			events = append(events, logged("operator", "update", "apps/deployments/status", "prod/web", full(n)))
		case n%3 == 0:
			events = append(events, logged("operator", "list", "apps/deployments", "prod/web"))
		case n%3 == 1:
			events = append(events, logged("flux", "patch", "apps/deployments", "prod/web", full(n)))
		default:
			events = append(events, logged("collector", "update", "apps/deployments/status", "prod/web", full(n)))
		}
	}
	text := strings.Repeat(lines(events...), 8)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		surveyed(b, &Log{Policies: enforced(b, nil)}, text)
	}
}
