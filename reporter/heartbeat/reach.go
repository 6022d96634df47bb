package heartbeat

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"syscall"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
)

// reachPatience bounds one connection to the gate.
const reachPatience = 2 * time.Second

// reached is what connecting to the gate told, as an API server would connect.
type reached struct {
	// answered says that the gate is there, whatever its certificate.
	answered bool
	// expires is when its certificate does. The zero time: it was not seen.
	expires time.Time
	// expired says that it has.
	expired bool
	// refused says that nobody listens, or that nobody answers: in time, or before the
	// connection is ended.
	refused bool
	detail  string
}

// reach connects to where a webhook is registered. What it can't tell it leaves open: the
// reporter may see less of the network, or other names, than the API server.
func reach(ctx context.Context, c *admissionv1.WebhookClientConfig, now time.Time) reached {
	address, name, err := target(c)
	if err != nil {
		return reached{detail: err.Error()}
	}
	roots := x509.NewCertPool()
	trusting := &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12, Time: func() time.Time { return now }}
	if len(c.CABundle) > 0 && roots.AppendCertsFromPEM(c.CABundle) {
		trusting.RootCAs = roots
	}
	ctx, cancel := context.WithTimeout(ctx, reachPatience)
	defer cancel()
	conn, err := (&tls.Dialer{Config: trusting}).DialContext(ctx, "tcp", address)
	if err != nil {
		return unreached(err)
	}
	defer conn.Close()
	out := reached{answered: true}
	if certificates := conn.(*tls.Conn).ConnectionState().PeerCertificates; len(certificates) > 0 {
		out.expires = certificates[0].NotAfter
	}
	return out
}

func unreached(err error) reached {
	out := reached{detail: err.Error()}
	var untrusted *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	var name *net.DNSError
	var dial *net.OpError
	switch {
	case errors.As(err, &untrusted):
		out.answered = true
		if len(untrusted.UnverifiedCertificates) > 0 {
			out.expires = untrusted.UnverifiedCertificates[0].NotAfter
		}
		out.expired = errors.As(err, &invalid) && invalid.Reason == x509.Expired
	case errors.As(err, &name):
	case errors.As(err, &dial) && dial.Op == "dial", errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET): // a balancer with nobody behind it
		out.refused = true
	}
	return out
}

// target is where a webhook is, and under which name its certificate must be good.
func target(c *admissionv1.WebhookClientConfig) (address, name string, err error) {
	if s := c.Service; s != nil {
		port := int32(443)
		if s.Port != nil {
			port = *s.Port
		}
		name = s.Name + "." + s.Namespace + ".svc"
		return net.JoinHostPort(name, strconv.Itoa(int(port))), name, nil
	}
	if c.URL == nil {
		return "", "", errors.New("the webhook has neither a Service nor a URL")
	}
	u, err := url.Parse(*c.URL)
	if err != nil || u.Hostname() == "" {
		return "", "", fmt.Errorf("the webhook's URL %q has no host", *c.URL)
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	address = net.JoinHostPort(u.Hostname(), port)
	if host, _, err := net.SplitHostPort(address); err != nil || host != u.Hostname() {
		return "", "", fmt.Errorf("the webhook's URL %q has no host that can be dialled", *c.URL)
	}
	return address, u.Hostname(), nil
}

// explain says why canaries were not denied, as far as connecting to the gate tells, and
// adds what the API servers will find out when they connect anew.
func (r reached) explain(faults []Fault) []Fault {
	for i := range faults {
		f := &faults[i]
		switch {
		case f.Cause != CauseNotAsked:
		case r.expired:
			f.Cause, f.Detail = CauseCertificateExpired, f.Detail+"; "+r.expiry()
		case r.refused:
			f.Cause, f.Detail = CauseNoAnswer, f.Detail+"; connecting to the gate: "+r.detail
		}
	}
	if len(faults) == 0 && r.expired {
		return []Fault{{Cause: CauseCertificateExpired, Detail: r.expiry() + "; only connections from before still work"}}
	}
	return faults
}

func (r reached) expiry() string {
	return "the gate's certificate expired at " + r.expires.UTC().Format(time.RFC3339)
}
