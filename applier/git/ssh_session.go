package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"golang.org/x/crypto/ssh"
)

// sshSession is git's protocol over one command of an ssh server. The connection ends with its context.
type sshSession struct {
	client *ssh.Client
	stop   func() bool // the context no longer ends it
	in     io.WriteCloser
	out    io.Reader
	stderr *tail
	wait   func() error
	asked  bool // for objects
}

var _ transport.UploadPackSession = (*sshSession)(nil)

// AdvertisedReferences is part of go-git's interface, and not called.
func (s *sshSession) AdvertisedReferences() (*packp.AdvRefs, error) {
	return s.AdvertisedReferencesContext(context.Background())
}

// AdvertisedReferencesContext reads what the server says first.
func (s *sshSession) AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error) {
	advertised := packp.NewAdvRefs()
	err := advertised.Decode(s.out)
	switch {
	case errors.Is(err, packp.ErrEmptyAdvRefs), err == nil && advertised.IsEmpty():
		return nil, transport.ErrEmptyRemoteRepository
	case err != nil:
		return nil, s.refusal(err)
	}
	transport.FilterUnsupportedCapabilities(advertised.Capabilities)
	return advertised, nil
}

// refusal reads why the server hung up from what it wrote to its standard error.
func (s *sshSession) refusal(err error) error {
	_ = s.in.Close()
	_ = s.wait() // its standard error is complete then; that it failed is known
	said := strings.TrimSpace(s.stderr.text.String())
	var line *pktline.ErrorLine
	if errors.As(err, &line) {
		said = line.Text
	}
	lower := strings.ToLower(said)
	switch {
	case strings.Contains(lower, "not found"), strings.Contains(lower, "not appear to be a git repository"),
		strings.Contains(lower, "no such"):
		return transport.ErrRepositoryNotFound
	case strings.Contains(lower, "denied"), strings.Contains(lower, "not authorized"), strings.Contains(lower, "unauthorized"):
		return transport.ErrAuthorizationFailed
	case said != "":
		return fmt.Errorf("the server says: %s", said)
	}
	return err
}

// UploadPack asks for objects, and returns the answer, whose rest is the pack.
func (s *sshSession) UploadPack(_ context.Context, request *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	if err := request.Validate(); err != nil {
		return nil, err
	}
	s.asked = true
	if err := request.UploadRequest.Encode(s.in); err != nil {
		return nil, err
	}
	if err := request.UploadHaves.Encode(s.in, true); err != nil {
		return nil, err
	}
	if err := pktline.NewEncoder(s.in).Encodef("done\n"); err != nil {
		return nil, err
	}
	if err := s.in.Close(); err != nil {
		return nil, err
	}
	response := packp.NewUploadPackResponse(request)
	if err := response.Decode(io.NopCloser(s.out)); err != nil {
		return nil, s.refusal(err)
	}
	return response, nil
}

// Close ends the conversation politely where nothing was asked for, and the connection.
func (s *sshSession) Close() error {
	if s.in != nil && !s.asked {
		_ = pktline.NewEncoder(s.in).Flush() // the server may be gone already
	}
	s.stop()
	_ = s.client.Close() // so may the connection
	return nil
}
