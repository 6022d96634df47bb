package heartbeat

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
)

// selfSigned is a certificate for localhost that is good until a time.
func selfSigned(t *testing.T, until time.Time) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gate"}, NotBefore: until.Add(-time.Hour), NotAfter: until,
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}

// serve answers handshakes until the test ends.
func serve(t *testing.T, certificate tls.Certificate) (url string) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = conn.(*tls.Conn).Handshake()
				_ = conn.Close()
			}()
		}
	}()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "https://localhost:" + port + "/gate"
}

func TestConnectingToTheGate(t *testing.T) {
	soon := noon.Add(10 * time.Minute)
	certificate, bundle := selfSigned(t, soon)
	_, foreign := selfSigned(t, soon)
	there := serve(t, certificate)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere := "https://" + closed.Addr().String()
	_ = closed.Close()
	empty := balancer(t)
	for name, tc := range map[string]struct {
		url    string
		bundle []byte
		now    time.Time
		want   reached
	}{
		"a gate with a good certificate":       {there, bundle, noon, reached{answered: true, expires: soon}},
		"one whose certificate is out of date": {there, bundle, soon.Add(time.Minute), reached{answered: true, expires: soon, expired: true}},
		"one of another authority":             {there, foreign, noon, reached{answered: true, expires: soon}},
		"nobody listens":                       {nowhere, bundle, noon, reached{refused: true}},
		"a balancer with nobody behind it":     {empty, bundle, noon, reached{refused: true}},
		"a name that is not known here":        {"https://gate.invalid", bundle, noon, reached{}},
		"no place at all":                      {"", bundle, noon, reached{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := reach(t.Context(), &admissionv1.WebhookClientConfig{URL: &tc.url, CABundle: tc.bundle}, tc.now)
			if (got.detail == "") != (got.answered && name == "a gate with a good certificate") {
				t.Errorf("it says %q", got.detail)
			}
			got.detail = ""
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(reached{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// balancer takes connections and has nobody to give them to.
func balancer(t *testing.T) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	return "https://" + listener.Addr().String() + "/gate"
}

func TestWhereTheGateIs(t *testing.T) {
	for name, tc := range map[string]struct {
		config              admissionv1.WebhookClientConfig
		address, serverName string
	}{
		"a Service":             {admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: "gitlatch-system", Name: "gate"}}, "gate.gitlatch-system.svc:443", "gate.gitlatch-system.svc"},
		"a port of its own":     {admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: "n", Name: "gate", Port: ptr(int32(9443))}}, "gate.n.svc:9443", "gate.n.svc"},
		"a URL":                 {admissionv1.WebhookClientConfig{URL: ptr("https://10.0.0.5/gate")}, "10.0.0.5:443", "10.0.0.5"},
		"a URL that is garbage": {admissionv1.WebhookClientConfig{URL: ptr("::")}, "", ""},
		"neither":               {admissionv1.WebhookClientConfig{}, "", ""},
	} {
		address, serverName, err := target(&tc.config)
		if address != tc.address || serverName != tc.serverName || (err == nil) != (address != "") {
			t.Errorf("%s: %q %q %v", name, address, serverName, err)
		}
	}
}

func TestWhatConnectingExplains(t *testing.T) {
	passed := []Fault{{Cause: CauseNotAsked, Detail: "it passed"}}
	other := []Fault{{Cause: CauseNoAnswer, Detail: "it did not answer"}}
	for name, tc := range map[string]struct {
		reached reached
		faults  []Fault
		want    []Fault
	}{
		"all is well":                          {reached{answered: true}, nil, nil},
		"it passed, and the gate is there":     {reached{answered: true}, passed, passed},
		"it passed, and nothing can be told":   {reached{detail: "no such host"}, passed, passed},
		"it passed, and nobody listens":        {reached{refused: true, detail: "connection refused"}, passed, []Fault{{Cause: CauseNoAnswer, Detail: "it passed; connecting to the gate: connection refused"}}},
		"it passed, as the certificate is old": {reached{answered: true, expired: true, expires: noon}, passed, []Fault{{Cause: CauseCertificateExpired, Detail: "it passed; the gate's certificate expired at 2026-03-02T12:00:00Z"}}},
		"it is asked, and its certificate old": {reached{answered: true, expired: true, expires: noon}, nil, []Fault{{Cause: CauseCertificateExpired, Detail: "the gate's certificate expired at 2026-03-02T12:00:00Z; only connections from before still work"}}},
		"the API server knows better":          {reached{refused: true}, other, other},
	} {
		t.Run(name, func(t *testing.T) {
			var faults []Fault
			faults = append(faults, tc.faults...)
			if diff := cmp.Diff(tc.want, tc.reached.explain(faults)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
