package audit

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	objectmeta "k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
	"github.com/gitlatch/gitlatch/test/cluster"
)

// ungated is a control plane without a gate, whose audit log goes to a file and, live, to
// a backend.
type ungated struct {
	*cluster.Cluster
	backend *Backend
	client  atomic.Pointer[client.WithWatch] // nil: the cluster is starting
}

// Policies can't be read at first, so that the API server has to send its first batches
// again.
func (u *ungated) policies(ctx context.Context) ([]*policy.Policy, error) {
	c := u.client.Load()
	if c == nil {
		return nil, errors.New("not yet")
	}
	var list v1alpha1.ChangePolicyList
	if err := (*c).List(ctx, &list); err != nil {
		return nil, err
	}
	var out []*policy.Policy
	for i := range list.Items {
		p, errs := policy.Compile(&list.Items[i])
		if len(errs) > 0 {
			return nil, errs.ToAggregate()
		}
		out = append(out, p)
	}
	return out, nil
}

// selfSigned writes a certificate for loopback, and its key.
func selfSigned(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "reporter"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	must(t, err)
	rawKey, err := x509.MarshalECPrivateKey(private)
	must(t, err)
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	must(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: rawKey}), 0o600))
	return cert, key
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func startUngated(t *testing.T) *ungated {
	t.Helper()
	u, dir := &ungated{}, t.TempDir()
	token := filepath.Join(dir, "token")
	must(t, os.WriteFile(token, []byte("sesame\n"), 0o600))
	u.backend = &Backend{Policies: u.policies, Install: install, Token: TokenFile(token), Recorder: &Recorder{Bypasses: &record.Bypasses{}}}
	cert, key := selfSigned(t, dir)
	listening := make(chan net.Addr, 1)
	server := &Server{Address: "127.0.0.1:0", CertFile: cert, KeyFile: key, Backend: u.backend, Listening: func(a net.Addr) { listening <- a }}
	logger := funcr.New(func(_, text string) {
		if strings.Contains(text, "can't be read") {
			t.Error(text)
		}
	}, funcr.Options{})
	logf.SetLogger(logr.Discard())
	ctx, cancel := context.WithCancel(logf.IntoContext(context.Background(), logger))
	ended := make(chan error, 1)
	go func() { ended <- server.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	config := filepath.Join(dir, "audit-webhook.yaml")
	must(t, os.WriteFile(config, fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: reporter, cluster: {server: "https://%s/", certificate-authority: %q}}]
users: [{name: apiserver, user: {tokenFile: %q}}]
contexts: [{name: reporter, context: {cluster: reporter, user: apiserver}}]
current-context: reporter
`, <-listening, cert, token), 0o600))
	c, err := cluster.Start(t.Context(), cluster.Options{Progress: os.Stderr, APIServerArgs: []string{
		"--audit-webhook-config-file=" + config, "--audit-webhook-batch-max-wait=200ms", "--audit-webhook-initial-backoff=500ms",
	}})
	must(t, err)
	u.Cluster = c
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	u.install(t)
	return u
}

const ungatedPolicy = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: cluster}
spec:
  mode: Enforce
  sync: [{serviceAccount: {namespace: gitops, name: sync}, fieldManagers: [sync]}]
`

// install puts Gitlatch's kinds there, a policy, and what the acts are about.
func (u *ungated) install(t *testing.T) {
	t.Helper()
	crds, err := filepath.Abs("../../manifests/crds")
	must(t, err)
	for _, kind := range []string{"changerecords", "changepolicies"} {
		u.as(t, "admin", "", "apply", "-f", filepath.Join(crds, "gitlatch.dev_"+kind+".yaml"))
		u.as(t, "admin", "", "wait", "--for=condition=established", "crd/"+kind+".gitlatch.dev", "--timeout=30s")
	}
	scheme := runtime.NewScheme()
	must(t, clientgoscheme.AddToScheme(scheme))
	must(t, v1alpha1.AddToScheme(scheme))
	// Whoever else wrote records would be a person doing so, which is on record too.
	own, err := u.ServiceAccount(t.Context(), install.Namespace, install.Reporter, cluster.AccountOptions{ClusterAdmin: true})
	must(t, err)
	config := rest.CopyConfig(own.Config)
	config.QPS = -1
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	must(t, err)
	u.backend.Recorder.Bypasses.Store = c
	u.client.Store(&c)
	u.as(t, "admin", "", "create", "namespace", "prod")
	u.as(t, "admin", "", "create", "deployment", "web", "-n", "prod", "--image=registry.example/web:1")
	u.as(t, "admin", "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\nmetadata: {name: gitlatch}\n", "create", "-f", "-")
	u.as(t, "admin", ungatedPolicy, "create", "-f", "-")
}

func (u *ungated) as(t *testing.T, user, stdin string, args ...string) {
	t.Helper()
	if _, stderr, code := u.Kubectl(t.Context(), user, stdin, args...); code != 0 {
		t.Fatalf("%s: kubectl %v: %s", user, args, stderr)
	}
}

// acts of alice, each of which leaves one finding.
func (u *ungated) acts(t *testing.T) []string {
	t.Helper()
	u.as(t, "alice", "", "create", "configmap", "mine", "-n", "prod", "--from-literal=a=hunter2")
	u.as(t, "alice", "", "label", "deployment", "web", "-n", "prod", "team=shop")
	u.as(t, "alice", "", "set", "image", "deployment/web", "-n", "prod", "web=registry.example/web:2")
	u.as(t, "alice", "", "scale", "deployment/web", "-n", "prod", "--replicas=2")
	u.as(t, "alice", "", "delete", "configmap", "mine", "-n", "prod")
	u.as(t, "alice", "", "create", "token", "sync", "-n", "gitops")
	u.as(t, "alice", "", "annotate", "deployment", "web", "-n", "prod", "x=y", "--as=system:serviceaccount:gitops:sync", "--as-uid=1",
		"--as-user-extra=authentication.kubernetes.io/pod-name=a", "--as-user-extra=authentication.kubernetes.io/pod-uid=b")
	u.as(t, "alice", "", "delete", "mutatingwebhookconfiguration", "gitlatch")
	u.as(t, "alice", "", "label", "deployment", "web", "-n", "prod", "dry=run", "--dry-run=server")
	return []string{
		"Bypass Impersonation alice UPDATE deployments prod/web as system:serviceaccount:gitops:sync",
		"Bypass Unguarded alice CREATE configmaps prod/mine",
		"Bypass Unguarded alice CREATE serviceaccounts/token gitops/sync",
		"Bypass Unguarded alice DELETE configmaps prod/mine",
		"Bypass Unguarded alice UPDATE deployments prod/web [.metadata.labels.team]",
		"Bypass Unguarded alice UPDATE deployments prod/web [.spec.template.spec.containers[name=\"web\"].image]",
		"Bypass Unguarded alice UPDATE deployments/scale prod/web",
		"Tampered BuiltIn alice DELETE mutatingwebhookconfigurations /gitlatch",
	}
}

// TestTheLiveBackendAndTheFileTellTheSame: the backend records every act of a person, once,
// also when batches are sent again; the file holds the same, which the records explain.
func TestTheLiveBackendAndTheFileTellTheSame(t *testing.T) {
	u := startUngated(t)
	sync, err := u.ServiceAccount(t.Context(), "gitops", "sync", cluster.AccountOptions{ClusterAdmin: true})
	must(t, err)
	time.Sleep(settling + time.Second) // the policy has been made
	began := time.Now()
	want := u.acts(t)
	syncs, err := client.New(sync.Config, client.Options{Scheme: (*u.client.Load()).Scheme()})
	must(t, err)
	u.carry(t, syncs)
	var got []string
	err = wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		got = u.recorded(t, began)
		return len(got) >= len(want), nil
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records: %v (-want +got):\n%s", err, diff)
	}
	reader := *u.client.Load()
	known, err := ReadKnown(t.Context(), reader, began)
	must(t, err)
	policies, err := u.policies(t.Context())
	must(t, err)
	file, err := os.Open(u.AuditLog())
	must(t, err)
	defer file.Close()
	explained := 0
	log := &Log{Policies: policies, Install: install, Known: known, From: began}
	stats, err := log.Survey(t.Context(), file, func(f Finding) error {
		switch {
		case f.Explained():
			explained++
		default:
			t.Errorf("not explained: %s", brief(&f))
		}
		if strings.Contains(fmt.Sprintf("%+v", f), "hunter2") {
			t.Error("a finding shows a value")
		}
		return nil
	})
	must(t, err)
	if explained != len(want) || stats.Malformed > 0 {
		t.Errorf("%d explained, want %d; %+v", explained, len(want), stats)
	}
	u.review(t, began, len(want)-1) // the tampering has an outcome of its own
}

// review has the reporter review the time of the acts: what the live backend has on record
// counts, and is not recorded again.
func (u *ungated) review(t *testing.T, began time.Time, live int) {
	t.Helper()
	config := rest.CopyConfig(u.Config("admin"))
	config.QPS = -1
	objects, err := objectmeta.NewForConfig(config)
	must(t, err)
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	must(t, err)
	reviewer := &Reviewer{
		Fields:   Fields{Metadata: objects, Discovery: kinds, Reader: *u.client.Load(), Install: install, Namespace: "prod"},
		Policies: u.policies, Recorder: u.backend.Recorder,
	}
	before := len(u.recorded(t, began))
	for range 2 {
		findings, err := reviewer.Review(t.Context(), began, time.Now(), nil)
		if err != nil || findings != live {
			t.Errorf("%d findings, want %d; %v", findings, live, err)
		}
	}
	if after := len(u.recorded(t, began)); after != before {
		t.Errorf("%d records after the review, %d before", after, before)
	}
}

// carry is what the sync identity does, unhindered.
func (u *ungated) carry(t *testing.T, syncs client.Client) {
	t.Helper()
	var list v1alpha1.ChangePolicyList
	must(t, syncs.List(t.Context(), &list))
	policy := &list.Items[0]
	policy.Labels = map[string]string{"by": "sync"}
	must(t, syncs.Update(t.Context(), policy, client.FieldOwner("sync")))
}

// recorded tells the records of alice's acts, each in a line.
func (u *ungated) recorded(t *testing.T, since time.Time) []string {
	t.Helper()
	var out []string
	err := record.Each(t.Context(), *u.client.Load(), record.Filter{}, func(rec *v1alpha1.ChangeRecord) {
		s := &rec.Spec
		who := s.Requester.Username
		text := ""
		if s.Origin != nil && s.Origin.Impersonator != "" {
			who, text = s.Origin.Impersonator, " as "+who
		}
		if record.Seen(rec).Before(since) {
			return
		}
		what := s.Request.Resource
		if s.Request.Subresource != "" {
			what += "/" + s.Request.Subresource
		}
		text = fmt.Sprintf("%s %s %s %s %s %s/%s%s", s.Outcome, s.Reason, who, s.Request.Operation, what, s.Request.Namespace, s.Request.Name, text)
		if s.Confidence != v1alpha1.ConfidenceProven || s.Evidence != v1alpha1.EvidenceAuditLog || rec.Status.Phase != v1alpha1.PhaseObserved {
			text += fmt.Sprintf(" %s by %s, %s", s.Confidence, s.Evidence, rec.Status.Phase)
		}
		var paths []string
		for _, c := range s.Changes {
			paths = append(paths, c.Path+c.From+c.To)
		}
		if len(paths) > 0 && s.Reason == v1alpha1.ReasonUnguarded && s.Request.Subresource == "" {
			text += fmt.Sprint(" ", paths)
		}
		out = append(out, text)
	})
	must(t, err)
	slices.Sort(out)
	return out
}
