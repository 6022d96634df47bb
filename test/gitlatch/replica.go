package gitlatch

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// stopGrace is how long a webhook may take to end by itself: it finishes what it was asked and flushes its records.
const stopGrace = 10 * time.Second

// startTimeout is far more than a start takes; a machine may be busy.
const startTimeout = time.Minute

// replica is one webhook: the Pod that it stands for, and the process that does the Pod's work.
type replica struct {
	pod                   string
	kubeconfig            string
	port, metrics, health int
	args                  []string
	logFile, pidFile      string
	process               *process
}

// flags are the webhook's. The kubeconfig's path is below the cluster's directory, by which [StopDir] knows its own.
func (g *Gitlatch) flags(r *replica, frontPort int) []string {
	flags := []string{
		"--kubeconfig=" + r.kubeconfig,
		"--namespace=" + Namespace,
		"--listen=" + address(r.port),
		"--metrics-bind-address=" + address(r.metrics),
		"--health-probe-bind-address=" + address(r.health),
		"--drain=0s", // no endpoints have to go elsewhere; a test of the drain sets it
	}
	if g.options.Service {
		flags = append(flags, "--service-port="+strconv.Itoa(frontPort))
	} else {
		flags = append(flags, "--webhook-url=https://localhost:"+strconv.Itoa(frontPort))
	}
	if g.options.FailurePolicy != "" {
		flags = append(flags, "--failure-policy="+g.options.FailurePolicy)
	}
	return append(flags, g.options.Flags...)
}

// Start starts replica i, on the ports and with the identity that it had, and returns when it serves. One that runs is
// left so.
func (g *Gitlatch) Start(ctx context.Context, i int) error {
	r := g.replicas[i]
	if r.process != nil && r.process.running() {
		return nil
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + g.cluster.Dir(), "TMPDIR=" + g.cluster.Dir(),
		"POD_NAME=" + r.pod, "POD_NAMESPACE=" + Namespace, "GOMEMLIMIT=216MiB",
	}
	var err error
	r.process, err = launch(g.options.Binary, r.args, env, r.logFile, r.pidFile, g.options.Detached)
	if err != nil {
		return fmt.Errorf("starting webhook %d: %w", i, err)
	}
	err = WaitFor(ctx, startTimeout, fmt.Sprintf("webhook %d to serve", i), func(ctx context.Context) error {
		if !r.process.running() {
			return nil // told below: there is no use in asking on
		}
		return ready(ctx, "http://"+address(r.health)+"/readyz")
	})
	if !r.process.running() {
		err = fmt.Errorf("webhook %d ended (%v)", i, r.process.err)
	}
	if err != nil {
		return fmt.Errorf("%w; its log (%s) ends:\n%s", err, r.logFile, lastLines(r.logFile, 15))
	}
	return nil
}

func ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("getting %s: %s", url, response.Status)
	}
	return nil
}

// Kill ends replica i with SIGKILL, as a node that is lost would.
func (g *Gitlatch) Kill(i int) { g.replicas[i].process.stop(0) }

// Terminate ends replica i as an eviction does, and returns when it is gone.
func (g *Gitlatch) Terminate(i int) { g.replicas[i].process.stop(stopGrace) }

// Replicas is how many there are.
func (g *Gitlatch) Replicas() int { return len(g.replicas) }

// PID is the process of replica i.
func (g *Gitlatch) PID(i int) int { return g.replicas[i].process.pid }

// MetricsURL is where replica i shows its metrics.
func (g *Gitlatch) MetricsURL(i int) string {
	return "http://" + address(g.replicas[i].metrics) + "/metrics"
}

// URL is where replica i serves admission, past the proxy.
func (g *Gitlatch) URL(i int) string { return "https://" + address(g.replicas[i].port) }

// Binary is the webhook's program.
func (g *Gitlatch) Binary() string { return g.options.Binary }

// Logs returns what replica i has written over all its starts.
func (g *Gitlatch) Logs(i int) string {
	content, err := os.ReadFile(g.replicas[i].logFile)
	if err != nil {
		return err.Error()
	}
	return string(content)
}

func (g *Gitlatch) newReplica(i int, pod string) *replica {
	name := "webhook-" + strconv.Itoa(i)
	return &replica{
		pod:     pod,
		logFile: filepath.Join(g.options.LogDir, name+".log"),
		pidFile: filepath.Join(g.cluster.Dir(), "run", name+".pid"),
	}
}
