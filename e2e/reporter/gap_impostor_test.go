package reporter

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"net/url"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// impostor listens where the gate did, until it is told to leave, with a certificate of the gate's own authority that
// expired a minute ago.
func impostor(t *testing.T) (leave func()) {
	t.Helper()
	where, err := url.Parse(gate.URL(0))
	must(t, err)
	server := &http.Server{Addr: where.Host, ReadHeaderTimeout: time.Second, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{expired(t)}, MinVersion: tls.VersionTLS12,
	}, Handler: http.NotFoundHandler()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ListenAndServeTLS("", "")
	}()
	leave = func() {
		_ = server.Close()
		<-done
	}
	t.Cleanup(leave)
	return leave
}

// expired is issued by the authority that the gate keeps in its Secret.
func expired(t *testing.T) tls.Certificate {
	t.Helper()
	var kept corev1.Secret
	must(t, api(t, "admin").Get(t.Context(), client.ObjectKey{Namespace: gitlatch.Namespace, Name: "gitlatch-webhook-ca"}, &kept))
	authority, err := tls.X509KeyPair(kept.Data[corev1.TLSCertKey], kept.Data[corev1.TLSPrivateKeyKey])
	must(t, err)
	parent, err := x509.ParseCertificate(authority.Certificate[0])
	must(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(42), Subject: pkix.Name{CommonName: "gate"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(-time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, leaf, parent, &key.PublicKey, authority.PrivateKey)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}
