package certificates

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync"
	"time"

	servertls "github.com/cert-manager/cert-manager/pkg/server/tls"
	"github.com/cert-manager/cert-manager/pkg/server/tls/authority"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// CommonName of the authority's certificate.
const CommonName = "gitlatch-webhook-ca"

// DynamicOptions say where the authority is kept and what it signs.
type DynamicOptions struct {
	// Config reaches the API server. Rights needed on the one Secret: get, list,
	// watch, update by name; create in its namespace (RBAC can't name what is not
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
	// CADuration and LeafDuration are the lifetimes; both are renewed after two
	// thirds. Left out: 365 days and 7 days.
	CADuration, LeafDuration time.Duration
	// Timings of a change of the authority.
	Timings Timings
}

// Dynamic keeps an authority in a Secret that all replicas share, and issues its
// own certificate in memory.
type Dynamic struct {
	options DynamicOptions
	inner   *authority.DynamicAuthority
	source  *servertls.DynamicSource
	client  secrets
	changed chan struct{}

	signing sync.Mutex // guards overlap
	overlap overlap

	mu      sync.Mutex // guards what follows
	trust   trust
	serving *tls.Certificate // the last one that was signed
}

// NewDynamic readies the source; Start runs it.
func NewDynamic(options DynamicOptions) (*Dynamic, error) {
	options.Timings = options.Timings.defaulted()
	client, err := kubernetes.NewForConfig(options.Config)
	if err != nil {
		return nil, fmt.Errorf("reaching the API server for the serving certificate: %w", err)
	}
	d := &Dynamic{
		options: options,
		client:  client.CoreV1().Secrets(options.Namespace),
		changed: make(chan struct{}, 1),
		overlap: overlap{published: options.Published, timings: options.Timings, now: time.Now},
		inner: &authority.DynamicAuthority{
			SecretNamespace: options.Namespace,
			SecretName:      options.Secret,
			SecretLabels:    map[string]string{v1alpha1.LabelOwner: "gitlatch"},
			RESTConfig:      options.Config,
			CommonName:      CommonName,
			CADuration:      options.CADuration,
			LeafDuration:    options.LeafDuration,
		},
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
	rotated := make(chan struct{}, 1)
	d.inner.WatchRotation(rotated)
	defer d.inner.StopWatchingRotation(rotated)
	following := make(chan struct{})
	followed, stop := context.WithCancel(ctx)
	go func() {
		defer close(following)
		d.follow(followed, rotated)
	}()
	err := d.source.Start(ctx)
	stop()
	<-following
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("keeping the serving certificate in Secret %s/%s: %w", d.options.Namespace, d.options.Secret, err)
	}
	return nil
}

// NeedLeaderElection implements [Source].
func (d *Dynamic) NeedLeaderElection() bool { return false }

// GetCertificate implements [Source].
func (d *Dynamic) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if !d.source.Healthy() {
		return nil, ErrNotAvailable
	}
	return d.source.GetCertificate(hello)
}

// Ready implements [Source].
func (d *Dynamic) Ready() error {
	if !d.source.Healthy() || d.Bundle() == nil {
		return ErrNotAvailable
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

// patient is the library's authority, but it signs for a new authority only when
// the API server trusts it. The library then keeps what it has and asks again.
type patient struct{ *Dynamic }

func (p *patient) Run(ctx context.Context) error           { return p.inner.Run(ctx) }
func (p *patient) WatchRotation(ch chan<- struct{})        { p.inner.WatchRotation(ch) }
func (p *patient) StopWatchingRotation(ch chan<- struct{}) { p.inner.StopWatchingRotation(ch) }
func (p *patient) Sign(template *x509.Certificate) (*x509.Certificate, error) {
	p.signing.Lock()
	defer p.signing.Unlock()
	template.DNSNames, template.IPAddresses = byKind(p.options.DNSNames)
	leaf, err := p.inner.Sign(template)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookup)
	defer cancel()
	ca, serving := p.signer(leaf)
	if ca == nil { // the Secret was not read yet since the authority changed
		if err := p.read(ctx); err != nil {
			return nil, err
		}
		ca, serving = p.signer(leaf)
	}
	if ca == nil {
		return nil, authority.ErrCertificateNotAvailable
	}
	if !p.overlap.admits(ctx, ca, serving) { // wait for the bundle
		return nil, authority.ErrCertificateNotAvailable
	}
	p.mu.Lock()
	p.serving = &tls.Certificate{Leaf: leaf}
	p.mu.Unlock()
	return leaf, nil
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

func (p *patient) signer(leaf *x509.Certificate) (ca *x509.Certificate, serving *tls.Certificate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return issuer(leaf, p.trust.current), p.serving
}

// lookup bounds one call to the API server.
const lookup = 5 * time.Second
