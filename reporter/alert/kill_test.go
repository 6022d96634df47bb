package alert

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// start runs the loop as a process of its own.
func start(t *testing.T, file, namespace, how string) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%s|%s|%s", childEnv, shared.Kubeconfig("admin"), file, namespace, how))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be dead already
		_ = cmd.Wait()
	})
	return cmd, out
}

// TestKilledBetweenTellingAndWritingDown: the receiver took it, the process dies before
// the record says so. The next one tells again, under the same id, and then never more.
func TestKilledBetweenTellingAndWritingDown(t *testing.T) {
	c, p := newClient(t), newPlace(t)
	namespace := name(t, "ns")
	must(t, c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))
	file := write(t, "receivers.yaml", fmt.Sprintf(`receivers:
- {name: killed, type: cloudevents, url: %q, namespaces: [%s], outcomes: [Denied], since: %q}
`, p.URL, namespace, time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)))
	rec := denied()
	rec.Spec.Request.Namespace = namespace
	create(t, c, name(t, "a"), time.Now(), rec)

	first, out := start(t, file, namespace, "stands")
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "standing\n" {
		t.Fatalf("the process said %q, %v", line, err)
	}
	must(t, first.Process.Kill())
	_ = first.Wait() // killed
	if got := entriesOf(get(t, c, rec.Name)); got != nil {
		t.Fatalf("notified %v before it was killed", got)
	}
	second, _ := start(t, file, namespace, "goes on")
	eventually(t, "it is written down", 20*time.Second, func() bool { return len(entriesOf(get(t, c, rec.Name))) == 1 })
	must(t, second.Process.Kill())
	_ = second.Wait() // killed
	if diff := cmp.Diff([]string{string(rec.UID), string(rec.UID)}, p.ids()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	start(t, file, namespace, "goes on")
	other := denied()
	other.Spec.Request.Namespace = namespace
	create(t, c, name(t, "b"), time.Now(), other)
	eventually(t, "the next record is told", 20*time.Second, func() bool { return len(p.received()) == 3 })
	if diff := cmp.Diff(string(other.UID), p.ids()[2]); diff != "" {
		t.Errorf("told by the third process (-want +got):\n%s", diff)
	}
}
