package audit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// Server serves a [Backend] over HTTPS. It runs in every replica: a record has the same
// name whoever writes it.
type Server struct {
	// Address to listen on, as host:port.
	Address string
	// CertFile and KeyFile are read again when they change.
	CertFile, KeyFile string
	// ClientCAFile verifies the API server's client certificate. Left out: the backend
	// asks for a token.
	ClientCAFile string
	Backend      *Backend
	// Listening is told the address once it is listened on. Left out: nobody is.
	Listening func(net.Addr)
}

// Start serves until ctx ends.
func (s *Server) Start(ctx context.Context) error {
	config, err := s.tls(ctx)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Address)
	if err != nil {
		return fmt.Errorf("listening for audit events: %w", err)
	}
	if s.Listening != nil {
		s.Listening(listener.Addr())
	}
	server := &http.Server{
		Handler: s.Backend, TLSConfig: config, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(listener, "", "") }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving the audit webhook backend: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		return errors.Join(fmt.Errorf("ending the audit webhook backend: %w", err), server.Close())
	}
	return nil
}

// NeedLeaderElection says that it runs whoever leads: the API server is answered by
// whichever replica it reaches.
func (s *Server) NeedLeaderElection() bool { return false }

func (s *Server) tls(ctx context.Context) (*tls.Config, error) {
	watcher, err := certwatcher.New(s.CertFile, s.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of the audit webhook backend: %w", err)
	}
	go func() { _ = watcher.Start(ctx) }() // it says in its log what it could not read
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: watcher.GetCertificate}
	if s.ClientCAFile == "" {
		return config, nil
	}
	raw, err := os.ReadFile(s.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("reading whom the audit webhook backend lets in: %w", err)
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("reading whom the audit webhook backend lets in: no certificate in %s", s.ClientCAFile)
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	return config, nil
}

// TokenFile reads the token of a [Backend] from a file, each time it is asked.
func TokenFile(name string) func() (string, error) {
	return func() (string, error) {
		raw, err := os.ReadFile(name)
		return strings.TrimSpace(string(raw)), err
	}
}
