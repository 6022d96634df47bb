package certificates

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"time"
)

// parse reads the certificates of a bundle; what is none is passed over.
func parse(bundle []byte) []*x509.Certificate {
	var out []*x509.Certificate
	for len(bundle) > 0 {
		var block *pem.Block
		if block, bundle = pem.Decode(bundle); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			out = append(out, cert)
		}
	}
	return out
}

// encode writes a bundle, in an order that depends on its content alone, so that
// all replicas agree on the bytes. nil when there is nothing.
func encode(certs []*x509.Certificate) []byte {
	certs = slices.Clone(certs)
	slices.SortFunc(certs, func(a, b *x509.Certificate) int {
		if c := b.NotBefore.Compare(a.NotBefore); c != 0 {
			return c
		}
		return bytes.Compare(a.Raw, b.Raw)
	})
	var out bytes.Buffer
	for _, c := range certs {
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a Buffer takes all
	}
	return out.Bytes()
}

func contains(certs []*x509.Certificate, c *x509.Certificate) bool {
	return slices.ContainsFunc(certs, c.Equal)
}

// issuer finds who signed the leaf; nil: none of them.
func issuer(leaf *x509.Certificate, authorities []*x509.Certificate) *x509.Certificate {
	for _, ca := range authorities {
		if leaf.CheckSignatureFrom(ca) == nil {
			return ca
		}
	}
	return nil
}

// trust is the current authorities and, for a while, those before them.
type trust struct {
	current  []*x509.Certificate
	previous []retired
}

type retired struct {
	authority *x509.Certificate
	since     time.Time
}

// replace makes certs the current ones. What was current and is no more stays
// trusted for keep, since other replicas still serve its certificates.
func (t *trust) replace(certs []*x509.Certificate, now time.Time, keep time.Duration) {
	for _, c := range t.current {
		t.retire(c, certs, now)
	}
	t.current = certs
	t.previous = slices.DeleteFunc(t.previous, func(r retired) bool {
		return contains(certs, r.authority) || now.Sub(r.since) > keep || now.After(r.authority.NotAfter)
	})
}

// retire keeps c as a previous authority, unless it is a current one.
func (t *trust) retire(c *x509.Certificate, current []*x509.Certificate, now time.Time) {
	known := slices.ContainsFunc(t.previous, func(r retired) bool { return r.authority.Equal(c) })
	if !known && !contains(current, c) {
		t.previous = append(t.previous, retired{authority: c, since: now})
	}
}

func (t *trust) all() []*x509.Certificate {
	out := slices.Clone(t.current)
	for _, r := range t.previous {
		out = append(out, r.authority)
	}
	return out
}
