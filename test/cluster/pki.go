package cluster

import (
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
	"time"
)

// authority is the cluster's certificate authority: it signs serving certificates, the client certificates of
// components and nodes, and what the controller manager signs.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// Files in the authority's directory.
const (
	caCert            = "ca.crt"
	caKey             = "ca.key"
	accountKey        = "sa.key"
	accountPublicKey  = "sa.pub"
	apiServerCert     = "apiserver.crt"
	apiServerKey      = "apiserver.key"
	certificateMonths = 120
)

// openAuthority reads the authority of an earlier start in this directory, or makes a new one, together with the key
// that service-account tokens are signed with.
func openAuthority(dir string) (*authority, error) {
	a := &authority{dir: dir}
	err := a.load()
	if errors.Is(err, os.ErrNotExist) {
		err = a.create()
	}
	if err != nil {
		return nil, fmt.Errorf("opening the certificate authority: %w", err)
	}
	return a, nil
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) load() error {
	certPEM, err := os.ReadFile(a.path(caCert))
	if err != nil {
		return err
	}
	keyPEM, err := os.ReadFile(a.path(caKey))
	if err != nil {
		return err
	}
	certBlock, _ := pem.Decode(certPEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certBlock == nil || keyBlock == nil {
		return fmt.Errorf("reading %s and %s: no PEM", caCert, caKey)
	}
	if a.key, err = x509.ParseECPrivateKey(keyBlock.Bytes); err != nil {
		return err
	}
	a.pem = certPEM
	a.cert, err = x509.ParseCertificate(certBlock.Bytes)
	return err
}

func (a *authority) create() error {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	signerPEM, err := keyPEM(signer)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return err
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	template := template(pkix.Name{CommonName: "gitlatch-test-ca"})
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return err
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	ownKey, err := keyPEM(a.key)
	if err != nil {
		return err
	}
	// The certificate comes last: load takes its presence for the presence of all.
	return a.write(file{accountKey, signerPEM}, file{accountPublicKey, publicPEM},
		file{caKey, ownKey}, file{caCert, a.pem})
}

type file struct {
	name    string
	content []byte
}

func (a *authority) write(files ...file) error {
	for _, f := range files {
		if err := os.WriteFile(a.path(f.name), f.content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// serving issues the API server's certificate, for the names that clients in and out of the cluster know it by.
func (a *authority) serving() error {
	t := template(pkix.Name{CommonName: "kube-apiserver"})
	t.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc.cluster.local"}
	t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 0, 0, 1)}
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	cert, key, err := a.issue(t)
	if err != nil {
		return fmt.Errorf("issuing the API server's certificate: %w", err)
	}
	return a.write(file{apiServerCert, cert}, file{apiServerKey, key})
}

// client issues a certificate that the API server takes for this user and these groups.
func (a *authority) client(user string, groups ...string) (cert, key []byte, err error) {
	t := template(pkix.Name{CommonName: user, Organization: groups})
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if cert, key, err = a.issue(t); err != nil {
		return nil, nil, fmt.Errorf("issuing the certificate of %s: %w", user, err)
	}
	return cert, key, nil
}

func (a *authority) issue(t *x509.Certificate) (certPEM, privatePEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	privatePEM, err = keyPEM(key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), privatePEM, err
}

func template(subject pkix.Name) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // crypto/rand never fails
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    now.Add(-time.Hour), // clocks differ
		NotAfter:     now.AddDate(0, certificateMonths, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}
