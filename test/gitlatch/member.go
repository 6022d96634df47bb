package gitlatch

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gitlatch/gitlatch/test/process"
)

// stopGrace is how long a process may take to end by itself: it finishes what it was asked and flushes its records.
const stopGrace = 10 * time.Second

// startTimeout is far more than a start takes; a machine may be busy.
const startTimeout = time.Minute

// member is the Pod that a process stands for, and the process that does the Pod's work.
type member struct {
	name            string // "webhook-0", "applier"
	pod             string
	kubeconfig      string
	metrics, health int
	command         process.Command

	mu      sync.Mutex // guards all below
	process *process.Process
	wanted  bool // it was ready, and nobody ended it
}

// join makes the member of a pod. The kubeconfig's path is below the cluster's directory, by which [StopDir] knows its
// own.
func (g *Gitlatch) join(name, pod, memoryLimit string) *member {
	dir := g.cluster.Dir()
	return &member{
		name: name, pod: pod,
		kubeconfig: filepath.Join(dir, "kubeconfig", name),
		command: process.Command{
			Dir:      filepath.Join(dir, "run"),
			Env:      append(process.Env(dir), "POD_NAME="+pod, "POD_NAMESPACE="+Namespace, "GOMEMLIMIT="+memoryLimit),
			LogFile:  filepath.Join(g.options.LogDir, name+".log"),
			PIDFile:  filepath.Join(dir, "run", name+".pid"),
			Detached: g.options.Detached,
		},
	}
}

// flags that every command has.
func (m *member) flags() []string {
	return []string{
		"--kubeconfig=" + m.kubeconfig,
		"--namespace=" + Namespace,
		"--metrics-bind-address=" + process.Address(m.metrics),
		"--health-probe-bind-address=" + process.Address(m.health),
	}
}

// Start starts the process again, on the ports and with the identity that it had, and returns when it is ready. It holds
// the lease that it held before, so it goes on at once. One that runs is left so.
func (m *member) Start(ctx context.Context) error {
	p, err := m.launch()
	if err != nil || p == nil {
		return err
	}
	err = WaitFor(ctx, startTimeout, m.name+" to be ready", func(ctx context.Context) error {
		if !p.Running() {
			return nil // told below: there is no use in asking on
		}
		return process.Answers(ctx, http.DefaultClient, "http://"+process.Address(m.health)+"/readyz")
	})
	switch {
	case !p.Running():
		return fmt.Errorf("starting %s (%s): %w", m.name, m.command.LogFile, p.Failure())
	case err != nil:
		return fmt.Errorf("%w; %w", err, p.Failure())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wanted = m.process == p
	return nil
}

// launch gives nil where it runs already.
func (m *member) launch() (*process.Process, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process.Running() {
		return nil, nil
	}
	p, err := process.Start(m.command)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", m.name, err)
	}
	m.process, m.wanted = p, false
	return p, nil
}

// keep starts it again when it has ended by itself, as a kubelet does, until ctx ends: a leader ends that could not
// renew its lease, on a machine that is busy.
func (m *member) keep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
			m.revive()
		}
	}
}

func (m *member) revive() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.wanted || m.process.Running() {
		return
	}
	if p, err := process.Start(m.command); err == nil { // else the next time
		m.process = p
	}
}

// Kill ends it with SIGKILL, as a node that is lost would.
func (m *member) Kill() { m.end(0) }

// Terminate ends it as an eviction does, and returns when it is gone.
func (m *member) Terminate() { m.end(stopGrace) }

func (m *member) end(grace time.Duration) {
	m.mu.Lock()
	m.wanted = false
	p := m.process
	m.mu.Unlock()
	p.Stop(grace)
}

// current is the process of its last start.
func (m *member) current() *process.Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.process
}

// Running says whether it runs: it may have ended by itself.
func (m *member) Running() bool { return m.current().Running() }

// PID is its process.
func (m *member) PID() int { return m.current().PID() }

// Pod is the name of the Pod that it stands for.
func (m *member) Pod() string { return m.pod }

// Logs returns what it has written over all its starts.
func (m *member) Logs() string {
	content, err := os.ReadFile(m.command.LogFile)
	if err != nil {
		return err.Error()
	}
	return string(content)
}

// MetricsURL is where it shows its metrics.
func (m *member) MetricsURL() string { return "http://" + process.Address(m.metrics) + "/metrics" }

// Kubeconfig is the path of its kubeconfig: what it may do, with the token of its Pod.
func (m *member) Kubeconfig() string { return m.kubeconfig }
