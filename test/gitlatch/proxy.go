package gitlatch

import (
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/gitlatch/gitlatch/test/process"
)

// proxy stands in for a Service: each connection goes to the next backend that takes it. It carries bytes and knows no
// TLS, so the API server and the webhook see each other's.
type proxy struct {
	listener net.Listener
	next     atomic.Uint64

	mu       sync.Mutex // guards what follows
	backends []string
	open     map[net.Conn]struct{}
	ended    bool
}

func startProxy(port int, backends []string) (*proxy, error) {
	listener, err := net.Listen("tcp", process.Address(port))
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: listener, backends: backends, open: map[net.Conn]struct{}{}}
	go p.serve()
	return p, nil
}

func (p *proxy) port() int { return p.listener.Addr().(*net.TCPAddr).Port }

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.carry(client)
	}
}

// carry refuses the client when no backend takes it, as a Service without endpoints does.
func (p *proxy) carry(client net.Conn) {
	defer client.Close()
	backends := p.those()
	for range backends {
		backend, err := net.Dial("tcp", backends[p.next.Add(1)%uint64(len(backends))])
		if err != nil {
			continue
		}
		defer backend.Close()
		if !p.keep(client) {
			return
		}
		defer p.forget(client)
		go func() {
			_, _ = io.Copy(backend, client) // ends when either side does
			_ = backend.Close()
		}()
		_, _ = io.Copy(client, backend)
		return
	}
}

// turn has new connections go to these backends.
func (p *proxy) turn(backends []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.backends = backends
}

func (p *proxy) those() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.backends
}

func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.open[c] = struct{}{}
	}
	return !p.ended
}

func (p *proxy) forget(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

func (p *proxy) stop() {
	_ = p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for c := range p.open {
		_ = c.Close()
	}
}
