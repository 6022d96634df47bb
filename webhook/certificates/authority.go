package certificates

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/cert-manager/cert-manager/pkg/server/tls/authority"
	corev1 "k8s.io/api/core/v1"
)

/*
The library's authority dates what it makes from now on, by the replica's clock. The
API server checks by its own: a certificate that comes from a clock five minutes
ahead can't be used for five minutes, and under Ignore that is an open gate. So the
authority is ours. Its Secret is laid out as the library's, so that either reads what
the other wrote.

Both certificates begin in the past, by half of what a serving certificate lives.
Such a certificate is renewed at half of its life. So a clock may be wrong by that
much, 3.5 days by default, ahead or behind.
*/

// pair is an authority's certificate and its key.
type pair struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// backdate is how long before now a certificate begins.
func (o *DynamicOptions) backdate() time.Duration { return o.LeafDuration / 2 }

// newPair makes an authority, and the PEM that the Secret keeps of it.
func (d *Dynamic) newPair() (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making the key of an authority: %w", err)
	}
	now := d.now()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: CommonName},
		BasicConstraintsValid: true, IsCA: true,
		NotBefore: now.Add(-d.options.backdate()),
		NotAfter:  now.Add(d.options.CADuration),
		KeyUsage:  x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("signing the certificate of an authority: %w", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the key of an authority: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), nil
}

// usable reads the authority in the Secret, or says why it has to be replaced.
func usable(secret *corev1.Secret, now time.Time) (*pair, string) {
	cert, key := secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey]
	switch {
	case len(cert) == 0 || len(key) == 0:
		return nil, "there is none"
	case !bytes.Equal(cert, secret.Data[keyCurrent]):
		return nil, "ca.crt and tls.crt differ"
	}
	both, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, "certificate and key can't be read, or are not a pair"
	}
	signer, ok := both.PrivateKey.(crypto.Signer)
	ca := both.Leaf
	switch {
	case !ok || !ca.IsCA:
		return nil, "its certificate is not that of an authority"
	case now.Before(ca.NotBefore):
		return nil, "it is not valid yet" // made by a clock that is far ahead
	case ca.NotAfter.Sub(now) < ca.NotAfter.Sub(ca.NotBefore)/3:
		return nil, "two thirds of its life are over"
	}
	return &pair{cert: ca, key: signer}, ""
}

// patient is the authority that the library's source asks to sign. It signs for a
// new authority only when the API server trusts that one. Until then the source
// keeps what it has and asks again.
type patient struct{ *Dynamic }

// Run implements the library's Authority.
func (p *patient) Run(ctx context.Context) error { return p.follow(ctx) }

// WatchRotation implements the library's Authority.
func (p *patient) WatchRotation(ch chan<- struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rotated = append(p.rotated, ch)
}

// StopWatchingRotation implements the library's Authority.
func (p *patient) StopWatchingRotation(ch chan<- struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rotated = slices.DeleteFunc(p.rotated, func(c chan<- struct{}) bool { return c == ch })
}

// Sign implements the library's Authority.
func (p *patient) Sign(template *x509.Certificate) (*x509.Certificate, error) {
	p.signing.Lock()
	defer p.signing.Unlock()
	p.mu.Lock()
	by, serving := p.signer, p.serving
	p.mu.Unlock()
	if by == nil {
		return nil, authority.ErrCertificateNotAvailable
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookup)
	defer cancel()
	if !p.overlap.admits(ctx, by.cert, serving) { // wait for the bundle
		return nil, authority.ErrCertificateNotAvailable
	}
	leaf, err := p.issue(template, by)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.serving = &tls.Certificate{Leaf: leaf}
	p.mu.Unlock()
	return leaf, nil
}

// issue fills in the template and signs it.
func (p *patient) issue(template *x509.Certificate, by *pair) (*x509.Certificate, error) {
	now := p.now()
	template.BasicConstraintsValid = true
	template.DNSNames, template.IPAddresses = byKind(p.options.DNSNames)
	template.NotBefore = now.Add(-p.options.backdate())
	template.NotAfter = now.Add(p.options.LeafDuration)
	if by.cert.NotAfter.Before(template.NotAfter) {
		template.NotAfter = by.cert.NotAfter // nobody would accept it for longer
	}
	if !template.NotAfter.After(now) {
		return nil, fmt.Errorf("signing a serving certificate: the authority ended at %s", by.cert.NotAfter.UTC().Format(time.RFC3339))
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, by.cert, template.PublicKey, by.key)
	if err != nil {
		return nil, fmt.Errorf("signing a serving certificate: %w", err)
	}
	return x509.ParseCertificate(raw)
}

// byKind tells addresses from names: the library knows names only, and the URL
// of a webhook outside the cluster may have an address.
func byKind(hosts []string) (names []string, addresses []net.IP) {
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			addresses = append(addresses, ip)
			continue
		}
		names = append(names, h)
	}
	return names, addresses
}
