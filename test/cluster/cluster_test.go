package cluster

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/test/process"
)

// shared is the cluster of the tests that leave it as it was.
var shared *Cluster

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		helper(dir)
		return
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	if shared, err = Start(context.Background(), Options{Progress: os.Stderr}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := shared.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func clientFor(t *testing.T, config *rest.Config) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func whoAmI(t *testing.T, config *rest.Config) authenticationv1.UserInfo {
	t.Helper()
	review, err := clientFor(t, config).AuthenticationV1().SelfSubjectReviews().Create(
		t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return review.Status.UserInfo
}

// eventually asks until there is no difference left.
func eventually(t *testing.T, what string, diff func() string) {
	t.Helper()
	var last string
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if last = diff(); last == "" {
			return
		}
	}
	t.Fatalf("%s: %s", what, last)
}

// processesOf returns the pids of all processes whose arguments name the directory.
func processesOf(t *testing.T, dir string) []int {
	t.Helper()
	pids, err := process.Of(dir)
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

func listening(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func TestTwoClustersAtOnceDoNotMeet(t *testing.T) {
	other, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Stop()
	_, err = clientFor(t, other.Config("admin")).CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Errorf("the other's admin at home: %v", err)
	}
	stranger := shared.Config("admin")
	stranger.BearerToken = other.Config("admin").BearerToken
	_, err = clientFor(t, stranger).CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	if diff := cmp.Diff("Unauthorized", fmt.Sprint(err)); diff != "" {
		t.Errorf("the other's token here (-want +got):\n%s", diff)
	}
	if shared.Dir() == other.Dir() || shared.URL() == other.URL() {
		t.Errorf("they share %s %s", other.Dir(), other.URL())
	}
}

func TestStopLeavesNothing(t *testing.T) {
	c, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	addresses := []string{c.apiPort.Address(), c.etcdPort.Address()}
	if pids := processesOf(t, c.Dir()); len(pids) != 3 {
		t.Errorf("while it runs there are the processes %v, want three", pids)
	}
	for range 2 { // the second call does nothing
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	}
	if pids := processesOf(t, c.Dir()); len(pids) != 0 {
		t.Errorf("these processes are left: %v", pids)
	}
	for _, address := range addresses {
		if listening(address) {
			t.Errorf("somebody still listens on %s", address)
		}
	}
	if _, err := os.Stat(c.Dir()); !os.IsNotExist(err) {
		t.Errorf("the temporary directory is left: %v", err)
	}
}

func TestAServerThatCannotStartIsExplained(t *testing.T) {
	c, err := Start(t.Context(), Options{APIServerArgs: []string{"--no-such-flag"}})
	if err == nil {
		t.Error(c.Stop())
		t.Fatal("it started")
	}
	for _, want := range []string{"starting kube-apiserver: it ended before it served", "unknown flag: --no-such-flag"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}
