package reporter

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestTheReporterLeadsAndGivesTheLeaseBack: it runs with the rights of the manifests, and one that ends does not keep
// the next one waiting.
func TestTheReporterLeadsAndGivesTheLeaseBack(t *testing.T) {
	holder := func() string {
		return kubectl(t, "admin", "", "-n", "gitlatch-system", "get", "lease", "gitlatch-reporter", "-o", "jsonpath={.spec.holderIdentity}")
	}
	wantHolder := func(want string) {
		eventually(t, fmt.Sprintf("the lease to be held by %q", want), 30*time.Second, func() error {
			if got := holder(); got != want {
				return fmt.Errorf("it is held by %q", got)
			}
			return nil
		})
	}
	r := gate.Reporter()
	wantHolder(r.Pod())
	r.Terminate()
	wantHolder("")
	must(t, r.Start(t.Context()))
	wantHolder(r.Pod())
	for line := range strings.Lines(r.Logs()) {
		if strings.Contains(line, `"level":"ERROR"`) && strings.Contains(line, "forbidden") {
			t.Errorf("it lacks a right: %s", line)
		}
	}
}
