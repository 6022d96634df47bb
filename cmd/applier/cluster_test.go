package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/test/cluster"
)

// The control plane that all tests share, with Gitlatch's CRDs and the applier's
// rights, and the applier's identity on it.
var (
	plane   *cluster.Cluster
	account *cluster.Identity
)

func TestMain(m *testing.M) {
	code, err := onControlPlane(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func onControlPlane(tests func() int) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	if plane, err = cluster.Start(ctx, cluster.Options{Progress: os.Stderr}); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, plane.Stop()) }()
	manifests, err := filepath.Abs("../../manifests")
	if err != nil {
		return 0, err
	}
	for _, args := range [][]string{
		{"apply", "-k", filepath.Join(manifests, "crds")},
		{"wait", "--for=condition=Established", "--timeout=30s", "crd/gitsyncs.gitlatch.dev"},
		{"create", "namespace", "gitlatch-system"},
		{"apply", "-f", filepath.Join(manifests, "default", "22-applier-rights.yaml")},
	} {
		if _, stderr, code := plane.Kubectl(ctx, "admin", "", args...); code != 0 {
			return 0, fmt.Errorf("kubectl %v: %s", args, stderr)
		}
	}
	if account, err = plane.ServiceAccount(ctx, "gitlatch-system", "gitlatch-applier", cluster.AccountOptions{}); err != nil {
		return 0, err
	}
	return tests(), nil
}

// TestItLeadsUntilItIsTold: the program takes the lease, is ready, and gives the
// lease back when it ends, so that the next one need not wait.
func TestItLeadsUntilItIsTold(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{
			"--kubeconfig", account.Kubeconfig, "--data-dir", filepath.Join(t.TempDir(), "data"), "--replica", "applier-0",
			"--metrics-bind-address", "0", "--health-probe-bind-address", "0",
		}, noEnv, io.Discard, testLog{t}, silent)
	}()
	holder := func() string {
		stdout, _, _ := plane.Kubectl(t.Context(), "admin", "",
			"-n", "gitlatch-system", "get", "lease", "gitlatch-applier", "-o", "jsonpath={.spec.holderIdentity}")
		return stdout
	}
	for holder() != "applier-0" {
		select {
		case err := <-ended:
			t.Fatalf("the program ended: %v", err)
		case <-ctx.Done():
			t.Fatal("it did not take the lease in time")
		case <-time.After(100 * time.Millisecond):
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("run() = %v", err)
	}
	if h := holder(); h != "" {
		t.Errorf("the lease is still held by %q", h)
	}
}

// TestTheCacheHoldsSyncsAlone: a Secret is read where it is, and nothing starts a
// watch of all of them.
func TestTheCacheHoldsSyncsAlone(t *testing.T) {
	o, err := parseOptions([]string{"--metrics-bind-address", "0", "--health-probe-bind-address", "0"}, noEnv, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	m, err := newManager(t.Context(), o, plane.Config("admin"), logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = m.GetCache().Start(t.Context()) }() // ends with the test
	var notCached *cache.ErrResourceNotCached
	key := client.ObjectKey{Namespace: "kube-system", Name: "kube-root-ca.crt"}
	if err := m.GetCache().Get(t.Context(), key, &corev1.ConfigMap{}); !errors.As(err, &notCached) {
		t.Errorf("reading a ConfigMap from the cache: %v", err)
	}
	if err := m.GetClient().Get(t.Context(), key, &corev1.ConfigMap{}); err != nil {
		t.Errorf("reading a ConfigMap: %v", err)
	}
}

// TestWhatItsOwnRightsLetItPretend: any service account, with the mark of a sync and
// no other. With the right to apply taken away, all else is that account's.
func TestWhatItsOwnRightsLetItPretend(t *testing.T) {
	if _, stderr, code := plane.Kubectl(t.Context(), "admin", "", "delete", "clusterrolebinding", "gitlatch-applier-cluster"); code != 0 {
		t.Fatal(stderr)
	}
	const tenant = "system:serviceaccount:default:default"
	mark := map[string][]string{"gitlatch.dev/sync": {"team-a/team-a"}}
	// In this order: the API server asks for constrained impersonation first, and tells what the first way it asked
	// lacked; who once succeeded by the right `impersonate` is asked for that first.
	for _, tc := range []struct {
		name string
		as   rest.ImpersonationConfig
		want string
	}{
		{"a service account with the mark", rest.ImpersonationConfig{UserName: tenant, Extra: mark}, ""},
		{"a service account without", rest.ImpersonationConfig{UserName: tenant}, ""},
		{"a person", rest.ImpersonationConfig{UserName: "alice"}, `cannot impersonate resource "users"`},
		{"a group", rest.ImpersonationConfig{UserName: tenant, Groups: []string{"system:masters"}}, `cannot impersonate resource "groups"`},
		{"a uid", rest.ImpersonationConfig{UserName: tenant, UID: "1"}, `cannot impersonate resource "uids"`},
		{"another extra, such as a pod's proof", rest.ImpersonationConfig{UserName: tenant, Extra: map[string][]string{"authentication.kubernetes.io/pod-name": {"web-0"}}}, `cannot impersonate resource "userextras/authentication.kubernetes.io/pod-name"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			config := rest.CopyConfig(account.Config)
			config.Impersonate = tc.as
			c, err := kubernetes.NewForConfig(config)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if _, err := c.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); err == nil {
				t.Error("it may list nodes")
			}
		})
	}
	got := rights(t)
	want := []string{
		"changepolicies.gitlatch.dev [list]",
		"changerecords.gitlatch.dev [get list watch create patch]",
		"changerecords.gitlatch.dev/status [patch]",
		"clustertrustbundles.certificates.k8s.io [get list watch]", // everybody's
		"configmaps [list watch]",
		"events.events.k8s.io [create patch]",
		"gitsyncs.gitlatch.dev [get list watch patch]",
		"gitsyncs.gitlatch.dev/status [patch]",
		"secrets [list watch]",
		"serviceaccounts [get impersonate]",
		"userextras.authentication.k8s.io/gitlatch.dev/sync [impersonate]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("its own rights (-want +got):\n%s", diff)
	}
}

// rights of the applier in namespace default, but for its questions about itself.
func rights(t *testing.T) []string {
	t.Helper()
	stdout, stderr, code := plane.Kubectl(t.Context(), "gitlatch-system/gitlatch-applier", "", "auth", "can-i", "--list", "-n", "default", "--no-headers")
	if code != 0 {
		t.Fatal(stderr)
	}
	var all []string
	for line := range strings.Lines(stdout) {
		fields := strings.Fields(line)
		if len(fields) < 4 || strings.HasPrefix(fields[0], "selfsubject") || strings.HasPrefix(fields[0], "[") {
			continue
		}
		all = append(all, fields[0]+" "+strings.Join(fields[3:], " "))
	}
	slices.Sort(all)
	return all
}

// testLog shows the program's log in the test's.
type testLog struct{ t *testing.T }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(line)))
	return len(line), nil
}
