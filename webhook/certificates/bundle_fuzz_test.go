package certificates

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzBundle: whatever a Secret or a file holds, its certificates are read, and written in an order that all replicas
// agree on.
func FuzzBundle(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\nx\n-----BEGIN A-----\n-----END A-----\n"))
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	cert, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	f.Fuzz(func(t *testing.T, bundle []byte) {
		written := encode(parse(bundle))
		if diff := cmp.Diff(string(written), string(encode(parse(written)))); diff != "" {
			t.Errorf("(-once +twice):\n%s", diff)
		}
	})
}
