package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/test/process"
)

// Options say how a cluster is started. The zero value is a cluster in a temporary directory that ends with its test.
type Options struct {
	// Dir holds the cluster's data, keys, logs and kubeconfigs. Left out, it is a temporary directory, removed by Stop
	// unless Keep is set. A directory of an earlier start goes on with its data, keys and people, on new ports.
	Dir string

	// Keep leaves a temporary Dir behind, to look into.
	Keep bool

	// Assets are the programs to run; left out, those of [Binaries].
	Assets Assets

	// Detached lets the servers outlive the process that starts them; [StopDir] stops them. Stop does so as well.
	Detached bool

	// Fsync makes etcd write to the disk for certain, at the cost of speed; for drills that pull the plug.
	Fsync bool

	// EtcdArgs, APIServerArgs and ControllerManagerArgs come after the arguments that we give, and so win over them.
	EtcdArgs, APIServerArgs, ControllerManagerArgs []string

	// Prepare, if set, is called with the directory before the first server starts, to put files there that the API
	// server is to read. What it returns comes after APIServerArgs. Left out: there are none.
	Prepare func(ctx context.Context, dir string) (apiServerArgs []string, err error)

	// Progress is told what takes long; left out, nobody is.
	Progress io.Writer
}

// Cluster is a control plane under way. Its methods may be called from several goroutines.
type Cluster struct {
	dir       string
	temporary bool
	options   Options
	authority *authority

	apiPort, etcdPort *process.Port

	mu    sync.Mutex // guards users
	users map[string]*rest.Config

	serving sync.Mutex // guards servers and stopped; held while a server starts or stops
	servers map[Server]*process.Process
	stopped bool
}

// Start starts a control plane and returns when it is ready to be used: the API server says that it is ready, the
// controllers have begun, the namespace default has its service account, the people have their rights.
// It takes a few seconds, or minutes when the programs have to be built first. ctx bounds the start only.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	if options.Progress == nil {
		options.Progress = io.Discard
	}
	if options.Assets == (Assets{}) {
		assets, err := Binaries(ctx, options.Progress)
		if err != nil {
			return nil, fmt.Errorf("starting a cluster: %w", err)
		}
		options.Assets = assets
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	c := &Cluster{
		options: options,
		users:   map[string]*rest.Config{},
		servers: map[Server]*process.Process{},
	}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting a cluster: %w", err), c.Stop())
	}
	return c, nil
}

// startTimeout is far more than a start takes; a machine may be busy with several.
const startTimeout = 3 * time.Minute

// start is the list of steps; each one needs those before it.
func (c *Cluster) start(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		c.prepareDir,
		c.prepareKeys,
		c.prepareMore,
		c.startEtcd,
		c.startAPIServer,
		c.startControllerManager,
		c.grant,
		c.registerNode,
		c.awaitControllers,
		c.pipeline,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) prepareDir(context.Context) error {
	var err error
	if c.options.Dir == "" {
		c.temporary = true
		c.dir, err = os.MkdirTemp("", "gitlatch-cluster-")
	} else {
		c.dir, err = filepath.Abs(c.options.Dir)
	}
	if err != nil {
		return err
	}
	for _, server := range []Server{Etcd, APIServer, ControllerManager} {
		pid, err := process.Living(c.dir, pidFile(c.dir, server))
		if err != nil {
			return err
		}
		if pid != 0 {
			return fmt.Errorf("using %s: its %s is running (pid %d)", c.dir, server, pid)
		}
	}
	for _, name := range []string{"pki", "log", "run", "kubeconfig", "home"} {
		if err := os.MkdirAll(filepath.Join(c.dir, name), 0o700); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(c.dir, "audit-policy.yaml"), []byte(auditPolicy), 0o600)
}

func (c *Cluster) prepareKeys(context.Context) error {
	var err error
	if c.authority, err = openAuthority(filepath.Join(c.dir, "pki")); err != nil {
		return err
	}
	return c.authority.serving()
}

// prepareMore leaves the caller's slice of arguments alone: several clusters may be started from it.
func (c *Cluster) prepareMore(ctx context.Context) error {
	if c.options.Prepare == nil {
		return nil
	}
	more, err := c.options.Prepare(ctx, c.dir)
	if err != nil {
		return err
	}
	c.options.APIServerArgs = slices.Concat(c.options.APIServerArgs, more)
	return nil
}

// Dir returns the directory that the cluster's data, keys, logs and kubeconfigs are in.
func (c *Cluster) Dir() string { return c.dir }

// URL returns the API server's address, "https://127.0.0.1:port". It stays the same when the server is restarted.
func (c *Cluster) URL() string { return "https://" + c.apiPort.Address() }

// EtcdURL returns the address of etcd, which asks nobody who they are: for tests that need what no API server would
// store, such as an object that is older than the cluster.
func (c *Cluster) EtcdURL() string { return "http://" + c.etcdPort.Address() }

// Assets returns the programs that the cluster runs.
func (c *Cluster) Assets() Assets { return c.options.Assets }
