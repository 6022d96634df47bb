package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

// wire stands between the webhooks and the API server, and carries their bytes, later by its delay. Both sides keep
// their TLS to each other: nothing is known of what is said.
type wire struct {
	listener net.Listener
	to       string
	delay    atomic.Int64 // nanoseconds, each way

	mu    sync.Mutex // guards open
	open  map[net.Conn]struct{}
	ended bool
}

// strung is a wire to this host and port.
func strung(to string) (*wire, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &wire{listener: listener, to: to, open: map[net.Conn]struct{}{}}
	go w.serve()
	return w, nil
}

func (w *wire) url() string { return "https://" + w.listener.Addr().String() }

// slow has every byte take so long, those under way included.
func (w *wire) slow(by time.Duration) { w.delay.Store(int64(by)) }

func (w *wire) serve() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		go w.carry(client)
	}
}

func (w *wire) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer server.Close()
	if !w.keep(client, server) {
		return
	}
	defer w.forget(client, server)
	go func() {
		w.pump(server, client)
		_ = server.Close()
		_ = client.Close()
	}()
	w.pump(client, server)
}

// chunk is what was read at once.
type chunk struct {
	bytes []byte
	at    time.Time
}

// pump carries one way, in order, until either side is gone.
func (w *wire) pump(to io.Writer, from io.Reader) {
	queue := make(chan chunk, 1024)
	go func() {
		defer close(queue)
		for {
			buffer := make([]byte, 32<<10)
			n, err := from.Read(buffer)
			if n > 0 {
				queue <- chunk{buffer[:n], time.Now()}
			}
			if err != nil {
				return
			}
		}
	}()
	broken := false
	for c := range queue {
		// In steps, so that the end of a delay ends it for what waits too.
		for left := w.due(c.at); left > 0 && !broken && !w.over(); left = w.due(c.at) {
			time.Sleep(min(left, 10*time.Millisecond))
		}
		if !broken {
			_, err := to.Write(c.bytes)
			broken = err != nil // what else is read is thrown away, so that the reader ends
		}
	}
}

func (w *wire) due(at time.Time) time.Duration {
	return time.Until(at.Add(time.Duration(w.delay.Load())))
}

func (w *wire) keep(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		w.open[c] = struct{}{}
	}
	return !w.ended
}

func (w *wire) forget(conns ...net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		delete(w.open, c)
	}
}

func (w *wire) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended
}

// cut ends it and all that it carries.
func (w *wire) cut() {
	_ = w.listener.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	for c := range w.open {
		_ = c.Close()
	}
}

// reroute has the webhooks reach the API server by this address from now on, and trust this authority beside the
// cluster's own. They are restarted for it, one after the other.
func (w *world) reroute(ctx context.Context, url string, authority []byte) error {
	for i := range w.gate.Replicas() {
		path := filepath.Join(w.plane.Dir(), "kubeconfig", fmt.Sprintf("webhook-%d", i))
		config, err := clientcmd.LoadFromFile(path)
		if err != nil {
			return err
		}
		for _, to := range config.Clusters {
			to.Server = url
			to.CertificateAuthorityData = append(to.CertificateAuthorityData, authority...)
		}
		if err := clientcmd.WriteToFile(*config, path); err != nil {
			return err
		}
		w.gate.Terminate(i)
		if err := w.gate.Start(ctx, i); err != nil {
			return err
		}
	}
	return w.gate.WaitAnswering(ctx)
}
