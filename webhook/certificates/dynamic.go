package certificates

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync"
	"time"

	servertls "github.com/cert-manager/cert-manager/pkg/server/tls"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// CommonName of the authority's certificate.
const CommonName = "gitlatch-webhook-ca"

// DynamicOptions say where the authority is kept and what it signs.
type DynamicOptions struct {
	// Config reaches the API server. Rights needed on the one Secret: get, watch,
	// update by name; create in its namespace (RBAC can't name what is not
	// there yet).
	Config *rest.Config
	// Namespace and Secret are where the authority is kept.
	Namespace, Secret string
	// DNSNames are who the certificate speaks for, such as
	// "gitlatch-webhook.gitlatch-system.svc"; an IP address may stand among them.
	DNSNames []string
	// Published reads what the API server trusts; nil: certificates of a new
	// authority are served at once.
	Published Published
	// CADuration is the authority's lifetime; it is renewed after two thirds. Left
	// out: 365 days.
	CADuration time.Duration
	// LeafDuration is a serving certificate's lifetime; it is renewed after half. Left
	// out: 7 days.
	LeafDuration time.Duration
	// Timings of a change of the authority.
	Timings Timings
}

// Dynamic keeps an authority in a Secret that all replicas share, and issues its
// own certificate in memory.
type Dynamic struct {
	options DynamicOptions
	now     func() time.Time
	source  *servertls.DynamicSource
	client  secrets
	changed chan struct{}

	signing sync.Mutex // guards overlap
	overlap overlap

	mu      sync.Mutex // guards what follows
	trust   trust
	signer  *pair            // the current authority; nil: not read yet
	serving *tls.Certificate // the last one that was signed
	rotated []chan<- struct{}

	// What follows is used by follow alone.
	version  string    // of the Secret that was read last
	replaced time.Time // when this replica made an authority last
}

// NewDynamic readies the source; Start runs it.
func NewDynamic(options DynamicOptions) (*Dynamic, error) {
	return newDynamic(options, time.Now)
}

func newDynamic(options DynamicOptions, now func() time.Time) (*Dynamic, error) {
	options.Timings = options.Timings.defaulted()
	or(&options.CADuration, 365*24*time.Hour)
	or(&options.LeafDuration, 7*24*time.Hour)
	client, err := kubernetes.NewForConfig(options.Config)
	if err != nil {
		return nil, fmt.Errorf("reaching the API server for the serving certificate: %w", err)
	}
	d := &Dynamic{
		options: options,
		now:     now,
		client:  client.CoreV1().Secrets(options.Namespace),
		changed: make(chan struct{}, 1),
		overlap: overlap{published: options.Published, timings: options.Timings, now: now},
	}
	d.source = &servertls.DynamicSource{
		DNSNames:      options.DNSNames,
		Authority:     &patient{d},
		RetryInterval: options.Timings.Retry,
	}
	return d, nil
}

// Start implements [Source].
func (d *Dynamic) Start(ctx context.Context) error {
	// The library tells at Info about every try; it is heard at V(1), with its errors.
	ctx = log.IntoContext(ctx, log.FromContext(ctx).WithName("certificates").V(1))
	err := d.source.Start(ctx)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("keeping the serving certificate in Secret %s/%s: %w", d.options.Namespace, d.options.Secret, err)
	}
	return nil
}

// NeedLeaderElection implements [Source].
func (d *Dynamic) NeedLeaderElection() bool { return false }

// GetCertificate implements [Source]. Who comes a moment before there is one waits:
// to be turned away is an open gate.
func (d *Dynamic) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	for end := time.Now().Add(patience); !d.source.Healthy(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return nil, ErrNotAvailable
		}
	}
	return d.source.GetCertificate(hello)
}

// Ready implements [Source].
func (d *Dynamic) Ready() error {
	if !d.source.Healthy() || d.Bundle() == nil {
		return ErrNotAvailable
	}
	if cert, err := d.source.GetCertificate(nil); err == nil && d.now().After(cert.Leaf.NotAfter) {
		return errExpired
	}
	return nil
}

// Bundle implements [Source].
func (d *Dynamic) Bundle() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return encode(d.trust.all())
}

// Changed implements [Source].
func (d *Dynamic) Changed() <-chan struct{} { return d.changed }

// Describe implements prometheus.Collector.
func (d *Dynamic) Describe(ch chan<- *prometheus.Desc) { d.expiry().describe(ch) }

// Collect implements prometheus.Collector.
func (d *Dynamic) Collect(ch chan<- prometheus.Metric) { d.expiry().collect(ch) }

func (d *Dynamic) expiry() expiry {
	return expiry{
		ca: func() time.Time {
			d.mu.Lock()
			defer d.mu.Unlock()
			return earliest(d.trust.current)
		},
		leaf: func() time.Time {
			cert, err := d.source.GetCertificate(nil)
			if err != nil || cert.Leaf == nil {
				return time.Time{}
			}
			return cert.Leaf.NotAfter
		},
	}
}

func earliest(certs []*x509.Certificate) time.Time {
	var out time.Time
	for _, c := range certs {
		if out.IsZero() || c.NotAfter.Before(out) {
			out = c.NotAfter
		}
	}
	return out
}

// patience is less than the API server's own, three seconds.
const patience = 2 * time.Second

// lookup bounds one call to the API server.
const lookup = 5 * time.Second
