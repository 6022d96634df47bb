package gitserver

import (
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
)

// listening is a server on one port of loopback that can be stopped and started again on the same port, as one that is
// unreachable for a while.
type listening struct {
	serve func(net.Listener) // returns when the listener is closed

	mu       sync.Mutex
	addr     string
	listener *tracked
	done     chan struct{}
}

// Addr is host:port; the same after a stop and a start.
func (l *listening) Addr() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.addr
}

// Start listens again after a Stop; nothing when it does already.
func (l *listening) Start() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != nil {
		return nil
	}
	addr := l.addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	inner, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	l.addr = inner.Addr().String()
	l.listener = &tracked{Listener: inner, open: map[net.Conn]bool{}}
	l.done = make(chan struct{})
	go func(listener net.Listener, done chan struct{}) {
		defer close(done)
		l.serve(listener)
	}(l.listener, l.done)
	return nil
}

// Stop refuses connections from now on, and cuts those that are open.
func (l *listening) Stop() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener == nil {
		return nil
	}
	err := l.listener.Close()
	l.listener.cut()
	<-l.done
	l.listener = nil
	return err
}

// Close is Stop for good.
func (l *listening) Close() error { return l.Stop() }

// tracked is a listener that knows its open connections.
type tracked struct {
	net.Listener
	mu   sync.Mutex
	open map[net.Conn]bool
}

func (t *tracked) Accept() (net.Conn, error) {
	conn, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open[conn] = true
	return &trackedConn{Conn: conn, from: t}, nil
}

func (t *tracked) cut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for conn := range t.open {
		_ = conn.Close() // it may be closed already
	}
}

type trackedConn struct {
	net.Conn
	from *tracked
}

func (c *trackedConn) Close() error {
	c.from.mu.Lock()
	delete(c.from.open, c.Conn)
	c.from.mu.Unlock()
	return c.Conn.Close()
}

// serveHTTP serves a handler over TLS on whatever listener comes.
func serveHTTP(handler http.Handler, config *tls.Config) func(net.Listener) {
	return func(listener net.Listener) {
		server := &http.Server{Handler: handler, TLSConfig: config, ErrorLog: log.New(discard{}, "", 0)}
		if err := server.ServeTLS(listener, "", ""); !errors.Is(err, net.ErrClosed) {
			_ = server.Close()
		}
	}
}
