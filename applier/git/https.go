package git

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// dialHTTPS prepares a conversation over https; nothing is sent yet. Its connections are its own, and so are its
// certificates. A redirect is followed for the first request only, never to http, and takes no credentials along to
// another origin.
func dialHTTPS(u *url.URL, c Credentials) (remote, error) {
	config, err := c.tls(u)
	if err != nil {
		return nil, err
	}
	auth, err := c.http(u)
	if err != nil {
		return nil, err
	}
	// HTTP/1.1: one request follows the other, and of a server that turns us away after the handshake, for want of a
	// client certificate, HTTP/2's client may say no more than that there is no connection.
	connections := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
		MaxIdleConns:          2,
		IdleConnTimeout:       time.Minute,
	}
	client := githttp.NewClient(&http.Client{Transport: connections})
	upload, err := client.NewUploadPackSession(endpoint(u), auth)
	if err != nil {
		return nil, err
	}
	return &session{UploadPackSession: patient{upload}, done: func() error {
		connections.CloseIdleConnections()
		return upload.Close()
	}}, nil
}

func (c Credentials) http(u *url.URL) (transport.AuthMethod, error) {
	switch {
	case c.BearerToken != "" && (c.Username != "" || c.Password != ""):
		return nil, problem(ErrAuthentication, "reading %s: the Secret holds both a bearer token and a password: keep one", redact(u.String()))
	case c.BearerToken != "":
		return &githttp.TokenAuth{Token: c.BearerToken}, nil
	case c.Username != "" || c.Password != "":
		return &githttp.BasicAuth{Username: c.Username, Password: c.Password}, nil
	}
	return nil, nil
}

func (c Credentials) tls(u *url.URL) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(c.CA) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool() // a machine without any
		}
		if !pool.AppendCertsFromPEM(c.CA) {
			return nil, problem(ErrTLS, "reading %s: ca.crt holds no certificate in PEM", redact(u.String()))
		}
		config.RootCAs = pool
	}
	if len(c.ClientCert) > 0 || len(c.ClientKey) > 0 {
		pair, err := tls.X509KeyPair(c.ClientCert, c.ClientKey)
		if err != nil {
			return nil, problem(ErrTLS, "reading %s: tls.crt and tls.key are no certificate with its key in PEM", redact(u.String()))
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// patient asks again when the server hangs up on the first request. With TLS 1.3 it may refuse our certificate after
// we began to write, and then its reason is lost or not, as the network wills.
type patient struct{ transport.UploadPackSession }

func (p patient) AdvertisedReferencesContext(ctx context.Context) (*packp.AdvRefs, error) {
	for attempt := 1; ; attempt++ {
		advertised, err := p.UploadPackSession.AdvertisedReferencesContext(ctx)
		hungUp := errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
		if !hungUp || attempt == 3 || ctx.Err() != nil {
			return advertised, err
		}
	}
}
