package certificates

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// served is the certificate that replica i shows.
func served(ctx context.Context, w *world.World, i int) (*x509.Certificate, error) {
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: &tls.Config{InsecureSkipVerify: true}} // it is looked at, not trusted
	connection, err := dialer.DialContext(ctx, "tcp", strings.TrimPrefix(w.Gate.URL(i), "https://"))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// authority is the one in the Secret; nil: there is none at the moment.
func authority(t *testing.T, w *world.World) *x509.Certificate {
	t.Helper()
	kept := &corev1.Secret{}
	world.Must(t, client.IgnoreNotFound(w.Client(t, "admin").Get(t.Context(), client.ObjectKey{Namespace: gitlatch.Namespace, Name: secret}, kept)))
	return parse(kept.Data["ca.crt"])
}

// parse reads one certificate; nil: there is none.
func parse(encoded []byte) *x509.Certificate {
	block, _ := pem.Decode(encoded)
	if block == nil {
		return nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return cert
}

// mustServeAnew waits until there is another authority than before, and every replica serves under it.
func mustServeAnew(t *testing.T, w *world.World, before *x509.Certificate) {
	t.Helper()
	world.Eventually(t, "all replicas to serve under a new authority", 2*time.Minute, func(ctx context.Context) error {
		now := authority(t, w)
		if now == nil || before != nil && now.Equal(before) {
			return errors.New("there is no new authority")
		}
		for i := range w.Gate.Replicas() {
			leaf, err := served(ctx, w, i)
			if err != nil {
				return err
			}
			if err := leaf.CheckSignatureFrom(now); err != nil {
				return fmt.Errorf("replica %d serves under another: %w", i, err)
			}
		}
		return nil
	})
}

// leader is the replica that keeps the registration.
func leader(t *testing.T, w *world.World) int {
	t.Helper()
	found := -1
	world.Eventually(t, "a leader", time.Minute, func(ctx context.Context) error {
		lease := &coordinationv1.Lease{}
		if err := w.Client(t, "admin").Get(ctx, client.ObjectKey{Namespace: gitlatch.Namespace, Name: "gitlatch-webhook"}, lease); err != nil {
			return err
		}
		for i := range w.Gate.Replicas() {
			if lease.Spec.HolderIdentity != nil && strings.HasPrefix(*lease.Spec.HolderIdentity, w.Gate.Pod(i)+"_") {
				found = i
				return nil
			}
		}
		return errors.New("nobody holds the lease")
	})
	return found
}

// newAuthority makes one, with its key, that lives from then until then.
func newAuthority(t *testing.T, from, until time.Time) (cert *x509.Certificate, key *ecdsa.PrivateKey) {
	t.Helper()
	return sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "gitlatch-webhook-ca"}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}, nil, nil)
}

func sign(t *testing.T, template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	world.Must(t, err)
	if parent == nil {
		parent, by = template, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	world.Must(t, err)
	cert, err := x509.ParseCertificate(raw)
	world.Must(t, err)
	return cert, key
}

func pemOf(t *testing.T, cert *x509.Certificate, key *ecdsa.PrivateKey) (encoded, encodedKey []byte) {
	t.Helper()
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	world.Must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// store has git write the Secret; nobody else may.
func store(t *testing.T, w *world.World, data map[string][]byte) {
	t.Helper()
	c, kept := w.Client(t, gitlatch.SyncLogin), &corev1.Secret{}
	world.Eventually(t, "the Secret to be written", 30*time.Second, func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKey{Namespace: gitlatch.Namespace, Name: secret}, kept); err != nil {
			return err
		}
		kept.Data = data
		return c.Update(ctx, kept, client.FieldOwner(gitlatch.SyncFieldManager))
	})
}

// storeAuthority has git write an authority.
func storeAuthority(t *testing.T, w *world.World, cert *x509.Certificate, key *ecdsa.PrivateKey) {
	t.Helper()
	encoded, encodedKey := pemOf(t, cert, key)
	store(t, w, map[string][]byte{"tls.crt": encoded, "tls.key": encodedKey, "ca.crt": encoded})
}
