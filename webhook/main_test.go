package webhook

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/test/cluster"
)

// shared is the control plane of all tests of this package that need one. It is
// started by the first.
var shared struct {
	once    sync.Once
	cluster *cluster.Cluster
	err     error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.cluster != nil {
		if err := shared.cluster.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// controlPlane is a real control plane with Gitlatch's CRDs and no webhook
// registered.
func controlPlane(t *testing.T) *cluster.Cluster {
	t.Helper()
	shared.once.Do(func() {
		shared.cluster, shared.err = startControlPlane()
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.cluster
}

func startControlPlane() (*cluster.Cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	crds, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	c, err := cluster.Start(ctx, cluster.Options{Progress: os.Stderr})
	if err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"apply", "-f", crds + "/../manifests/crds/gitlatch.dev_changerecords.yaml", "-f", crds + "/../manifests/crds/gitlatch.dev_changepolicies.yaml"},
		{"wait", "--for=condition=Established", "--timeout=60s", "crd/changerecords.gitlatch.dev", "crd/changepolicies.gitlatch.dev"},
	} {
		if _, errs, code := c.Kubectl(ctx, "admin", "", args...); code != 0 {
			return c, fmt.Errorf("applying the CRDs: %s", errs)
		}
	}
	return c, nil
}
