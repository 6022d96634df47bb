package certificates

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// Two hundred writes a second are asked for, while the authority is deleted, made by a clock that is wrong, spoilt and about to expire,
// the certificates are renewed, and replicas restart, the leader too, in the middle of a change: every answer is the right
// one, and the API server itself counts no call without an answer.
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
	ahead := mustServeUnderAClockAhead(t, was)

	was = ahead
	store(t, &here, map[string][]byte{"tls.crt": []byte("garbage"), "tls.key": {0, 1, 2}, "trusted.crt": []byte("-----BEGIN CERTIFICATE-----")})
	step("spoilt")
	follower := (leader(t, &here) + 1) % here.Gate.Replicas()
	restart(t, follower)
	mustServeAnew(t, &here, was)

	expiring, key := newAuthority(t, time.Now().Add(-time.Hour), time.Now().Add(10*time.Minute))
	storeAuthority(t, &here, expiring, key)
	step("expiring")
	restart(t, leader(t, &here))
	future := mustReplaceTheFuture(t)
	step("from the future")
	mustServeAnew(t, &here, future)

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

// mustServeUnderAClockAhead leaves the authority that a replica makes whose clock is twenty seconds ahead: it begins half of
// a certificate's life before it is made (docs/decisions/0029), so everybody may use it at once. Nobody replaces it.
func mustServeUnderAClockAhead(t *testing.T, before *x509.Certificate) *x509.Certificate {
	t.Helper()
	wrong := time.Now().Add(20 * time.Second)
	ahead, key := newAuthority(t, wrong.Add(-certificateLife/2), wrong.Add(authorityLife))
	world.Eventually(t, "the authority to be made anew", 30*time.Second, func(context.Context) error {
		if now := authority(t, &here); now == nil || now.Equal(before) {
			return errors.New("it is not there")
		}
		return nil
	})
	storeAuthority(t, &here, ahead, key)
	mustServeAnew(t, &here, before)
	if now := authority(t, &here); !now.Equal(ahead) {
		t.Errorf("the authority of the clock that is ahead was replaced by one that begins at %s", now.NotBefore)
	}
	return ahead
}

// mustReplaceTheFuture leaves an authority that is not valid for an hour to come, and waits until it is replaced.
func mustReplaceTheFuture(t *testing.T) *x509.Certificate {
	t.Helper()
	future, key := newAuthority(t, time.Now().Add(time.Hour), time.Now().Add(time.Hour+authorityLife))
	storeAuthority(t, &here, future, key)
	world.Eventually(t, "the authority from the future to be replaced", time.Minute, func(context.Context) error {
		if now := authority(t, &here); now == nil || now.NotBefore.After(time.Now()) {
			return errors.New("it is still there")
		}
		return nil
	})
	return future
}

func restart(t *testing.T, i int) {
	t.Helper()
	here.Gate.Terminate(i)
	world.Must(t, here.Gate.Start(t.Context(), i))
}
