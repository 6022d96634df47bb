package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gitlatch/gitlatch/test/process"
)

// stopGrace is how long a server may take to end by itself. The API server waits for open watches, the controllers'
// among them, for as long as it is let.
const stopGrace = 2 * time.Second

// bindAttempts: reserved ports are lost only to programs that are not ours, which is rare once and absurd thrice.
const bindAttempts = 3

func (c *Cluster) startEtcd(ctx context.Context) error {
	return c.onFreePort(&c.etcdPort, func() error { return c.launch(ctx, Etcd) })
}

// startAPIServer also writes the kubeconfigs, since they name the port.
func (c *Cluster) startAPIServer(ctx context.Context) error {
	people, err := hire(filepath.Join(c.dir, "tokens.csv"))
	if err != nil {
		return err
	}
	return c.onFreePort(&c.apiPort, func() error {
		for _, person := range people {
			if err := c.know(person.name, c.withToken(person.token)); err != nil {
				return err
			}
		}
		if err := c.knowComponents(); err != nil {
			return err
		}
		return c.launch(ctx, APIServer)
	})
}

func (c *Cluster) startControllerManager(ctx context.Context) error {
	return c.launch(ctx, ControllerManager)
}

// onFreePort reserves a port and starts on it, and again on another one when somebody else was quicker.
func (c *Cluster) onFreePort(p **process.Port, start func() error) error {
	var err error
	for range bindAttempts {
		if *p, err = process.ReservePort(); err != nil {
			return err
		}
		if err = start(); !errors.Is(err, errAddressInUse) {
			return err
		}
		(*p).Release()
	}
	return err
}

// launch starts a server and waits until it serves. When it doesn't, nothing of it is left.
func (c *Cluster) launch(ctx context.Context, server Server) error {
	c.serving.Lock()
	defer c.serving.Unlock()
	return c.launchLocked(ctx, server)
}

func (c *Cluster) launchLocked(ctx context.Context, server Server) error {
	if c.stopped {
		return fmt.Errorf("starting %s: the cluster is stopped", server)
	}
	if p := c.servers[server]; p.Running() {
		return nil
	}
	what := process.Command{
		Dir: c.dir, Env: process.Env(c.dir), Detached: c.options.Detached,
		LogFile: c.LogFile(server), PIDFile: pidFile(c.dir, server),
	}
	switch server {
	case Etcd:
		what.Path, what.Args = c.options.Assets.Etcd, c.etcdArgs()
	case APIServer:
		what.Path, what.Args = c.options.Assets.APIServer, c.apiServerArgs()
	case ControllerManager:
		what.Path, what.Args = c.options.Assets.ControllerManager, c.controllerManagerArgs()
	default:
		return fmt.Errorf("starting %q: no such server", server)
	}
	p, err := process.Start(what)
	if err != nil {
		return fmt.Errorf("starting %s: %w", server, err)
	}
	if err := c.awaitServer(ctx, server, p); err != nil {
		err = fmt.Errorf("starting %s: %w; %w", server, err, failure(p))
		p.Stop(0)
		return err
	}
	c.servers[server] = p
	return nil
}

// errAddressInUse says that another program took the port between our choosing it and the server's binding it.
var errAddressInUse = errors.New("the address is in use")

// failure explains why a server isn't what it should be.
func failure(p *process.Process) error {
	err := p.Failure()
	if !p.Running() && strings.Contains(p.Said(), "address already in use") {
		return fmt.Errorf("%w: %w", errAddressInUse, err)
	}
	return err
}

// StopServer stops one server, as an outage would; one that doesn't run is left so.
func (c *Cluster) StopServer(server Server) { c.end(server, stopGrace) }

// KillServer ends one server with SIGKILL, as a node that is lost would; one that doesn't run is left so.
func (c *Cluster) KillServer(server Server) { c.end(server, 0) }

func (c *Cluster) end(server Server, grace time.Duration) {
	c.serving.Lock()
	defer c.serving.Unlock()
	c.servers[server].Stop(grace)
}

// StartServer starts one server again, on the port and the data that it had, and returns when it serves. One that runs
// is left so.
func (c *Cluster) StartServer(ctx context.Context, server Server) error { return c.launch(ctx, server) }

// RestartServer stops one server and starts it again.
func (c *Cluster) RestartServer(ctx context.Context, server Server) error {
	c.StopServer(server)
	return c.StartServer(ctx, server)
}

// PauseServer has one server stand still, its connections open, as one does whose disk or host hangs; ContinueServer has
// it go on. Stopping it ends the pause too.
func (c *Cluster) PauseServer(server Server) error { return c.signal(server, syscall.SIGSTOP) }

// ContinueServer ends a pause.
func (c *Cluster) ContinueServer(server Server) error { return c.signal(server, syscall.SIGCONT) }

func (c *Cluster) signal(server Server, sig syscall.Signal) error {
	c.serving.Lock()
	defer c.serving.Unlock()
	p := c.servers[server]
	if !p.Running() {
		return fmt.Errorf("sending %s to %s: it does not run", sig, server)
	}
	if err := syscall.Kill(p.PID(), sig); err != nil {
		return fmt.Errorf("sending %s to %s: %w", sig, server, err)
	}
	return nil
}

// LogFile returns the path of what a server has written to its standard output and error, over all its starts.
func (c *Cluster) LogFile(server Server) string {
	return filepath.Join(c.dir, "log", string(server)+".log")
}

// Stop stops the three servers, waits until they are gone, and removes a temporary directory. More calls do nothing.
func (c *Cluster) Stop() error {
	c.serving.Lock()
	defer c.serving.Unlock()
	if c.stopped {
		return nil
	}
	c.stopped = true
	for _, server := range []Server{ControllerManager, APIServer, Etcd} {
		c.servers[server].Stop(stopGrace)
	}
	c.apiPort.Release()
	c.etcdPort.Release()
	if c.temporary && !c.options.Keep && c.dir != "" {
		if err := os.RemoveAll(c.dir); err != nil {
			return fmt.Errorf("stopping a cluster: %w", err)
		}
	}
	return nil
}
