package certificates

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gitlatch/gitlatch/test/cluster"
)

func number(at time.Time) string { return strconv.FormatFloat(float64(at.Unix()), 'g', -1, 64) }

var control struct {
	once sync.Once
	*cluster.Cluster
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if control.Cluster != nil {
		if err := control.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// startControl starts the control plane that the tests share.
func startControl(t *testing.T) {
	t.Helper()
	control.once.Do(func() {
		control.Cluster, control.err = cluster.Start(context.Background(), cluster.Options{Progress: os.Stderr})
	})
	if control.err != nil {
		t.Fatal(control.err)
	}
}

// registration is what stands in the webhook configurations; a test publishes.
type registration struct {
	sync.Mutex
	bundles [][]byte
}

func (r *registration) publish(bundle []byte) {
	r.Lock()
	defer r.Unlock()
	r.bundles = [][]byte{bundle}
}

func (r *registration) published(context.Context) ([][]byte, error) {
	r.Lock()
	defer r.Unlock()
	return r.bundles, nil
}

// Two replicas over one real Secret: one authority, certificates that its bundle
// verifies, and a change of the authority during which no handshake ever fails.
func TestReplicasShareAnAuthorityAndChangeItWithoutAGap(t *testing.T) {
	startControl(t)
	config := control.Config("admin")
	client := kubernetes.NewForConfigOrDie(config)
	const namespace, name = "default", "gitlatch-webhook-ca"
	api := &registration{}
	replica := func() *Dynamic {
		d, err := NewDynamic(DynamicOptions{
			Config: config, Namespace: namespace, Secret: name,
			DNSNames:  []string{"gitlatch-webhook.gitlatch-system.svc"},
			Published: api.published,
			Timings:   Timings{Settle: 2 * time.Second, Retry: 100 * time.Millisecond},
		})
		if err != nil {
			t.Fatal(err)
		}
		start(t, d)
		return d
	}
	a, b := replica(), replica()
	eventually(t, "both serve", func() bool { return a.Ready() == nil && b.Ready() == nil })
	if diff := cmp.Diff(string(a.Bundle()), string(b.Bundle())); diff != "" {
		t.Fatalf("two authorities: %s", diff)
	}
	api.publish(a.Bundle())
	verifies(t, api, a, b)

	first := a.Bundle()
	secret, err := client.CoreV1().Secrets(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"gitlatch.dev/owner": "gitlatch"}, secret.Labels); diff != "" {
		t.Error(diff)
	}
	eventually(t, "the authority stands beside its successor-to-be", func() bool {
		s, err := client.CoreV1().Secrets(namespace).Get(t.Context(), name, metav1.GetOptions{})
		secret = s
		return err == nil && string(s.Data[keyTrusted]) == string(first)
	})
	secret.Data[corev1.TLSCertKey] = nil // no authority any more: a new one is made
	if _, err := client.CoreV1().Secrets(namespace).Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	both := func(d *Dynamic) bool { return len(parse(d.Bundle())) == 2 }
	eventually(t, "both know both", func() bool { verifies(t, api, a, b); return both(a) && both(b) })
	late := replica() // comes up in the middle of it
	eventually(t, "a late replica knows both", func() bool { verifies(t, api, a, b); return both(late) })
	time.Sleep(500 * time.Millisecond)
	verifies(t, api, a, b)
	if served(t, a).CheckSignatureFrom(parse(first)[0]) != nil {
		t.Fatal("the new authority's certificate was served before it was published")
	}
	api.publish(a.Bundle())
	began := time.Now()
	renewed := func(d *Dynamic) bool {
		return served(t, d).CheckSignatureFrom(parse(first)[0]) != nil
	}
	eventually(t, "both serve the new one", func() bool { verifies(t, api, a, b); return renewed(a) && renewed(b) })
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("served after %s already", took)
	}
	eventually(t, "the late one serves", func() bool { return late.Ready() == nil })
	verifies(t, api, a, b, late)
}

func served(t *testing.T, d *Dynamic) *x509.Certificate {
	t.Helper()
	cert, err := d.GetCertificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// verifies: the API server, which trusts what is published, accepts each replica.
func verifies(t *testing.T, api *registration, replicas ...*Dynamic) {
	t.Helper()
	bundles, _ := api.published(t.Context())
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundles[0])
	for i, d := range replicas {
		if _, err := served(t, d).Verify(x509.VerifyOptions{Roots: roots, DNSName: "gitlatch-webhook.gitlatch-system.svc"}); err != nil {
			t.Fatalf("replica %d: %v", i, err)
		}
	}
}
