package certificates

import (
	"crypto"
	"crypto/tls"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// FuzzUsable: whatever the authority's Secret holds, it is either replaced, for a reason that quotes nothing of it, or can
// sign: a certificate of an authority that is valid now, and its own key.
func FuzzUsable(f *testing.F) {
	made := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d := &Dynamic{options: DynamicOptions{CADuration: 24 * time.Hour, LeafDuration: time.Hour}, now: func() time.Time { return made }}
	cert, key, err := d.newPair()
	if err != nil {
		f.Fatal(err)
	}
	_, other, err := d.newPair()
	if err != nil {
		f.Fatal(err)
	}
	for _, at := range []int64{0, -3600, 15 * 3600, 17 * 3600, 48 * 3600} {
		f.Add(cert, key, true, at)
	}
	f.Add(cert, other, true, int64(0))
	f.Add(cert, key, false, int64(0))
	f.Add(key, cert, true, int64(0))
	f.Add([]byte(nil), []byte(nil), true, int64(0))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), key, true, int64(0))
	f.Fuzz(func(t *testing.T, cert, key []byte, listed bool, after int64) {
		now := made.Add(time.Duration(after%(1<<32)) * time.Second)
		data := map[string][]byte{corev1.TLSCertKey: cert, corev1.TLSPrivateKeyKey: key}
		if listed {
			data[keyCurrent] = cert
		}
		got, why := usable(&corev1.Secret{Data: data}, now)
		if (got == nil) != (why != "") {
			t.Fatalf("%v, and %q", got, why)
		}
		if got == nil {
			if !slices.Contains([]string{"there is none", "ca.crt and tls.crt differ", "certificate and key can't be read, or are not a pair", "its certificate is not that of an authority", "it is not valid yet", "two thirds of its life are over"}, why) {
				t.Errorf("it is replaced because %q", why)
			}
			return
		}
		if !listed || !got.cert.IsCA || now.Before(got.cert.NotBefore) || !now.Before(got.cert.NotAfter) {
			t.Errorf("at %s it is used from %s to %s, authority: %t", now, got.cert.NotBefore, got.cert.NotAfter, got.cert.IsCA)
		}
		if same, ok := got.cert.PublicKey.(interface{ Equal(x crypto.PublicKey) bool }); !ok || !same.Equal(got.key.Public()) {
			t.Error("its key is another's")
		}
		if _, err := tls.X509KeyPair(cert, key); err != nil {
			t.Errorf("it is used, and is no pair: %v", err)
		}
	})
}
