package certificates

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// Two hundred writes a second, while the authority is deleted, spoilt and about to expire, the certificates are renewed,
// and replicas restart, the leader too, in the middle of a change: every answer is the right one, and the API server
// itself counts no call without an answer.
func TestCertificatesChangeUnderLoad(t *testing.T) {
	first := make([]string, here.Gate.Replicas())
	for i := range first {
		leaf, err := served(t.Context(), &here, i)
		world.Must(t, err)
		first[i] = leaf.SerialNumber.String()
	}
	before := count(t, &here)
	l := startLoad(t, &here)

	step := func(what string) { t.Logf("%s: %s", time.Now().Format("15:04:05.000"), what) }
	step("deleted")
	was := authority(t, &here)
	gone := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: gitlatch.Namespace, Name: secret}}
	world.Must(t, here.Client(t, gitlatch.SyncLogin).Delete(t.Context(), gone))
	mustServeAnew(t, &here, was)

	was = authority(t, &here)
	store(t, &here, map[string][]byte{"tls.crt": []byte("garbage"), "tls.key": {0, 1, 2}, "trusted.crt": []byte("-----BEGIN CERTIFICATE-----")})
	step("spoilt")
	follower := (leader(t, &here) + 1) % here.Gate.Replicas()
	restart(t, follower)
	mustServeAnew(t, &here, was)

	expiring, key := newAuthority(t, time.Now().Add(-time.Hour), time.Now().Add(10*time.Minute))
	storeAuthority(t, &here, expiring, key)
	step("expiring")
	restart(t, leader(t, &here))
	mustServeAnew(t, &here, expiring)

	step("to be renewed")
	world.Eventually(t, "every certificate to be renewed", 2*time.Minute, func(ctx context.Context) error {
		for i := range first {
			leaf, err := served(ctx, &here, i)
			if err != nil {
				return err
			}
			if leaf.SerialNumber.String() == first[i] {
				return fmt.Errorf("replica %d serves what it did", i)
			}
		}
		return nil
	})
	l.mustBeRight(t)
	mustHaveAsked(t, &here, before)
	l.mustBeAudited(t, &here)
}

func restart(t *testing.T, i int) {
	t.Helper()
	here.Gate.Terminate(i)
	world.Must(t, here.Gate.Start(t.Context(), i))
}
