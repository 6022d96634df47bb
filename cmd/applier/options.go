package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier"
	"github.com/gitlatch/gitlatch/cmd/internal/program"
)

// Options are what can be set. The defaults are those of manifests/default.
type Options struct {
	// Kubeconfig reaches the API server. Left out: the pod's own account.
	Kubeconfig string
	// Namespace that Gitlatch runs in; the leader's lease is there.
	Namespace string
	// DataDir holds the repositories. It is made where it is missing, and fetched anew
	// where it is lost; two processes must not share it.
	DataDir string
	// FileRoots are the directories below which repositories may be read by a file URL,
	// by whoever may make a GitSync. Left out: none are.
	FileRoots []string
	// MetricsAddress and ProbeAddress serve metrics and /healthz and /readyz; "0"
	// serves none.
	MetricsAddress, ProbeAddress string
	// ReceiverAddress takes push notifications, as host:port. Left out: none are taken,
	// and remotes are asked at the interval.
	ReceiverAddress string
	// LeaderElect has one process apply, however many there are. Without it whoever
	// starts a second one has two that fight.
	LeaderElect bool
	// ConcurrentSyncs is how many syncs run at once, 1 to 100.
	ConcurrentSyncs int
	// Workers is how many objects of one sync are applied at once, 1 to 100.
	Workers int
	// TakeoverManagers are field managers that are treated as people's, besides
	// kubectl's and those of known tools.
	TakeoverManagers []string
	// Replica is who holds the lease and writes the records; the pod's name. The name
	// must be this process's alone: whoever holds the lease under it is taken for an
	// earlier life of this one, so that a container that crashed goes on at once. Left
	// out: the host's name and something random.
	Replica string
	// Verbosity 1 logs what was found unchanged as well.
	Verbosity int
}

// most is the highest number of syncs and of workers: past it the API server's own
// queues are what one waits for.
const most = 100

// parseOptions reads the command line. Its error is one line.
func parseOptions(args []string, env func(string) string, help io.Writer) (*Options, error) {
	o := &Options{}
	f := program.NewFlags("applier")
	f.StringVar(&o.Kubeconfig, "kubeconfig", "", "kubeconfig `file`; left out: the account of the pod")
	f.StringVar(&o.Namespace, "namespace", cmp.Or(env("POD_NAMESPACE"), "gitlatch-system"), "`namespace` that Gitlatch runs in")
	f.StringVar(&o.DataDir, "data-dir", "/var/lib/gitlatch", "`directory` of the repositories, this process's alone")
	f.Func("allow-file-root", "`directory` below which a sync may read repositories by a file URL; may be repeated; left out: none may", func(root string) error {
		o.FileRoots = append(o.FileRoots, root)
		return nil
	})
	f.StringVar(&o.MetricsAddress, "metrics-bind-address", ":8080", "`host:port` to serve metrics on; 0: none")
	f.StringVar(&o.ProbeAddress, "health-probe-bind-address", ":8081", "`host:port` to serve /healthz and /readyz on; 0: none")
	f.StringVar(&o.ReceiverAddress, "receiver-bind-address", "", "`host:port` to take push notifications on; left out: none are taken")
	f.BoolVar(&o.LeaderElect, "leader-elect", true, "elect the one process that applies")
	f.IntVar(&o.ConcurrentSyncs, "concurrent-syncs", 4, "how many syncs run at once")
	f.IntVar(&o.Workers, "workers", 16, "how many objects of one sync are applied at once")
	f.Func("takeover-managers", "further field `managers` to treat as people's: a comma-separated list, and may be repeated", func(list string) error {
		for name := range strings.SplitSeq(list, ",") {
			o.TakeoverManagers = append(o.TakeoverManagers, strings.TrimSpace(name))
		}
		return nil
	})
	f.StringVar(&o.Replica, "replica", env("POD_NAME"), "`name` of this process, its alone; left out: one is made up")
	f.IntVar(&o.Verbosity, "v", 0, "1 logs what is unchanged as well")
	if err := program.Parse(f, args, "applier carries commits from git to the cluster and keeps what they declare there.", help); err != nil {
		return nil, err
	}
	if o.Replica == "" {
		o.Replica = program.Hostname("applier") + "_" + string(uuid.NewUUID())
	}
	return o, nil
}

// Validate says what is wrong with the options, in one line.
func (o *Options) Validate() error {
	err := cmp.Or(
		program.CheckName("--namespace", o.Namespace),
		program.CheckAddress("--metrics-bind-address", o.MetricsAddress, "0"),
		program.CheckAddress("--health-probe-bind-address", o.ProbeAddress, "0"),
		program.CheckAddress("--receiver-bind-address", o.ReceiverAddress, ""),
		checkNumber("--concurrent-syncs", o.ConcurrentSyncs),
		checkNumber("--workers", o.Workers),
		program.CheckVerbosity(o.Verbosity),
	)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(o.DataDir) || filepath.Clean(o.DataDir) == "/" {
		return fmt.Errorf("--data-dir %q: must be an absolute path of a directory of its own", o.DataDir)
	}
	for _, root := range o.FileRoots {
		if !filepath.IsAbs(root) {
			return fmt.Errorf("--allow-file-root %q: must be an absolute path", root)
		}
	}
	for _, name := range o.TakeoverManagers {
		if err := checkManager(name); err != nil {
			return fmt.Errorf("--takeover-managers %q: %w", name, err)
		}
	}
	return nil
}

func checkNumber(name string, n int) error {
	if n < 1 || n > most {
		return fmt.Errorf("%s %d: must be between 1 and %d", name, n, most)
	}
	return nil
}

// checkManager: our own fields are taken from nobody.
func checkManager(name string) error {
	switch {
	case name == "" || len(name) > 128:
		return errors.New("must be the names of field managers, of 1 to 128 bytes")
	case name == v1alpha1.FieldManager:
		return errors.New("is the applier's own field manager")
	}
	return nil
}

func (o *Options) applier(config *rest.Config) applier.Options {
	return applier.Options{
		Config: config, DataDir: o.DataDir, FileRoots: o.FileRoots, Namespace: o.Namespace, Replica: o.Replica,
		ConcurrentSyncs: o.ConcurrentSyncs, Workers: o.Workers,
		TakeoverManagers: o.TakeoverManagers, ReceiverAddress: o.ReceiverAddress,
	}
}
