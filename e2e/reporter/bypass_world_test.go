package reporter

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/audit"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/gitserver"
)

// unguarded is a control plane with gate and applier of its own, since the gate is
// taken away from it. A GitSync declares what is in its repository.
type unguarded struct {
	t     *testing.T
	plane *cluster.Cluster
	gate  *gitlatch.Gitlatch
	repo  *gitserver.Repo
}

// Logins of service accounts there.
const (
	operatorLogin = "operators/operator"            // pod-bound, cluster-admin
	stolenLogin   = gitlatch.SyncLogin + ":unbound" // a token of the sync account that somebody carried away
)

func newUnguarded(t *testing.T, files map[string]string) *unguarded {
	t.Helper()
	u := &unguarded{t: t}
	var err error
	u.plane, err = cluster.Start(t.Context(), cluster.Options{})
	must(t, err)
	t.Cleanup(func() { _ = u.plane.Stop() })
	u.gate, err = gitlatch.Install(t.Context(), u.plane, gitlatch.Options{Applier: true})
	must(t, err)
	t.Cleanup(func() { _ = u.gate.Stop() })
	_, err = u.plane.ServiceAccount(t.Context(), "operators", "operator", cluster.AccountOptions{ClusterAdmin: true})
	must(t, err)
	_, err = u.plane.ServiceAccount(t.Context(), gitlatch.SyncNamespace, gitlatch.SyncAccount, cluster.AccountOptions{ClusterAdmin: true, Unbound: true})
	must(t, err)
	must(t, u.gate.Policy(t.Context(), gitlatch.EnforceApplier()))
	// What was written in the first seconds of a policy is not held against it.
	time.Sleep(7 * time.Second)
	u.repo, err = gitserver.NewRepo(filepath.Join(t.TempDir(), "ops"))
	must(t, err)
	u.commit("the shop", files)
	must(t, u.gate.Apply(t.Context(), fmt.Sprintf(`apiVersion: gitlatch.dev/v1alpha1
kind: GitSync
metadata: {name: shop, namespace: %s}
spec: {url: %s, ref: {branch: main}, path: deploy, interval: 1h}
`, gitlatch.Namespace, u.repo.FileURL())))
	u.synced()
	return u
}

// commit writes files below deploy/, commits and pushes.
func (u *unguarded) commit(message string, files map[string]string) {
	u.t.Helper()
	for name, content := range files {
		must(u.t, u.repo.Write("deploy/"+name, content))
	}
	_, err := u.repo.Commit(message)
	must(u.t, err)
	must(u.t, u.repo.Push())
}

// synced waits until the newest commit is applied.
func (u *unguarded) synced() {
	u.t.Helper()
	head, err := u.repo.Git("rev-parse", "HEAD")
	must(u.t, err)
	c := u.client("admin")
	must(u.t, gitlatch.WaitFor(u.t.Context(), time.Minute, "the sync", func(ctx context.Context) error {
		sync := &v1alpha1.GitSync{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: gitlatch.Namespace, Name: "shop"}, sync); err != nil {
			return err
		}
		if sync.Status.LastAppliedCommit != head || !meta.IsStatusConditionTrue(sync.Status.Conditions, v1alpha1.ConditionReady) {
			return fmt.Errorf("it is at %q: %v", sync.Status.LastAppliedCommit, sync.Status.Conditions)
		}
		return nil
	}))
}

func (u *unguarded) client(user string) client.WithWatch {
	u.t.Helper()
	return clientWith(u.t, u.plane.Config(user))
}

func clientWith(t *testing.T, config *rest.Config) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	must(t, clientgoscheme.AddToScheme(scheme))
	must(t, v1alpha1.AddToScheme(scheme))
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	must(t, err)
	return c
}

// kubectl runs kubectl there as a person and wants it to succeed.
func (u *unguarded) kubectl(user, stdin string, args ...string) {
	u.t.Helper()
	stdout, stderr, code := u.plane.Kubectl(u.t.Context(), user, stdin, args...)
	if code != 0 {
		u.t.Fatalf("kubectl %s as %s: exit %d: %s%s", strings.Join(args, " "), user, code, stdout, stderr)
	}
}

// reporter reads as the reporter does, with the rights of the manifests.
func (u *unguarded) reporter() *rest.Config {
	config := rest.CopyConfig(u.plane.Config("admin"))
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + gitlatch.Namespace + ":" + gitlatch.ReporterAccount,
		Groups:   []string{"system:serviceaccounts", "system:authenticated"},
	}
	config.QPS = -1
	return config
}

// fields is the witness, as the reporter has it.
func (u *unguarded) fields() *audit.Fields {
	u.t.Helper()
	config := u.reporter()
	meta, err := metadata.NewForConfig(config)
	must(u.t, err)
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	must(u.t, err)
	reader := clientWith(u.t, config)
	return &audit.Fields{
		Metadata: meta, Discovery: kinds, Reader: reader, Policies: policiesOf(u.t, reader),
		Install: policy.Installation{
			Namespace: gitlatch.Namespace, Webhook: gitlatch.Account, Applier: gitlatch.ApplierAccount, Reporter: gitlatch.ReporterAccount,
		},
	}
}

func policiesOf(t *testing.T, reader client.Reader) []*policy.Policy {
	t.Helper()
	var list v1alpha1.ChangePolicyList
	must(t, reader.List(t.Context(), &list))
	var out []*policy.Policy
	for i := range list.Items {
		p, errs := policy.Compile(&list.Items[i])
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		out = append(out, p)
	}
	return out
}

// survey asks the witness, and gives what it found in order.
func survey(t *testing.T, f *audit.Fields) ([]audit.Finding, audit.Stats) {
	t.Helper()
	var found []audit.Finding
	stats, err := f.Survey(t.Context(), func(f audit.Finding) error {
		found = append(found, f)
		return nil
	})
	must(t, err)
	slices.SortFunc(found, func(a, b audit.Finding) int { return strings.Compare(brief(&a), brief(&b)) })
	return found, stats
}

// brief says what a finding is about.
func brief(f *audit.Finding) string {
	r := &f.Request
	by := r.FieldManager
	if f.Requester.Username != "" {
		by = f.Requester.Username
	}
	what := r.Resource // its kind is not in a log of metadata
	if r.Subresource != "" {
		what += "/" + r.Subresource
	}
	return strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s %s", f.Reason, r.Operation, what, r.Name, by)), " ")
}

// undecided names the managers that may be controllers'.
func undecided(s *audit.Stats) []string {
	var names []string
	for _, one := range s.Undecided {
		names = append(names, one.Manager)
	}
	return names
}

// logged asks the other witness, offline.
func logged(t *testing.T, u *unguarded, from time.Time) []audit.Finding {
	t.Helper()
	f := u.fields()
	known, err := audit.ReadKnown(t.Context(), f.Reader, from)
	must(t, err)
	source, err := os.Open(u.plane.AuditLog())
	must(t, err)
	defer source.Close()
	l := &audit.Log{Policies: f.Policies, Install: f.Install, Known: known, From: from}
	var found []audit.Finding
	_, err = l.Survey(t.Context(), source, func(f audit.Finding) error {
		found = append(found, f)
		return nil
	})
	must(t, err)
	return found
}

func configMapNamed(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
}

func mergePatch(text string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(text)) }
