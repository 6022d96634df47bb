package cluster

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// In these variables the test binary is told to be another process that starts a cluster.
const (
	helperDir      = "GITLATCH_TEST_HELPER_DIR"
	helperDetached = "GITLATCH_TEST_HELPER_DETACHED"
)

// helper starts a cluster, says so, and waits for its standard input to end.
func helper(dir string) {
	c, err := Start(context.Background(), Options{Dir: dir, Detached: os.Getenv(helperDetached) != ""})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready", c.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// another starts a helper and waits until its cluster is there.
func another(t *testing.T, dir, detached string) (cmd *exec.Cmd, url string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(self)
	cmd.Env = append(os.Environ(), helperDir+"="+dir, helperDetached+"="+detached)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if url, ok := strings.CutPrefix(strings.TrimSpace(line), "ready "); ok {
		return cmd, url
	}
	t.Fatalf("the helper said %q (%v)", line, err)
	return nil, ""
}

func end(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
}

func TestServersDieWithTheProcessThatStartedThem(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cluster")
	cmd, url := another(t, dir, "")
	if pids := processesOf(t, dir); len(pids) != 3 {
		t.Errorf("while it runs there are the processes %v, want three", pids)
	}
	end(t, cmd)
	eventually(t, "no process is left", func() string { return cmp.Diff(0, len(processesOf(t, dir))) })
	eventually(t, "nobody listens", func() string {
		return cmp.Diff(false, listening(strings.TrimPrefix(url, "https://")))
	})
}

func TestTwoProcessesAtOnceDoNotMeet(t *testing.T) {
	first, second := filepath.Join(t.TempDir(), "cluster"), filepath.Join(t.TempDir(), "cluster")
	one, oneURL := another(t, first, "")
	defer end(t, one)
	two, twoURL := another(t, second, "")
	defer end(t, two)
	if oneURL == twoURL || twoURL == shared.URL() {
		t.Errorf("they share an address: %s, %s, %s", oneURL, twoURL, shared.URL())
	}
}

func TestADetachedClusterOutlivesItsStarter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cluster")
	cmd, _ := another(t, dir, "yes")
	end(t, cmd)
	defer StopDir(dir)
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(dir, "kubeconfig", "alice"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
	_, err = Start(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "its etcd is running") {
		t.Errorf("a second start in its directory: %v", err)
	}
	for range 2 { // the second call has nothing to stop
		if err := StopDir(dir); err != nil {
			t.Error(err)
		}
	}
	if pids := processesOf(t, dir); len(pids) != 0 {
		t.Errorf("these processes are left: %v", pids)
	}
}
