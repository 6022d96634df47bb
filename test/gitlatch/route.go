package gitlatch

import "github.com/gitlatch/gitlatch/test/process"

// Only has these replicas alone answer from now on, on connections of their own; none named is all of them. Nothing may
// be under way: it would be cut off. It is for tests that need one replica to do what another did not see.
func (g *Gitlatch) Only(replicas ...int) {
	var backends []string
	for i, r := range g.replicas {
		for _, wanted := range replicas {
			if i == wanted {
				backends = append(backends, process.Address(r.port))
			}
		}
		if len(replicas) == 0 {
			backends = append(backends, process.Address(r.port))
		}
	}
	g.proxy.turn(backends)
	g.proxy.cut()
}

// Pod is the name of the Pod that replica i stands for, under which it counts.
func (g *Gitlatch) Pod(i int) string { return g.replicas[i].pod }

// cut ends what is open, so that the next call makes a new connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close()
	}
}
