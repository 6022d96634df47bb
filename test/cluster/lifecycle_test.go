package cluster

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestEachServerComesBackWithItsDataAndAddress(t *testing.T) {
	c, err := Start(t.Context(), Options{Fsync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	namespaces := clientFor(t, c.Config("alice")).CoreV1().Namespaces()
	kept := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}
	if _, err := namespaces.Create(t.Context(), kept, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	takeDown(t, c)
	if _, err := namespaces.Get(t.Context(), "kept", metav1.GetOptions{}); err != nil {
		t.Errorf("what was written before: %v", err)
	}
	if err := namespaces.Delete(t.Context(), "kept", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the restarted controllers delete a namespace", func() string {
		_, err := namespaces.Get(t.Context(), "kept", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return ""
		}
		return "it is there"
	})
}

// takeDown takes down each server in its own way, and brings it back.
func takeDown(t *testing.T, c *Cluster) {
	t.Helper()
	c.StopServer(APIServer)
	if listening(c.apiPort.Address()) {
		t.Error("the API server is stopped and still listens")
	}
	if err := c.StartServer(t.Context(), APIServer); err != nil {
		t.Fatal(err)
	}
	if err := c.RestartServer(t.Context(), ControllerManager); err != nil {
		t.Fatal(err)
	}
	c.KillServer(Etcd)
	if err := c.StartServer(t.Context(), Etcd); err != nil {
		t.Fatal(err)
	}
	// The API server runs on and finds etcd again by itself.
	if err := c.ask(t.Context(), APIServer, nil); err != nil {
		t.Fatal(err)
	}
}

func TestADirectoryGoesOnWithItsDataAndPeople(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cluster")
	tokens := []string{}
	for round := range 2 {
		c, err := Start(t.Context(), Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, c.Config("alice").BearerToken)
		namespaces := clientFor(t, c.Config("alice")).CoreV1().Namespaces()
		if round == 0 {
			kept := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}
			_, err = namespaces.Create(t.Context(), kept, metav1.CreateOptions{})
		} else {
			_, err = namespaces.Get(t.Context(), "kept", metav1.GetOptions{})
		}
		if err != nil {
			t.Error(err)
		}
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(tokens[0], tokens[1]); diff != "" {
		t.Errorf("alice has another token (-first +second):\n%s", diff)
	}
}

type auditEvent struct {
	Level, Verb   string
	User          struct{ Username string }
	ObjectRef     struct{ Resource, Name string }
	RequestObject json.RawMessage
}

func TestTheAuditLogTellsWritesInFullAndSecretsInName(t *testing.T) {
	for _, args := range [][]string{
		{"create", "serviceaccount", "audited", "-n", "default"},
		{"create", "secret", "generic", "audited", "-n", "default", "--from-literal=key=value"},
	} {
		if _, stderr, code := shared.Kubectl(t.Context(), "bob", "", args...); code != 0 {
			t.Fatal(stderr)
		}
	}
	file, err := os.Open(shared.AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got := map[string]string{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e auditEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if e.User.Username == "bob" && e.Verb == "create" && e.ObjectRef.Name == "audited" {
			got[e.ObjectRef.Resource] = e.Level
			if full := len(e.RequestObject) > 0; full != (e.Level == "RequestResponse") {
				t.Errorf("%s at level %s: request object present: %v", e.ObjectRef.Resource, e.Level, full)
			}
		}
	}
	want := map[string]string{"serviceaccounts": "RequestResponse", "secrets": "Metadata"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
