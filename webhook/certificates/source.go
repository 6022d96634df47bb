package certificates

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Source of serving certificates. [Dynamic] and [Files] are the two there are.
type Source interface {
	// Start keeps the certificate current until ctx ends. Every replica runs it.
	Start(ctx context.Context) error
	// NeedLeaderElection is false: every replica serves.
	NeedLeaderElection() bool
	// GetCertificate is for tls.Config. It is an error until there is one.
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Ready is nil once there is a certificate to serve.
	Ready() error
	// Bundle returns the authorities to trust, as PEM; nil when somebody else
	// (cert-manager's injector) puts them where they belong.
	Bundle() []byte
	// Changed gets a value whenever Bundle may return something else.
	Changed() <-chan struct{}
	// Collector has the expiry metric: gitlatch_certificate_expiry_timestamp_seconds.
	prometheus.Collector
}

// Published reads the bundles that the API server trusts now, one for each
// webhook that is registered; none when none is.
type Published func(ctx context.Context) ([][]byte, error)

// ErrNotAvailable is returned to a client that comes before there is a
// certificate.
var ErrNotAvailable = errors.New("no serving certificate yet")

// errExpired is why a replica that could not renew is not ready.
var errExpired = errors.New("the serving certificate has expired")

// TLSConfig serves what the source has, with TLS 1.2 or later: the oldest that
// the API server offers.
func TLSConfig(s Source) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: s.GetCertificate,
		NextProtos:     []string{"h2", "http/1.1"},
	}
}

var _ = []Source{(*Dynamic)(nil), (*Files)(nil)}
