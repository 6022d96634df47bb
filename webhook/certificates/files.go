package certificates

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// FilesOptions say where the certificate is read from.
type FilesOptions struct {
	// CertFile and KeyFile hold the certificate, with its chain, and its key, as PEM.
	CertFile, KeyFile string
	// CAFile holds the authorities to publish, as PEM, such as the ca.crt that
	// cert-manager puts beside a certificate. Left out: somebody else injects them.
	CAFile string
	// Published and Timings as in [DynamicOptions]; they count with a CAFile only.
	Published Published
	Timings   Timings
}

// Files serves a certificate that somebody else renews on disk.
type Files struct {
	options FilesOptions
	watcher *certwatcher.CertWatcher
	changed chan struct{}
	overlap overlap

	mu      sync.Mutex // guards what follows
	trust   trust
	serving *tls.Certificate
}

// NewFiles reads the files. Its error is one line that names the file and says
// what to do: a program that starts with it can't serve.
func NewFiles(options FilesOptions) (*Files, error) {
	options.Timings = options.Timings.defaulted()
	if err := check(options); err != nil {
		return nil, err
	}
	watcher, err := certwatcher.New(options.CertFile, options.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the serving certificate %s: %w", options.CertFile, err)
	}
	f := &Files{
		options: options,
		watcher: watcher,
		changed: make(chan struct{}, 1),
		overlap: overlap{published: options.Published, timings: options.Timings, now: time.Now},
	}
	if err := f.readTrust(); err != nil {
		return nil, err
	}
	// What is there at the start is all there is.
	f.serving, err = watcher.GetCertificate(nil)
	return f, err
}

func check(o FilesOptions) error {
	const advice = "check --tls-cert-file and --tls-key-file"
	cert, err := os.ReadFile(o.CertFile)
	if err != nil {
		return fmt.Errorf("reading the serving certificate: %w; %s", err, advice)
	}
	key, err := os.ReadFile(o.KeyFile)
	if err != nil {
		return fmt.Errorf("reading the key of the serving certificate: %w; %s", err, advice)
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		return fmt.Errorf("pairing %s with %s: %w; %s", o.CertFile, o.KeyFile, err, advice)
	}
	return nil
}

// Start implements [Source].
func (f *Files) Start(ctx context.Context) error {
	watching := make(chan error, 1)
	go func() { watching <- f.watcher.Start(ctx) }()
	ticker := time.NewTicker(f.options.Timings.Retry)
	defer ticker.Stop()
	for {
		select {
		case err := <-watching:
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("watching the serving certificate %s: %w", f.options.CertFile, err)
			}
			return nil
		case <-ticker.C:
			if err := f.advance(ctx); err != nil {
				log.FromContext(ctx).Error(err, "reading the authorities")
			}
		}
	}
}

// advance serves the newest certificate once its authority is trusted.
func (f *Files) advance(ctx context.Context) error {
	if err := f.readTrust(); err != nil {
		return err
	}
	next, err := f.watcher.GetCertificate(nil)
	if err != nil {
		return err
	}
	f.mu.Lock()
	serving, authorities := f.serving, f.trust.all()
	f.mu.Unlock()
	if serving == next {
		return nil
	}
	if ca := issuer(next.Leaf, authorities); ca != nil && !f.overlap.admits(ctx, ca, serving) {
		return nil
	}
	f.mu.Lock()
	f.serving = next
	f.mu.Unlock()
	return nil
}

func (f *Files) readTrust() error {
	if f.options.CAFile == "" {
		return nil
	}
	pem, err := os.ReadFile(f.options.CAFile)
	if err != nil {
		return fmt.Errorf("reading the authorities of the serving certificate: %w; check --tls-ca-file", err)
	}
	certs := parse(pem)
	if len(certs) == 0 {
		return fmt.Errorf("reading the authorities of the serving certificate: %s holds no certificate; check --tls-ca-file", f.options.CAFile)
	}
	f.mu.Lock()
	before := encode(f.trust.all())
	f.trust.replace(certs, time.Now(), f.options.Timings.Keep)
	after := encode(f.trust.all())
	f.mu.Unlock()
	if !bytes.Equal(before, after) {
		notify(f.changed)
	}
	return nil
}

// NeedLeaderElection implements [Source].
func (f *Files) NeedLeaderElection() bool { return false }

// GetCertificate implements [Source].
func (f *Files) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.serving == nil {
		return nil, ErrNotAvailable
	}
	return f.serving, nil
}

// Ready implements [Source].
func (f *Files) Ready() error {
	cert, err := f.GetCertificate(nil)
	if err != nil {
		return err
	}
	if cert.Leaf != nil && time.Now().After(cert.Leaf.NotAfter) {
		return errExpired
	}
	return nil
}

// Bundle implements [Source].
func (f *Files) Bundle() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return encode(f.trust.all())
}

// Changed implements [Source].
func (f *Files) Changed() <-chan struct{} { return f.changed }

// Describe implements prometheus.Collector.
func (f *Files) Describe(ch chan<- *prometheus.Desc) { f.expiry().describe(ch) }

// Collect implements prometheus.Collector.
func (f *Files) Collect(ch chan<- prometheus.Metric) { f.expiry().collect(ch) }

func (f *Files) expiry() expiry {
	return expiry{
		ca: func() time.Time {
			f.mu.Lock()
			defer f.mu.Unlock()
			return earliest(f.trust.current)
		},
		leaf: func() time.Time {
			cert, err := f.GetCertificate(nil)
			if err != nil || cert.Leaf == nil {
				return time.Time{}
			}
			return cert.Leaf.NotAfter
		},
	}
}
