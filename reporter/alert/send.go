package alert

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sendTimeout is how long a receiver may take over one request.
const sendTimeout = 10 * time.Second

// maxSecret bounds what is read of a file with an address, a token or a certificate.
const maxSecret = 1 << 20

// refusal is the answer of a receiver that did not take a notification.
type refusal struct {
	status int
	said   string        // the first line of its answer, without what is secret
	after  time.Duration // when it asks to be tried again; 0 when it doesn't say
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("the receiver answered %d %s", r.status, http.StatusText(r.status))
	if r.said != "" {
		text += ": " + r.said
	}
	return text
}

// ofMessage says that it is this notification which it does not take, and that another
// may do better.
func (r *refusal) ofMessage() bool {
	switch r.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// opened is a receiver with all that its files hold, for one request: whoever rotates a
// token or a certificate need not tell us.
type opened struct {
	url     *url.URL
	header  http.Header
	tls     *tls.Config
	secrets []string
}

// send gives a receiver a message. Its error holds neither the address nor a token.
func send(ctx context.Context, r *Receiver, m message) error {
	o, err := open(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, o.url.String(), bytes.NewReader(m.body))
	if err != nil {
		return errors.New("making the request: the address can't be used")
	}
	request.Header = o.header
	request.Header.Set("Content-Type", m.contentType)
	request.Header.Set("User-Agent", "gitlatch")
	request.Header.Set(idHeader, m.id)
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: o.tls, DisableKeepAlives: true, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	// A redirection would carry token and body to somebody else.
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("reaching the receiver: %w", o.told(err))
	}
	defer func() { _ = response.Body.Close() }() // read as far as it is wanted
	if response.StatusCode/100 == 2 {
		return nil
	}
	start, _ := io.ReadAll(io.LimitReader(response.Body, 512)) // what there is of it: the status says enough
	first, _, _ := strings.Cut(string(start), "\n")
	return &refusal{status: response.StatusCode, said: oneLine(o.masked(first), 120), after: retryAfter(response.Header)}
}

func open(r *Receiver) (*opened, error) {
	o := &opened{header: http.Header{}}
	address := r.URL
	var err error
	if r.URLFile != "" {
		if address, err = o.secret("urlFile", r.URLFile); err != nil {
			return nil, err
		}
	}
	if o.url, err = parseURL(address); err != nil {
		return nil, fmt.Errorf("reading the address: %w", err)
	}
	o.hide(address, o.url.RequestURI(), o.url.Path, o.url.RawQuery)
	o.hide(pieces(o.url)...)
	if r.Type == Alertmanager && !strings.HasSuffix(o.url.Path, "/api/v2/alerts") {
		o.url = o.url.JoinPath("api/v2/alerts")
	}
	for _, h := range r.Headers {
		value := h.Value
		if h.ValueFile != "" {
			if value, err = o.secret("the header "+h.Name, h.ValueFile); err != nil {
				return nil, err
			}
		}
		o.hide(value)
		o.hide(long(strings.Fields(value))...) // the token of "Bearer token", alone
		if !headerValue(value) {
			return nil, fmt.Errorf("reading the header %s: it has more than one line", h.Name)
		}
		o.header.Add(h.Name, value)
	}
	if r.BearerTokenFile != "" {
		token, err := o.secret("bearerTokenFile", r.BearerTokenFile)
		if err != nil {
			return nil, err
		}
		if !headerValue(token) {
			return nil, errors.New("reading bearerTokenFile: it has more than one line")
		}
		o.header.Set("Authorization", "Bearer "+token)
	}
	o.tls, err = tlsConfig(r)
	return o, err
}

// pieces of an address that may be the secret of it, each by itself: a receiver may
// quote just that.
func pieces(u *url.URL) []string {
	all := strings.FieldsFunc(u.EscapedPath()+"/"+u.Path, func(r rune) bool { return r == '/' })
	for _, pair := range strings.Split(u.RawQuery, "&") {
		_, value, _ := strings.Cut(pair, "=")
		all = append(all, value)
	}
	for _, values := range u.Query() {
		all = append(all, values...)
	}
	if u.User != nil {
		password, _ := u.User.Password()
		all = append(all, u.User.Username(), password)
	}
	return long(all)
}

// long leaves out what is too short for a secret, and would mask words of every answer.
func long(all []string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return len(s) < 8 })
}

func tlsConfig(r *Receiver) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.CAFile != "" {
		bundle, err := readFile("caFile", r.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(bundle) {
			return nil, errors.New("reading caFile: there is no certificate in it")
		}
	}
	if r.CertFile != "" {
		cert, err := readFile("certFile", r.CertFile)
		if err != nil {
			return nil, err
		}
		key, err := readFile("keyFile", r.KeyFile)
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, errors.New("reading certFile and keyFile: they are no certificate and key that go together")
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// secret reads a file whose content is never shown.
func (o *opened) secret(field, path string) (string, error) {
	content, err := readFile(field, path)
	value := strings.TrimSpace(string(content))
	if err == nil && value == "" {
		err = fmt.Errorf("reading %s: %s is empty", field, path)
	}
	o.hide(value)
	return value, err
}

func (o *opened) hide(values ...string) {
	for _, value := range values {
		if len(value) > 3 { // "/" is nobody's secret
			o.secrets = append(o.secrets, value)
		}
	}
}

// masked takes what is secret out of somebody else's words.
func (o *opened) masked(s string) string {
	for _, secret := range o.secrets {
		s = strings.ReplaceAll(s, secret, "***")
	}
	return s
}

// told is an error of net/http without the address, which such errors begin with.
func (o *opened) told(err error) error {
	var outer *url.Error
	for errors.As(err, &outer) {
		if outer.Timeout() {
			return fmt.Errorf("no answer within %s", sendTimeout)
		}
		err = outer.Err
	}
	return errors.New(oneLine(o.masked(err.Error()), 300))
}

func readFile(field, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", field, err)
	}
	defer func() { _ = f.Close() }() // read only: nothing to lose
	content, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", field, err)
	case len(content) > maxSecret:
		return nil, fmt.Errorf("reading %s: %s has more than %d bytes", field, path, maxSecret)
	}
	return content, nil
}

// retryAfter reads the header of that name in seconds (RFC 9110, section 10.2.3); a date
// is taken for nothing said.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(cmp.Or(h.Get("Retry-After"), "0"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, int(longestPause/time.Second))) * time.Second
}
