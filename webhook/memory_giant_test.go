package webhook

import (
	"bytes"
	"net/http"
	"runtime"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// TestAReviewTakesNoMoreThanItsBody: what is read, what it becomes, and nothing on top of
// that, even of what takes six times as much when it is written as JSON again.
func TestAReviewTakesNoMoreThanItsBody(t *testing.T) {
	const length = 16 << 20
	body := bytes.Join([][]byte{
		[]byte(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"` + webUID + `","kind":{"version":"v1","kind":"ConfigMap"},` +
			`"resource":{"version":"v1","resource":"configmaps"},"name":"page","namespace":"prod","operation":"CREATE","userInfo":{"username":"alice","groups":["devs"]},` +
			`"object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"page","namespace":"prod"},"data":{"page":"`),
		bytes.Repeat([]byte("<"), length), []byte(`"}}}}`),
	}, nil)
	for _, mode := range []v1alpha1.Mode{v1alpha1.ModeEnforce, v1alpha1.ModeWarn} {
		t.Run(string(mode), func(t *testing.T) {
			g := newGate(t, false, policyIn(t, mode))
			r, err := http.NewRequest(http.MethodPost, "/gate", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			answer := &keptAnswer{header: http.Header{}}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			g.handler.ServeHTTP(answer, r) // without a network, whose time on a busy machine is none of its own
			runtime.ReadMemStats(&after)
			if got := reviewed(t, http.StatusOK, answer.said.Bytes()); got.Allowed != (mode == v1alpha1.ModeWarn) || string(got.UID) != webUID {
				t.Errorf("answered %+v", got)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 3*length {
				t.Errorf("it took %d MiB for a body of %d", took>>20, length>>20)
			}
		})
	}
}

// keptAnswer keeps what is written.
type keptAnswer struct {
	header http.Header
	said   bytes.Buffer
}

func (a *keptAnswer) Header() http.Header         { return a.header }
func (a *keptAnswer) Write(p []byte) (int, error) { return a.said.Write(p) }
func (a *keptAnswer) WriteHeader(int)             {}
