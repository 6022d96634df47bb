package applier

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/clock"
)

// TestManyDriftingObjectsAreAllPulledBack: none is lost in the crowd.
func TestManyDriftingObjectsAreAllPulledBack(t *testing.T) {
	const many = 200
	b := newBench(t, newSpace(t), clock.RealClock{})
	var documents []string
	for i := range many {
		documents = append(documents, fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web-%d, labels: {app: web}}\ndata: {greeting: welcome}\n", i))
	}
	b.run(commitOne, strings.Join(documents, "---\n"))
	began := time.Now()
	kubectl(t, "alice", "", "delete", "configmap", "-l", "app=web", "-n", b.space, "--wait=false")
	b.recordsOf(many, resolved(drifts))
	t.Logf("%d were deleted and recreated in %s", many, time.Since(began).Round(time.Millisecond))
	eventually(t, "all are there", 10*time.Second, func() error {
		if n := strings.Count(kubectl(t, "admin", "", "get", "configmap", "-l", "app=web", "-n", b.space, "-o", "name"), "\n"); n != many {
			return fmt.Errorf("%d are", n)
		}
		return nil
	})
}
