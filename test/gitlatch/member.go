package gitlatch

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
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
	process         *process.Process
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
	if m.process.Running() {
		return nil
	}
	var err error
	if m.process, err = process.Start(m.command); err != nil {
		return fmt.Errorf("starting %s: %w", m.name, err)
	}
	err = WaitFor(ctx, startTimeout, m.name+" to be ready", func(ctx context.Context) error {
		if !m.process.Running() {
			return nil // told below: there is no use in asking on
		}
		return process.Answers(ctx, http.DefaultClient, "http://"+process.Address(m.health)+"/readyz")
	})
	switch {
	case !m.process.Running():
		return fmt.Errorf("starting %s (%s): %w", m.name, m.command.LogFile, m.process.Failure())
	case err != nil:
		return fmt.Errorf("%w; %w", err, m.process.Failure())
	}
	return nil
}

// Kill ends it with SIGKILL, as a node that is lost would.
func (m *member) Kill() { m.process.Stop(0) }

// Terminate ends it as an eviction does, and returns when it is gone.
func (m *member) Terminate() { m.process.Stop(stopGrace) }

// Running says whether it runs: it may have ended by itself.
func (m *member) Running() bool { return m.process.Running() }

// PID is its process.
func (m *member) PID() int { return m.process.PID() }

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
