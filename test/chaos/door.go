package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"math/big"
	random "math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// door stands between the webhooks and the API server as a load balancer with TLS of its own does. It hands their
// requests on with their credentials, and answers some itself, as an API server does that is overloaded or broken.
type door struct {
	server    *http.Server
	listener  net.Listener
	authority []byte // PEM of who signed its certificate
	turned    atomic.Int64

	mu     sync.Mutex // guards what follows
	random *random.Rand
	share  float64 // of the requests that it answers itself
	code   int     // with this
	only   string  // those whose path holds this; empty: all
}

// newDoor opens one to the API server that this configuration, whose credentials are not used, is of.
func newDoor(to *rest.Config, r *random.Rand) (*door, error) {
	target, err := url.Parse(to.Host)
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(to.CAData) {
		return nil, errors.New("opening a door to the API server: its authority is not known")
	}
	own, authority, err := certificate()
	if err != nil {
		return nil, fmt.Errorf("making a certificate for the door: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &door{listener: listener, authority: authority, random: r}
	on := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64},
		FlushInterval: -1, // watches
		ErrorLog:      log.New(nobody{}, "", 0),
	}
	d.server = &http.Server{
		Handler: d.keep(on), TLSConfig: &tls.Config{Certificates: []tls.Certificate{own}}, ErrorLog: log.New(nobody{}, "", 0),
		ReadHeaderTimeout: 10 * time.Second,
	}
	go func() { _ = d.server.ServeTLS(listener, "", "") }() // ends with shut
	return d, nil
}

// nobody hears what a proxy says of connections that end.
type nobody struct{}

func (nobody) Write(p []byte) (int, error) { return len(p), nil }

func (d *door) url() string { return "https://" + d.listener.Addr().String() }

// turn has the door answer this share of the requests whose path holds some text with this code; a share of 0 is none.
func (d *door) turn(share float64, code int, only string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.share, d.code, d.only = share, code, only
}

func (d *door) shut() { _ = d.server.Close() }

// keep answers some requests itself.
func (d *door) keep(on http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		share, code := d.share, d.code
		answered := d.random.Float64() < share && strings.Contains(r.URL.Path, d.only)
		d.mu.Unlock()
		if !answered {
			on.ServeHTTP(w, r)
			return
		}
		d.turned.Add(1)
		refuse(w, code)
	})
}

// refuse says what an API server says: with 429 it asks to come back in a second.
func refuse(w http.ResponseWriter, code int) {
	said := metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code),
		Reason: metav1.StatusReasonInternalError, Message: "an error on the server",
	}
	if code == http.StatusTooManyRequests {
		said.Reason, said.Message = metav1.StatusReasonTooManyRequests, "too many requests, please try again later"
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(said)
}

// certificate is one for loopback, its own authority.
func certificate() (own tls.Certificate, authority []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return own, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "chaos"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return own, nil, err
	}
	own = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return own, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
