package webhook

import (
	"crypto/tls"
	"net/http"
	"time"
)

// Windows of flow control. An API server sends all its reviews over one
// connection: with the defaults, one long review that waits for room would fill
// the connection's window and hold up every other review behind it.
const (
	streamWindow     = 128 << 10
	connectionWindow = 3 << 20 // the largest that net/http takes is just under 4 MiB
	maxStreams       = 512
)

// NewServer serves the handler to API servers.
func NewServer(handler http.Handler, config *tls.Config) *http.Server {
	return &http.Server{
		Handler:           handler,
		TLSConfig:         config,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       90 * time.Second, // as long as the API server keeps a connection
		MaxHeaderBytes:    64 << 10,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReceiveBufferPerStream:     streamWindow,
			MaxReceiveBufferPerConnection: connectionWindow,
		},
	}
}
