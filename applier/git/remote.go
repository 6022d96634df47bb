package git

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// remote is one conversation with a remote, under one set of credentials. Nothing of it is shared: go-git's registry
// of protocols is global to the process, so its transports are made here for each conversation.
type remote interface {
	// list says what the remote names.
	list(ctx context.Context) (references, error)
	// fetch takes what is wanted with its whole history, without what we have; list was called before.
	fetch(ctx context.Context, into *incoming, wants, haves []plumbing.Hash) error
	// close ends the conversation.
	close() error
}

// dial begins a conversation.
func (r *Repository) dial(ctx context.Context, c Credentials) (remote, error) {
	u, err := parseURL(r.url)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "https":
		return dialHTTPS(u, c)
	case "ssh":
		return dialSSH(ctx, u, c, filepath.Dir(r.path))
	}
	return dialFile(u, r.fence)
}

// session is a conversation in git's protocol, version 0, over whatever carries it.
type session struct {
	transport.UploadPackSession
	capabilities *capability.List
	done         func() error
}

func (s *session) close() error { return s.done() }

func (s *session) list(ctx context.Context) (references, error) {
	r := references{names: map[string]string{}, peeled: map[string]string{}}
	advertised, err := s.AdvertisedReferencesContext(ctx)
	if err != nil {
		return r, err
	}
	s.capabilities = advertised.Capabilities
	if format := s.capabilities.Get("object-format"); len(format) > 0 && format[0] != "sha1" {
		return r, fmt.Errorf("its objects are named by %s; only SHA-1 repositories are read", format[0])
	}
	for name, hash := range advertised.References {
		r.names[name] = hash.String()
	}
	for name, hash := range advertised.Peeled {
		r.peeled[name] = hash.String()
	}
	if advertised.Head != nil {
		r.names["HEAD"] = advertised.Head.String()
	}
	for _, link := range s.capabilities.Get(capability.SymRef) {
		if target, ok := strings.CutPrefix(link, "HEAD:"); ok {
			r.head = target
		}
	}
	return r, nil
}

func (s *session) fetch(ctx context.Context, into *incoming, wants, haves []plumbing.Hash) error {
	request := packp.NewUploadPackRequestFromCapabilities(s.capabilities)
	if s.capabilities.Supports(capability.NoProgress) {
		if err := request.Capabilities.Set(capability.NoProgress); err != nil {
			return err
		}
	}
	// Nobody shows its progress, and a remote that names its objects in our haves as wanted would end it early.
	request.Wants, request.Haves = wants, slices.DeleteFunc(haves, func(h plumbing.Hash) bool { return slices.Contains(wants, h) })
	response, err := s.UploadPack(ctx, request)
	if err != nil {
		return err
	}
	defer response.Close()
	var pack io.Reader = response
	switch {
	case request.Capabilities.Supports(capability.Sideband64k):
		pack = sideband.NewDemuxer(sideband.Sideband64k, response)
	case request.Capabilities.Supports(capability.Sideband):
		pack = sideband.NewDemuxer(sideband.Sideband, response)
	}
	return into.pack(ctx, pack)
}

// endpoint is a URL as go-git's transports want it, without credentials.
func endpoint(u *url.URL) *transport.Endpoint {
	e, err := transport.NewEndpoint(u.String())
	if err != nil {
		return &transport.Endpoint{Protocol: u.Scheme, Host: u.Host, Path: u.Path}
	}
	return e
}

// anyCommit says whether the server gives commits that no reference names.
func (s *session) anyCommit() bool {
	return s.capabilities.Supports(capability.AllowTipSHA1InWant) ||
		s.capabilities.Supports(capability.AllowReachableSHA1InWant) || s.capabilities.Supports("allow-any-sha1-in-want")
}
