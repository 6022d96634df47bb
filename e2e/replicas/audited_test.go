package replicas

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/gitlatch/gitlatch/test/world"
)

// connects is how many execs of a user in a namespace the API server has asked the
// gate about: kubectl tries again another way where the first is refused.
func connects(t *testing.T, ns, user string) (n int64) {
	t.Helper()
	eachEvent(t, func(event *auditv1.Event) {
		if ref := event.ObjectRef; ref != nil && ref.Namespace == ns && ref.Subresource == "exec" && event.User.Username == user &&
			event.Stage == auditv1.StageResponseComplete {
			n++
		}
	})
	return n
}

// eachEvent tells of the events of the API server's audit log.
func eachEvent(t *testing.T, tell func(*auditv1.Event)) {
	t.Helper()
	log, err := os.ReadFile(here.Plane.AuditLog())
	world.Must(t, err)
	for line := range bytes.Lines(log) {
		event := auditv1.Event{}
		if json.Unmarshal(line, &event) == nil { // the last line may be half written
			tell(&event)
		}
	}
}
