package gitlatch

import (
	"context"
	"slices"
	"strconv"

	"github.com/gitlatch/gitlatch/test/process"
)

// replica is one webhook.
type replica struct {
	*member
	port int
}

// flags are the webhook's.
func (g *Gitlatch) flags(r *replica) []string {
	flags := append(r.member.flags(),
		"--listen="+process.Address(r.port),
		"--drain=0s", // no endpoints have to go elsewhere; a test of the drain sets it
	)
	return append(append(flags, g.front...), g.options.Flags...)
}

// reached are the flags that say how the API server reaches the gate. The reporter has them too.
func (g *Gitlatch) reached(frontPort int) []string {
	flags := []string{"--webhook-url=https://localhost:" + strconv.Itoa(frontPort)}
	if g.options.Service {
		flags = []string{"--service-port=" + strconv.Itoa(frontPort)}
	}
	if g.options.FailurePolicy != "" {
		flags = append(flags, "--failure-policy="+g.options.FailurePolicy)
	}
	return flags
}

// startWebhook readies the ports and the proxy, and starts all replicas.
func (g *Gitlatch) startWebhook(ctx context.Context) error {
	var backends []string
	for _, r := range g.replicas {
		if err := g.freePorts(&r.port, &r.metrics, &r.health); err != nil {
			return err
		}
		backends = append(backends, process.Address(r.port))
	}
	frontPort := g.replicas[0].port
	if len(g.replicas) > 1 {
		err := g.freePorts(&frontPort)
		if err != nil {
			return err
		}
		if g.proxy, err = startProxy(frontPort, backends); err != nil {
			return err
		}
	}
	g.front = g.reached(frontPort)
	for _, r := range g.replicas {
		r.command.Path, r.command.Args = g.options.Binary, g.flags(r)
	}
	for i := range g.replicas {
		if err := g.Start(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// Start starts replica i, on the ports and with the identity that it had, and returns when it serves. Before that
// nobody is sent to it, as a Service sends nobody to a pod that is not ready. One that runs is left so.
func (g *Gitlatch) Start(ctx context.Context, i int) error {
	r := g.replicas[i]
	if r.Running() {
		return nil
	}
	g.unroute(i)
	if err := r.Start(ctx); err != nil {
		return err
	}
	g.route(i)
	return nil
}

// Kill ends replica i with SIGKILL, as a node that is lost would.
func (g *Gitlatch) Kill(i int) { g.replicas[i].Kill() }

// Terminate ends replica i as an eviction does, and returns when it is gone. From the signal on, nobody new is sent to it,
// as a Service sends nobody to a pod that is terminating.
func (g *Gitlatch) Terminate(i int) {
	g.unroute(i)
	g.replicas[i].Terminate()
}

// Restart ends each replica in turn and starts it with more flags, which win over those that it was installed with.
func (g *Gitlatch) Restart(ctx context.Context, flags ...string) error {
	for i, r := range g.replicas {
		g.Terminate(i)
		r.command.Args = append(g.flags(r), flags...)
		if err := g.Start(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// unroute takes replica i out of the proxy; what is under way goes on. route puts it back.
func (g *Gitlatch) unroute(i int) {
	g.reroute(i, func(others []string) []string { return others })
}

func (g *Gitlatch) route(i int) {
	g.reroute(i, func(others []string) []string { return append(others, process.Address(g.replicas[i].port)) })
}

// reroute changes where the proxy goes, given where it goes besides replica i.
func (g *Gitlatch) reroute(i int, to func(others []string) []string) {
	p := g.proxy
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	own := process.Address(g.replicas[i].port)
	p.backends = to(slices.DeleteFunc(slices.Clone(p.backends), func(b string) bool { return b == own }))
}

// Replicas is how many there are.
func (g *Gitlatch) Replicas() int { return len(g.replicas) }

// PID is the process of replica i.
func (g *Gitlatch) PID(i int) int { return g.replicas[i].PID() }

// MetricsURL is where replica i shows its metrics.
func (g *Gitlatch) MetricsURL(i int) string { return g.replicas[i].MetricsURL() }

// URL is where replica i serves admission, past the proxy.
func (g *Gitlatch) URL(i int) string { return "https://" + process.Address(g.replicas[i].port) }

// Binary is the webhook's program.
func (g *Gitlatch) Binary() string { return g.options.Binary }

// Logs returns what replica i has written over all its starts.
func (g *Gitlatch) Logs(i int) string { return g.replicas[i].Logs() }
