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
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// authorityOf is a certificate authority for tests.
type authorityOf struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authorityOf {
	t.Helper()
	a := &authorityOf{}
	a.cert, a.key = sign(t, name, nil, time.Now().Add(time.Hour))
	return a
}

func sign(t *testing.T, name string, by *authorityOf, until time.Time) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: until, BasicConstraintsValid: true,
		IsCA: by == nil, DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	parent, signer := template, key
	if by == nil {
		template.KeyUsage |= x509.KeyUsageCertSign
	} else {
		parent, signer = by.cert, by.key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func (a *authorityOf) bundle() []byte { return encode([]*x509.Certificate{a.cert}) }

// leaf is a certificate of this authority, as it is served.
func (a *authorityOf) leaf(t *testing.T, until time.Time) *tls.Certificate {
	t.Helper()
	cert, key := sign(t, "gate", a, until)
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

func TestACertificateOfANewAuthorityWaits(t *testing.T) {
	before, after := newAuthority(t, "old"), newAuthority(t, "new")
	serving := before.leaf(t, time.Now().Add(time.Hour))
	var bundles [][]byte
	var failure error
	clock := time.Now()
	o := overlap{
		published: func(context.Context) ([][]byte, error) { return bundles, failure },
		timings:   Timings{}.defaulted(),
		now:       func() time.Time { return clock },
	}
	both := append(append([]byte{}, before.bundle()...), after.bundle()...)
	for _, step := range []struct {
		what    string
		serving *tls.Certificate
		bundles [][]byte
		failure error
		passed  time.Duration
		want    bool
	}{
		{"the old bundle stands", serving, [][]byte{before.bundle(), before.bundle()}, nil, 0, false},
		{"one webhook has the new one", serving, [][]byte{both, before.bundle()}, nil, time.Minute, false},
		{"all have it", serving, [][]byte{both, both}, nil, time.Second, false},
		{"all had it for nine seconds", serving, [][]byte{both, both}, nil, 9 * time.Second, false},
		{"the API server can't be asked", serving, nil, errors.New("down"), 0, false},
		{"all had it for ten seconds", serving, [][]byte{both, both}, nil, time.Second, true},
		{"it was taken away again", serving, [][]byte{before.bundle()}, nil, 0, false},
		{"it is back, and stands anew", serving, [][]byte{both}, nil, time.Hour - 2*time.Minute, false},
		{"what is served is no longer trusted", serving, [][]byte{after.bundle()}, nil, 0, true},
		{"what was served has expired", serving, [][]byte{before.bundle()}, nil, time.Hour, true},
	} {
		clock, bundles, failure = clock.Add(step.passed), step.bundles, step.failure
		if got := o.admits(t.Context(), after.cert, step.serving); got != step.want {
			t.Errorf("%s: %t", step.what, got)
		}
	}
}

func TestAReplicaWithoutACertificateWaitsForAWhileOnly(t *testing.T) {
	before, after := newAuthority(t, "old"), newAuthority(t, "new")
	clock := time.Now()
	bundles := [][]byte{}
	o := overlap{
		published: func(context.Context) ([][]byte, error) { return bundles, nil },
		timings:   Timings{}.defaulted(),
		now:       func() time.Time { return clock },
	}
	var got []bool
	ask := func() { got = append(got, o.admits(t.Context(), after.cert, nil)) }
	ask() // nothing is registered
	bundles = [][]byte{after.bundle()}
	ask() // its bundle stands there
	bundles = [][]byte{before.bundle()}
	clock = clock.Add(time.Second)
	ask() // somebody has to publish it
	clock = clock.Add(15 * time.Second)
	ask() // perhaps it is us
	o.asked = nil
	ask() // it has to wait again
	clock = clock.Add(2 * time.Hour)
	o.asked = nil
	ask() // but not for what has expired
	if diff := cmp.Diff([]bool{true, true, false, true, false, true}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnAuthorityIsTrustedForAWhileAfterItWasReplaced(t *testing.T) {
	a, b, c := newAuthority(t, "a"), newAuthority(t, "b"), newAuthority(t, "c")
	var trusted trust
	now := time.Now()
	names := func() string {
		var out []string
		for _, c := range trusted.all() {
			out = append(out, c.Subject.CommonName)
		}
		return strings.Join(out, " ")
	}
	var got []string
	for _, step := range []struct {
		current *authorityOf
		passed  time.Duration
	}{{a, 0}, {a, time.Minute}, {b, time.Minute}, {c, time.Minute}, {c, 50 * time.Minute}, {c, time.Hour}} {
		now = now.Add(step.passed)
		trusted.replace([]*x509.Certificate{step.current.cert}, now, time.Hour)
		got = append(got, names())
	}
	// All have expired by the end; what is current is published anyway.
	if diff := cmp.Diff([]string{"a", "a", "b a", "c a b", "c a b", "c"}, got); diff != "" {
		t.Error(diff)
	}
}

func writePair(t *testing.T, dir string, leaf *tls.Certificate) (cert, key string) {
	t.Helper()
	encoded, encodedKey := pemPair(t, leaf.Leaf, leaf.PrivateKey)
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write(t, cert, encoded)
	write(t, key, encodedKey)
	return cert, key
}

func pemPair(t *testing.T, cert *x509.Certificate, key any) (encoded, encodedKey []byte) {
	t.Helper()
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return encode([]*x509.Certificate{cert}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestUnusableFilesAreOneClearLine(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	a := newAuthority(t, "a")
	cert, key := writePair(t, dir, a.leaf(t, time.Now().Add(time.Hour)))
	_, otherKey := writePair(t, other, a.leaf(t, time.Now().Add(time.Hour)))
	empty := filepath.Join(dir, "empty")
	write(t, empty, nil)
	for name, c := range map[string]struct {
		options FilesOptions
		want    string
	}{
		"no certificate": {FilesOptions{CertFile: dir + "/none", KeyFile: key},
			"reading the serving certificate: open " + dir + "/none: no such file or directory; check --tls-cert-file and --tls-key-file"},
		"no key": {FilesOptions{CertFile: cert, KeyFile: dir + "/none"},
			"reading the key of the serving certificate: open " + dir + "/none: no such file or directory; check --tls-cert-file and --tls-key-file"},
		"a key of another certificate": {FilesOptions{CertFile: cert, KeyFile: otherKey},
			"pairing " + cert + " with " + otherKey + ": tls: private key does not match public key; check --tls-cert-file and --tls-key-file"},
		"an empty certificate": {FilesOptions{CertFile: empty, KeyFile: key},
			"pairing " + empty + " with " + key + ": tls: failed to find any PEM data in certificate input; check --tls-cert-file and --tls-key-file"},
		"an empty authority": {FilesOptions{CertFile: cert, KeyFile: key, CAFile: empty},
			"reading the authorities of the serving certificate: " + empty + " holds no certificate; check --tls-ca-file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewFiles(c.options)
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestFilesAreFollowedWithoutARestart(t *testing.T) {
	dir := t.TempDir()
	before, after := newAuthority(t, "old"), newAuthority(t, "new")
	first := before.leaf(t, time.Now().Add(time.Hour))
	cert, key := writePair(t, dir, first)
	ca := filepath.Join(dir, "ca.crt")
	write(t, ca, before.bundle())
	published := make(chan []byte, 1)
	published <- before.bundle()
	f, err := NewFiles(FilesOptions{CertFile: cert, KeyFile: key, CAFile: ca,
		Published: func(context.Context) ([][]byte, error) {
			b := <-published
			published <- b
			return [][]byte{b}, nil
		},
		Timings: Timings{Settle: 500 * time.Millisecond, Retry: 20 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	start(t, f)
	want := `
		# HELP gitlatch_certificate_expiry_timestamp_seconds When the webhook's certificate ends, in seconds since the epoch: kind is ca or leaf.
		# TYPE gitlatch_certificate_expiry_timestamp_seconds gauge
		gitlatch_certificate_expiry_timestamp_seconds{kind="ca"} ` + number(before.cert.NotAfter) + `
		gitlatch_certificate_expiry_timestamp_seconds{kind="leaf"} ` + number(first.Leaf.NotAfter) + "\n"
	if err := testutil.CollectAndCompare(f, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	write(t, ca, after.bundle())
	second := after.leaf(t, time.Now().Add(2*time.Hour))
	writePair(t, dir, second)
	eventually(t, "both authorities are to be published", func() bool { return len(parse(f.Bundle())) == 2 })
	<-f.Changed()
	time.Sleep(300 * time.Millisecond)
	if got, err := f.GetCertificate(nil); err != nil || !got.Leaf.Equal(first.Leaf) {
		t.Errorf("served before it was published: %v", err)
	}
	<-published
	published <- f.Bundle()
	eventually(t, "the new certificate is served", func() bool {
		got, err := f.GetCertificate(nil)
		return err == nil && got.Leaf.Equal(second.Leaf)
	})
}

func start(t *testing.T, s Source) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("%s: not within a minute", what)
}
