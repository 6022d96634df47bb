package git

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"golang.org/x/crypto/ssh/knownhosts"
)

// What an [Error] is at its root. A caller asks with errors.Is.
var (
	// ErrAuthentication: the remote did not accept the credentials, or they can't be read.
	ErrAuthentication = errors.New("authentication")
	// ErrHostKey: the ssh server's key is not the one in known_hosts, or there is none.
	ErrHostKey = errors.New("host key")
	// ErrTLS: the server's certificate, or ours, was not accepted.
	ErrTLS = errors.New("TLS")
	// ErrUnreachable: nobody answers, or with a failure that may pass.
	ErrUnreachable = errors.New("unreachable")
	// ErrRepositoryNotFound: the server has no such repository, or shows it only to others.
	ErrRepositoryNotFound = errors.New("repository not found")
	// ErrRefNotFound: the remote has no such branch, tag, version or commit.
	ErrRefNotFound = errors.New("ref not found")
	// ErrCommitNotFound: the commit was never fetched.
	ErrCommitNotFound = errors.New("commit not found")
	// ErrURL: the URL is none that a repository can be read from.
	ErrURL = errors.New("URL")
	// ErrTooLarge: a file or a transfer is larger than what is read.
	ErrTooLarge = errors.New("too large")
	// ErrCorrupt: what is on disk or what a remote sent is no whole repository.
	ErrCorrupt = errors.New("corrupt")
)

// Error is what went wrong between here and a remote. Its text says what to do, and holds no credentials: what a
// library or a server said is kept only where none can be in it.
type Error struct {
	// Kind is one of this package's Err variables, or the error of a context.
	Kind error
	text string
}

func (e *Error) Error() string { return e.text }

func (e *Error) Unwrap() error { return e.Kind }

func problem(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, text: fmt.Sprintf(format, args...)}
}

// explainRemote turns what a library said about a remote into an [Error]. An error that was explained before stays.
func explainRemote(ctx context.Context, url string, c Credentials, err error) error {
	at := redact(url)
	var explained *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &explained) && strings.HasPrefix(explained.text, "reading "):
		return explained
	case explained != nil:
		return problem(explained.Kind, "reading %s: %s", at, explained.text)
	}
	if cause := ctx.Err(); cause != nil {
		return problem(cause, "reading %s: stopped before it answered: %v", at, cause)
	}
	var disk *fs.PathError
	var rename *os.LinkError
	switch {
	case errors.Is(err, ErrCorrupt):
		return problem(ErrCorrupt, "reading %s: %s", at, c.scrub(err.Error()))
	case errors.As(err, &disk), errors.As(err, &rename):
		return fmt.Errorf("keeping %s on disk: %w", at, err)
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed),
		strings.Contains(err.Error(), "ssh: unable to authenticate"):
		return problem(ErrAuthentication, "reading %s: the server refused %s: check the Secret that secretRef names, and that its owner may read the repository", at, c.kind())
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return problem(ErrRepositoryNotFound, "reading %s: the server has no such repository, or hides it from %s", at, c.kind())
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return problem(ErrRefNotFound, "reading %s: the repository has no commit yet", at)
	}
	if e := explainTLS(at, err); e != nil {
		return e
	}
	if e := explainHostKey(at, err); e != nil {
		return e
	}
	return explainRest(at, c, err)
}

func explainTLS(at string, err error) error {
	var verification *tls.CertificateVerificationError
	var alert *net.OpError
	var header tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(err, &authority):
		return problem(ErrTLS, "reading %s: its certificate is signed by an unknown authority: put the CA's certificate under ca.crt", at)
	case errors.As(err, &verification):
		return problem(ErrTLS, "reading %s: its certificate is not valid: %v", at, verification.Err)
	case errors.As(err, &alert) && alert.Op == "remote error": // what crypto/tls calls an alert
		return problem(ErrTLS, "reading %s: the server refused our side of TLS (%v): it may ask for a client certificate, tls.crt and tls.key", at, alert.Err)
	case errors.As(err, &header):
		return problem(ErrTLS, "reading %s: the server doesn't speak TLS on this port", at)
	}
	return nil
}

func explainHostKey(at string, err error) error {
	var mismatch *knownhosts.KeyError
	var revoked *knownhosts.RevokedError
	switch {
	case errors.As(err, &mismatch) && len(mismatch.Want) == 0:
		return problem(ErrHostKey, "reading %s: known_hosts has no line for this host: add what `ssh-keyscan` says, once it is confirmed", at)
	case errors.As(err, &mismatch):
		return problem(ErrHostKey, "reading %s: the server's host key is not the one in known_hosts: if its owner changed it, put the new one there", at)
	case errors.As(err, &revoked):
		return problem(ErrHostKey, "reading %s: known_hosts says that the server's host key is revoked", at)
	}
	return nil
}

func explainRest(at string, c Credentials, err error) error {
	var status *githttp.Err
	var line *pktline.ErrorLine
	var operation net.Error
	switch {
	case errors.As(err, &status):
		return problem(ErrUnreachable, "reading %s: the server answers with status %d", at, status.StatusCode())
	case errors.As(err, &line):
		return problem(ErrUnreachable, "reading %s: the server says: %s", at, c.scrub(line.Text))
	case errors.As(err, &operation), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return problem(ErrUnreachable, "reading %s: the server can't be reached, or hung up: %s", at, c.scrub(err.Error()))
	}
	return problem(ErrUnreachable, "reading %s: %s", at, c.scrub(err.Error()))
}

// kind names the credentials without showing them.
func (c Credentials) kind() string {
	switch {
	case len(c.Identity) > 0:
		return "the ssh key"
	case c.BearerToken != "":
		return "the bearer token"
	case c.Username != "" || c.Password != "":
		return "the username and password"
	case len(c.ClientCert) > 0:
		return "the client certificate"
	}
	return "an anonymous reader"
}

// scrub takes every credential out of a text that somebody else wrote, and bounds it.
func (c Credentials) scrub(text string) string {
	basic := base64.StdEncoding.EncodeToString([]byte(c.Username + ":" + c.Password))
	for _, secret := range []string{c.Password, c.BearerToken, string(c.IdentityPassword), basic} {
		if len(secret) > 0 && secret != "Og==" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}

// redact takes what stands before the @ out of a URL, whatever else is wrong with it.
func redact(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		scheme, rest = "", url
	} else {
		scheme += "://"
	}
	authority, path, slash := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, _, secret := strings.Cut(authority[:at], ":")
		if scheme == "ssh://" && !secret {
			return scheme + user + rest[at:] // git@host is no secret
		}
		authority = "***" + authority[at:]
	}
	if slash {
		authority += "/" + path
	}
	return scheme + authority
}
