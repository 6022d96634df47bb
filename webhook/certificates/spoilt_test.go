package certificates

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Whatever becomes of the Secret, the replicas make another authority and go on trusting the one that was there, whose
// certificates are still served.
func TestASpoiltSecretIsMended(t *testing.T) {
	startControl(t)
	secrets := kubernetes.NewForConfigOrDie(control.Config("admin")).CoreV1().Secrets("default")
	old := newAuthority(t, "old")
	expired, key := sign(t, "expired", nil, time.Now().Add(-time.Second))
	cert, certKey := pemPair(t, old.cert, old.key)
	otherCert, otherKey := pemPair(t, expired, key)
	leaf := old.leaf(t, time.Now().Add(time.Hour))
	leafCert, leafKey := pemPair(t, leaf.Leaf, leaf.PrivateKey)
	for name, spoilt := range map[string]map[string][]byte{
		"deleted":              nil,
		"emptied":              {},
		"without-a-key":        {"tls.crt": cert, "ca.crt": cert},
		"of-two-minds":         {"tls.crt": cert, "tls.key": certKey, "ca.crt": otherCert},
		"garbage":              {"tls.crt": []byte("x"), "tls.key": {0}, "ca.crt": []byte("x"), "trusted.crt": []byte("-----BEGIN")},
		"no-pair":              {"tls.crt": cert, "tls.key": otherKey, "ca.crt": cert},
		"no-authority":         {"tls.crt": leafCert, "tls.key": leafKey, "ca.crt": leafCert},
		"an-expired-authority": {"tls.crt": otherCert, "tls.key": otherKey, "ca.crt": otherCert},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // a replica makes one authority in ten seconds at most
			d := skewed(t, name, 0)
			eventually(t, "it has a certificate", func() bool { return d.Ready() == nil })
			before := parse(d.Bundle())[0]
			kept, err := secrets.Get(t.Context(), name, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if spoilt == nil {
				err = secrets.Delete(t.Context(), name, metav1.DeleteOptions{})
			} else {
				kept.Data = spoilt
				_, err = secrets.Update(t.Context(), kept, metav1.UpdateOptions{})
			}
			if err != nil {
				t.Fatal(err)
			}
			var mended *corev1.Secret
			eventually(t, "there is another authority", func() bool {
				mended, err = secrets.Get(t.Context(), name, metav1.GetOptions{})
				if err != nil {
					return false
				}
				now, wrong := usable(mended, time.Now())
				return wrong == "" && !now.cert.Equal(before) && contains(parse(d.Bundle()), now.cert)
			})
			if !contains(parse(d.Bundle()), before) || !contains(parse(mended.Data[keyTrusted]), before) {
				t.Error("the authority before is no longer trusted")
			}
			if contains(parse(d.Bundle()), leaf.Leaf) || contains(parse(d.Bundle()), expired) {
				t.Error("what is no authority, or has expired, is trusted")
			}
		})
	}
}
